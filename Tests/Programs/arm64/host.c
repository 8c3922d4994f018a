// Executes what the translator emits for 64-bit Arm, in a process of its own under qemu-aarch64.
//
// Commands come on standard input, answers go to standard output, all little-endian:
//
//   open   path, origin, low, high, size   → the address of the code memory
//   write  offset, bytes
//   call   entry, target                   → the number of an exit
//
// The guest's memory is the file that `open` names, whose offset `origin` is the guest's address
// 0. It is mapped piece by piece where code touches it, because an emulator that notes what is
// mapped page by page would need a second for all of it. Outside of `low` to `high` code has
// nothing to look for: there the process ends. Code lies in memory that is written and executed,
// which the emulator watches; a copy of the writer's view would be executed stale.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct command {
    uint32_t kind, byte_count;
    uint64_t words[4];
};

enum { OPEN = 1, WRITE = 2, CALL = 3 };

// Far from where systems put anything.
#define BASE 0x200000000000u
#define PIECE (1u << 21)
#define PIECE_COUNT_MAX (1 << 16)

static int memory = -1;
static uint64_t origin, low, high;
static uint64_t pieces[PIECE_COUNT_MAX];
static int piece_count;
static uint8_t *code;
static uint64_t code_size;

static void fail(const char *what) {
    dprintf(2, "code host: %s\n", what);
    _exit(3);
}

static void map_piece(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    uint64_t address = (uint64_t)info->si_addr, offset = address - BASE + origin;
    if (memory < 0 || offset < low || offset >= high) {
        dprintf(2, "code host: access to offset 0x%llx\n", (unsigned long long)offset);
        _exit(4);
    }
    uint64_t start = (address - BASE) & ~(uint64_t)(PIECE - 1);
    // Pieces are aligned by guest addresses; the lowest begins where the file's range does.
    uint64_t from = start + origin < low ? low : start + origin;
    uint64_t to = start + origin + PIECE > high ? high : start + origin + PIECE;
    void *place = (void *)(BASE + from - origin);
    if (piece_count == PIECE_COUNT_MAX
        || mmap(place, to - from, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory,
               (off_t)from) == MAP_FAILED)
        fail("no memory to map");
    pieces[piece_count++] = start;
}

static void forget_pieces(void) {
    for (int index = 0; index < piece_count; index++)
        munmap((void *)(BASE + pieces[index]), PIECE);
    piece_count = 0;
    if (memory >= 0)
        close(memory);
}

static void receive(void *target, size_t size) {
    uint8_t *bytes = target;
    while (size > 0) {
        ssize_t count = read(0, bytes, size);
        if (count <= 0)
            _exit(count == 0 ? 0 : 3);
        bytes += count;
        size -= (size_t)count;
    }
}

static void answer(uint64_t value) {
    if (write(1, &value, sizeof value) != sizeof value)
        fail("nobody reads");
}

static void open_memory(const struct command *command) {
    char path[256] = {0};
    if (command->byte_count >= sizeof path)
        fail("a path that is too long");
    receive(path, command->byte_count);
    forget_pieces();
    memory = open(path, O_RDWR | O_CLOEXEC);
    if (memory < 0)
        fail("cannot open the memory");
    origin = command->words[0];
    low = command->words[1];
    high = command->words[2];
    if (code_size != command->words[3]) {
        if (code)
            munmap(code, code_size);
        code_size = command->words[3];
        code = mmap(NULL, code_size, PROT_READ | PROT_WRITE | PROT_EXEC,
            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED)
            fail("no memory for code");
    }
    answer((uint64_t)code);
}

static void write_code(const struct command *command) {
    uint64_t offset = command->words[0];
    if (offset > code_size || command->byte_count > code_size - offset)
        fail("code outside of its memory");
    receive(code + offset, command->byte_count);
    __builtin___clear_cache((char *)code + offset, (char *)code + offset + command->byte_count);
}

static void call(const struct command *command) {
    typedef uint32_t (*entry)(void *, const void *);
    answer(((entry)(code + command->words[0]))((void *)BASE, code + command->words[1]));
}

int main(void) {
    struct sigaction action = {.sa_sigaction = map_piece, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    while (1) {
        struct command command;
        receive(&command, sizeof command);
        switch (command.kind) {
        case OPEN: open_memory(&command); break;
        case WRITE: write_code(&command); break;
        case CALL: call(&command); break;
        default: fail("no such command");
        }
    }
}
