// Counts lines, words and bytes of the files that it is given, or of its standard input.
#include <ctype.h>
#include <stdio.h>

static void count(FILE *file, const char *name) {
    long lines = 0, words = 0, bytes = 0;
    int inWord = 0;
    for (int c; (c = getc(file)) != EOF; bytes++) {
        lines += c == '\n';
        if (isspace(c)) inWord = 0;
        else if (!inWord) inWord = 1, words++;
    }
    printf("%ld lines, %ld words, %ld bytes%s%s\n", lines, words, bytes, *name ? " in " : "", name);
}

int main(int argc, char **argv) {
    if (argc < 2) count(stdin, "");
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        count(file, argv[i]);
        fclose(file);
    }
    return 0;
}
