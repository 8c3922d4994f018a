// Arguments at the far end of their ranges: errors, and never more.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
static void show(const char *what, long result) { printf("%s %d %s\n", what, result == -1, result == -1 ? strerror(errno) : "ok"); }
int main(void) {
    int fd = open("limits.bin", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char byte = 1;
    show("seek", lseek(fd, INT64_MIN, SEEK_SET));
    show("seek", lseek(fd, -1, SEEK_CUR));
    show("pread", pread(fd, &byte, 1, -1));
    show("pwrite", pwrite(fd, &byte, 1, -5));
    show("truncate", ftruncate(fd, -1));
    show("read", read(fd, (void *)8, 1));
    show("write", write(fd, (void *)8, 1));
    show("write", write(fd, &byte, 0));
    show("readv", readv(fd, 0, 5));
    show("open", open((char *)8, O_RDONLY));
    show("close", close(-1));
    show("dup", dup(1 << 20));
    show("unmap", munmap((void *)123, 4096));
    show("unmap", munmap(0, 0));
    show("map", (long)mmap(0, SIZE_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    show("protect", mprotect((void *)(1ul << 40), 4096, PROT_READ));
    struct timespec bad = {1, 1000000000}, none = {0, 0};
    show("sleep", nanosleep(&bad, 0));
    show("sleep", nanosleep(&none, 0));
    show("sleep", nanosleep((struct timespec *)8, 0));
    show("chdir", chdir("limits.bin"));
    show("rename", rename("none", "other"));
    return 0;
}
