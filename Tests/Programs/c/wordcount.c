#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct entry { char word[32]; int count; };
static struct entry table[4096];
static int by_count(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return y->count != x->count ? y->count - x->count : strcmp(x->word, y->word);
}
int main(void) {
    char line[1024];
    int count = 0, lines = 0;
    while (fgets(line, sizeof line, stdin)) {
        lines++;
        for (char *word = strtok(line, " \t\n.,;:"); word; word = strtok(0, " \t\n.,;:")) {
            int i = 0;
            for (char *p = word; *p; p++) *p = (char)tolower(*p);
            while (i < count && strncmp(table[i].word, word, 31)) i++;
            if (i == count) strncpy(table[count++].word, word, 31);
            table[i].count++;
        }
    }
    qsort(table, count, sizeof *table, by_count);
    printf("%d lines, %d words\n", lines, count);
    for (int i = 0; i < count && i < 12; i++) printf("%s %d\n", table[i].word, table[i].count);
    return 0;
}
