// The C library's generator, which is seeded by the program.
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    srand(7), srandom(8), srand48(9);
    for (int i = 0; i < 20; i++) printf("%d %ld %.15g\n", rand(), random(), drand48());
    return 0;
}
