// Counts the primes below the number that it is given, and names the last one.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long limit = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    if (limit < 3 || limit > 50000000) {
        fprintf(stderr, "primes: give a number from 3 to 50000000\n");
        return 2;
    }
    unsigned char *composite = calloc((size_t)limit, 1);
    if (!composite) return 3;
    long count = 0, last = 0;
    for (long n = 2; n < limit; n++) {
        if (composite[n]) continue;
        count++;
        last = n;
        for (long multiple = n * n; multiple < limit; multiple += n) composite[multiple] = 1;
    }
    free(composite);
    printf("%ld primes below %ld, the last is %ld\n", count, limit, last);
    return 0;
}
