#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
int main(void) {
    char text[200] = "the quick brown fox jumps over the lazy dog";
    printf("%zu %s %s %s\n", strlen(text), strchr(text, 'q'), strrchr(text, 'o'), strstr(text, "lazy"));
    printf("%zu %zu %s\n", strspn(text, "eht "), strcspn(text, "x"), strpbrk(text, "zj"));
    printf("%d %d %d %d\n", strcmp("a", "b") < 0, strncmp("abc", "abd", 2), strcasecmp("HeLLo", "hEllO"), memcmp("x\0y", "x\0z", 3) < 0);
    strcat(text, "; "), strncat(text, "and more text", 8);
    puts(text);
    for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(0, " ", &save)) printf("<%s>", word);
    printf("\n%ld %lu %ld %d\n", strtol("-0x7f", 0, 0), strtoul("zz", 0, 36), strtol("99999999999999999999", 0, 10), atoi("  42x"));
    for (int c = 0; c < 128; c++) putchar('0' + !!isalpha(c) + 2 * !!isdigit(c) + 4 * !!isspace(c));
    putchar('\n');
    char *copy = strdup("copied");
    memmove(copy + 1, copy, 5);
    puts(copy);
    return 0;
}
