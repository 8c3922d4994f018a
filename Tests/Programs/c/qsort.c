#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}
int main(void) {
    enum { COUNT = 20000 };
    static int values[COUNT];
    unsigned seed = 42;
    for (int i = 0; i < COUNT; i++) values[i] = (int)(seed = seed * 1103515245u + 12345u);
    qsort(values, COUNT, sizeof *values, compare);
    unsigned sum = 0;
    for (int i = 1; i < COUNT; i++) {
        if (values[i - 1] > values[i]) return 1;
        sum = sum * 31 + (unsigned)values[i];
    }
    int key = values[777];
    int *found = bsearch(&key, values, COUNT, sizeof *values, compare);
    printf("%08x %d %d\n", sum, values[0], *found == key);
    return 0;
}
