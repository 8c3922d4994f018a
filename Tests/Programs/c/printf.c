#include <stdint.h>
#include <stdio.h>
#include <wchar.h>
int main(void) {
    printf("[%5d] [%-5d] [%05d] [%+d] [% d] [%x] [%#X] [%o] [%#o]\n", 42, 42, 42, 42, 42, 48879, 48879, 8, 8);
    printf("[%lld] [%llu] [%zu] [%hhd] [%hd]\n", INT64_MIN, UINT64_MAX, sizeof(int), 300, 70000);
    printf("[%f] [%.0f] [%10.3f] [%-10.2f] [%e] [%.3E] [%g] [%G] [%a]\n", 3.14159, 2.5, -1.5, 1.005, 12345.678, 0.00012345, 1e10, 1e-10, 0.5);
    printf("[%g] [%g] [%.15g] [%.17g] [%f]\n", 100000.0, 1000000.0, 0.1, 0.1, 1e20);
    printf("[%s] [%10s] [%-10s] [%.2s] [%c] [%%] [%p]\n", "text", "right", "left", "cut", 'c', (void *)0x1234);
    int written;
    printf("counted%n\n", &written);
    printf("%d\n", written);
    printf("[%*d] [%-*d] [%.*f]\n", 6, 7, 6, 7, 2, 1.23456);
    char small[8];
    int needed = snprintf(small, sizeof small, "%s", "much longer than that");
    printf("%d %s\n", needed, small);
    int a, b;
    char word[16];
    printf("%d", sscanf("12 0x1f word", "%d %i %15s", &a, &b, word));
    printf(" %d %d %s\n", a, b, word);
    return 0;
}
