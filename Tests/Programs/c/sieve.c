#include <stdio.h>
#include <string.h>
int main(void) {
    enum { LIMIT = 500000 };
    static char composite[LIMIT + 1];
    int count = 0;
    long sum = 0;
    for (int i = 2; i <= LIMIT; i++) {
        if (composite[i]) continue;
        count++, sum += i;
        for (long k = (long)i * i; k <= LIMIT; k += i) composite[k] = 1;
    }
    printf("%d %ld\n", count, sum);
    return 0;
}
