/* A small stack machine that runs a program of its own: primes, Fibonacci by recursion, string
 * building. Most of the time goes into one switch and into calls through pointers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum code { PUSH, LOAD, STORE, ADD, SUB, MUL, MOD, LESS, EQUAL, JUMP, UNLESS, CALL, RETURN, FETCH, PUT, APPLY, HALT };

static int64_t stack[4096], locals[64], memory[4096];
static int32_t program[256];
static int length;

static int emit(int32_t code) {
    program[length] = code;
    return length++;
}

static int emit2(int32_t code, int32_t operand) {
    emit(code);
    return emit(operand);
}

static int64_t twice(int64_t x) { return 2 * x + 1; }
static int64_t square(int64_t x) { return x * x % 1000003; }
static int64_t mix(int64_t x) { return (x ^ x >> 3) & 0xffff; }
static int64_t (*const functions[])(int64_t) = {twice, square, mix};

static int64_t run(int start) {
    int pc = start, sp = 0;
    for (;;) {
        switch (program[pc++]) {
        case PUSH: stack[sp++] = program[pc++]; break;
        case LOAD: stack[sp++] = locals[program[pc++]]; break;
        case STORE: locals[program[pc++]] = stack[--sp]; break;
        case ADD: sp--; stack[sp - 1] += stack[sp]; break;
        case SUB: sp--; stack[sp - 1] -= stack[sp]; break;
        case MUL: sp--; stack[sp - 1] *= stack[sp]; break;
        case MOD: sp--; stack[sp - 1] %= stack[sp]; break;
        case LESS: sp--; stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
        case EQUAL: sp--; stack[sp - 1] = stack[sp - 1] == stack[sp]; break;
        case JUMP: pc = program[pc]; break;
        case UNLESS: pc = stack[--sp] ? pc + 1 : program[pc]; break;
        case CALL: {
            int64_t argument = stack[sp - 1];
            stack[sp - 1] = pc + 1;
            stack[sp++] = argument;
            pc = program[pc];
            break;
        }
        case RETURN: {
            int64_t value = stack[--sp];
            pc = (int)stack[sp - 1];
            stack[sp - 1] = value;
            break;
        }
        case FETCH: stack[sp - 1] = memory[stack[sp - 1] & 4095]; break;
        case PUT: sp -= 2; memory[stack[sp] & 4095] = stack[sp + 1]; break;
        case APPLY: stack[sp - 1] = functions[program[pc++]](stack[sp - 1]); break;
        default: return stack[sp - 1];
        }
    }
}

/* for (i = 2; i < limit; i++) put(i, apply(fetch(i - 1) + i)) ; sum of i % 7 == 3 */
static int build(int32_t limit) {
    int start = length;
    emit2(PUSH, 2), emit2(STORE, 0), emit2(PUSH, 0), emit2(STORE, 1);
    int loop = length;
    emit2(LOAD, 0), emit2(PUSH, limit), emit(LESS);
    int end = emit2(UNLESS, 0);
    emit2(LOAD, 0), emit2(LOAD, 0), emit2(PUSH, 1), emit(SUB), emit(FETCH), emit2(LOAD, 0), emit(ADD);
    emit2(APPLY, 0), emit2(APPLY, 1), emit2(APPLY, 2), emit(PUT);
    emit2(LOAD, 0), emit2(PUSH, 7), emit(MOD), emit2(PUSH, 3), emit(EQUAL);
    int skip = emit2(UNLESS, 0);
    emit2(LOAD, 1), emit2(LOAD, 0), emit(FETCH), emit(ADD), emit2(STORE, 1);
    program[skip] = length;
    emit2(LOAD, 0), emit2(PUSH, 1), emit(ADD), emit2(STORE, 0), emit2(JUMP, loop);
    program[end] = length;
    emit2(LOAD, 1), emit(HALT);
    return start;
}

/* fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2), with n on the stack below the results. */
static int64_t fibonacci(int64_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 80;
    int64_t sum = 0;
    int start = build(20000);
    for (int round = 0; round < rounds; round++) {
        memory[1] = round;
        sum = sum * 31 + run(start);
        sum += fibonacci(20 + round % 3);
    }
    printf("%d rounds, checksum %016llx\n", rounds, (unsigned long long)sum);
    return 0;
}
