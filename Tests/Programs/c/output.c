// Both streams, unbuffered and buffered, and a large write.
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    static char block[100000];
    fprintf(stderr, "to error\n");
    setvbuf(stdout, 0, _IONBF, 0);
    printf("one");
    printf(" two\n");
    memset(block, 'b', sizeof block);
    block[sizeof block - 1] = '\n';
    fwrite(block, 1, sizeof block, stdout);
    fprintf(stderr, "%d\n", isatty(1));
    return write(2, "raw\n", 4) == 4 ? 0 : 1;
}
