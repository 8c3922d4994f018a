#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(const char *path) {
    DIR *d = opendir(path);
    char *names[64];
    int count = 0;
    for (struct dirent *e; (e = readdir(d));) names[count++] = strdup(e->d_name);
    closedir(d);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) printf("%s ", names[i]);
    printf("\n");
}
int main(void) {
    char cwd[4096];
    printf("%d", mkdir("tree", 0755));
    printf("%d", mkdir("tree/branch", 0755));
    printf("%d %s\n", mkdir("tree", 0755), strerror(errno));
    for (int i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "tree/leaf%d", i * 7 % 12);
        fclose(fopen(name, "w"));
    }
    list("tree");
    printf("%d\n", chdir("tree/branch"));
    printf("%s\n", strstr(getcwd(cwd, sizeof cwd), "/tree/branch"));
    fclose(fopen("../bud", "w"));
    list("..");
    list(".");
    printf("%d\n", chdir("../.."));
    printf("%d %s\n", rmdir("tree"), strerror(errno));
    printf("%d %d\n", rename("tree/leaf3", "tree/branch/leaf3"), rename("tree/bud", "tree/leaf1"));
    list("tree/branch");
    list("tree");
    struct stat s;
    printf("%d %d\n", stat("tree", &s), S_ISDIR(s.st_mode));
    printf("%d %s\n", rmdir("tree/leaf1"), strerror(errno));
    printf("%d %s\n", (int)(fopen("tree/none/x", "w") != NULL), strerror(errno));
    printf("%d %s\n", (int)(fopen("tree/leaf1/x", "r") != NULL), strerror(errno));
    return 0;
}
