#include <stdio.h>
static int solve(unsigned all, unsigned columns, unsigned left, unsigned right) {
    if (columns == all) return 1;
    int count = 0;
    for (unsigned free = all & ~(columns | left | right); free; free &= free - 1) {
        unsigned bit = free & -free;
        count += solve(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}
int main(void) {
    for (int n = 1; n <= 9; n++) printf("%d: %d\n", n, solve((1u << n) - 1, 0, 0, 0));
    return 0;
}
