#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
    char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[5000] = 'x';
    printf("%d %d\n", p[0], p[5000]);
    printf("%d\n", madvise(p, 8192, MADV_DONTNEED));
    printf("%d\n", p[5000]);
    strcpy(p + 4090, "across pages");
    p = mremap(p, 1 << 20, 3 << 20, MREMAP_MAYMOVE);
    printf("%s %d\n", p + 4090, p[(3 << 20) - 1]);
    printf("%d %d\n", mprotect(p, 4096, PROT_READ), munmap(p + 8192, 4096));
    printf("%d %s\n", mprotect(p + 8192, 4096, PROT_READ), strerror(errno));
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    printf("%zd\n", write(fd, "file content", 12));
    char *m = mmap(0, 12, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("%.12s %d\n", m, m[12]);
    char *fixed = mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("%d %d\n", fixed == p + 4096, fixed[3]);
    printf("%d %s\n", mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, strerror(errno));
    void *before = sbrk(0);
    char *heap = sbrk(10000);
    heap[9999] = 3;
    printf("%d %d\n", (void *)heap == before, heap[0]);
    return 0;
}
