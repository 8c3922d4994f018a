#include <stdio.h>
static int ackermann(int m, int n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }
static long moves;
static void hanoi(int n, int from, int to, int via) {
    if (n == 0) return;
    hanoi(n - 1, from, via, to);
    moves = moves * 3 % 1000003 + from * 10 + to;
    hanoi(n - 1, via, to, from);
}
static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
int main(void) {
    hanoi(14, 1, 3, 2);
    printf("%d %ld %d\n", ackermann(2, 60), moves, fibonacci(22));
    return 0;
}
