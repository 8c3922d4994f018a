// Does what its first argument says, so that one program shows every way to end.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Named in the report of the crash.
__attribute__((noinline)) void write_through_null(volatile int *where) { *where = 1; }

static int shout(void) {
    for (int c; (c = getchar()) != EOF;) putchar(c >= 'a' && c <= 'z' ? c - 32 : c);
    return 0;
}

static int copy(const char *from, const char *to) {
    FILE *input = fopen(from, "r");
    if (!input) {
        fprintf(stderr, "probe: %s: %s\n", from, strerror(errno));
        return 1;
    }
    FILE *output = fopen(to, "w");
    for (int c; (c = getc(input)) != EOF;) putc(c, output);
    fputs("copied\n", output);
    fclose(output);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "arguments")) {
        for (int i = 1; i < argc; i++) printf("%d: <%s>\n", i, argv[i]);
        fprintf(stderr, "%d arguments\n", argc - 1);
        return argc > 2 ? atoi(argv[2]) : 0;
    }
    if (!strcmp(argv[1], "shout")) return shout();
    if (!strcmp(argv[1], "copy") && argc == 4) return copy(argv[2], argv[3]);
    if (!strcmp(argv[1], "crash")) {
        puts("before the crash");
        fflush(stdout);
        write_through_null(NULL);
    }
    return 2;
}
