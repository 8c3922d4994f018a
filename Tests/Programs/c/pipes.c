#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static int ends[2];
static void *writer(void *unused) {
    for (int i = 0; i < 50; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "item %d\n", i);
        if (write(ends[1], text, n) != n) return 0;
        usleep(10);
    }
    close(ends[1]);
    return unused;
}
int main(void) {
    pthread_t thread;
    if (pipe(ends)) return 1;
    pthread_create(&thread, 0, writer, 0);
    unsigned sum = 0;
    char byte;
    int count = 0;
    while (read(ends[0], &byte, 1) == 1) sum = sum * 31 + (unsigned char)byte, count++;
    pthread_join(thread, 0);
    printf("%d %08x\n", count, sum);
    signal(SIGPIPE, SIG_IGN);
    if (pipe(ends)) return 1;
    close(ends[0]);
    printf("%zd %s\n", write(ends[1], "x", 1), strerror(errno));
    fflush(stdout);
    int copy = dup2(ends[1], 9);
    printf("%d %d\n", copy, close(9));
    return 0;
}
