// More files than a directory should hold at once, one after the other, and space that comes back.
#include <stdio.h>
#include <unistd.h>
int main(void) {
    static char block[100000];
    long total = 0;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "temporary%d", i % 7);
        FILE *f = fopen(name, "w+");
        if (!f) return 1;
        unlink(name);
        total += fwrite(block, 1, sizeof block, f);
        if (ftell(f) != total / (i + 1)) return 2;
        fclose(f);
    }
    int ends[2], opened = 0;
    for (int i = 0; i < 3000; i++) opened += pipe(ends) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0;
    printf("%ld %d\n", total, opened);
    return 0;
}
