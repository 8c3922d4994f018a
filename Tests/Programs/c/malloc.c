// Allocations of all sizes in a shuffled order, with their contents checked.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    enum { COUNT = 500 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint32_t seed = 1;
    unsigned long total = 0, wrong = 0;
    for (int round = 0; round < 3000; round++) {
        seed = seed * 1664525u + 1013904223u;
        int i = (seed >> 8) % COUNT;
        size_t size = seed >> 20 == 0 ? 300000 : (seed >> 16) % 3000;
        for (size_t k = 0; k < sizes[i]; k += 97)
            wrong += blocks[i][k] != (unsigned char)(i + k);
        if (seed & 0x80) {
            blocks[i] = realloc(blocks[i], size + 1);
        } else {
            free(blocks[i]);
            blocks[i] = calloc(1, size + 1);
            for (size_t k = 0; k < size; k += 31)
                wrong += blocks[i][k] != 0;
        }
        sizes[i] = size;
        for (size_t k = 0; k < size; k++)
            blocks[i][k] = (unsigned char)(i + k);
        total += size;
    }
    void *aligned = aligned_alloc(4096, 8192);
    printf("%lu bytes, %lu wrong, aligned %d\n", total, wrong, (int)((uintptr_t)aligned % 4096));
    char *big = malloc(8 << 20);
    memset(big, 7, 8 << 20);
    printf("%d\n", big[(8 << 20) - 1]);
    return 0;
}
