// Works for a while and then names its index: one line in the ledger of the test.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    // The finaliser of MurmurHash3, over and over: nothing that a compiler could fold.
    uint64_t x = strtoull(argv[1], NULL, 10) + 1;
    for (uint64_t n = strtoull(argv[2], NULL, 10); n > 0; n--) {
        x ^= x >> 33;
        x *= 0xff51afd7ed558ccdULL;
        x ^= x >> 29;
    }
    printf("entry %s %016llx\n", argv[1], (unsigned long long)x);
    return 0;
}
