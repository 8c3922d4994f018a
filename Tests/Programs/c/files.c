#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    FILE *f = fopen("data.txt", "w+");
    for (int i = 0; i < 1000; i++) fprintf(f, "line %d\n", i);
    printf("at %ld\n", ftell(f));
    fseek(f, 100, SEEK_SET);
    char line[64];
    printf("%s", fgets(line, sizeof line, f));
    fseek(f, -9, SEEK_END);
    printf("%s", fgets(line, sizeof line, f));
    printf("%d\n", fgets(line, sizeof line, f) == NULL && feof(f));
    fclose(f);
    f = fopen("data.txt", "a");
    fputs("appended\n", f);
    fclose(f);
    struct stat s;
    printf("%d %ld %d\n", stat("data.txt", &s), (long)s.st_size, S_ISREG(s.st_mode));
    rename("data.txt", "moved.txt");
    printf("%d %s\n", stat("data.txt", &s), strerror(errno));
    int fd = open("moved.txt", O_RDWR);
    printf("%zd\n", pwrite(fd, "XY", 2, 5));
    char bytes[8] = {0};
    printf("%zd %s\n", pread(fd, bytes, 7, 0), bytes);
    printf("%ld %ld\n", (long)lseek(fd, 0, SEEK_END), (long)lseek(fd, -3, SEEK_CUR));
    printf("%d\n", ftruncate(fd, 20));
    int copy = dup(fd);
    printf("%ld\n", (long)lseek(copy, 0, SEEK_END));
    close(fd);
    close(copy);
    printf("%d %s\n", (int)read(fd, bytes, 1), strerror(errno));
    printf("%d %s\n", open("none", O_RDONLY), strerror(errno));
    printf("%d %s\n", open("moved.txt", O_CREAT | O_EXCL, 0600), strerror(errno));
    printf("%d %d %s\n", access("moved.txt", R_OK), access("gone", F_OK), strerror(errno));
    printf("%d\n", unlink("moved.txt"));
    printf("%d %s\n", unlink("moved.txt"), strerror(errno));
    FILE *t = fopen("left.bin", "wb");
    for (int i = 0; i < 256; i++) fputc(i, t);
    fclose(t);
    return 0;
}
