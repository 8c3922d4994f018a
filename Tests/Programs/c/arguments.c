#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    printf("%d\n", argc);
    for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
    printf("%s %s\n", getenv("GREETING"), getenv("ABSENT") ? "set" : "unset");
    setenv("ABSENT", "now here", 1);
    printf("%s\n", getenv("ABSENT"));
    return argc;
}
