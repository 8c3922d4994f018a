// Copies of every overlap and alignment.
#include <stdio.h>
#include <string.h>
int main(void) {
    static unsigned char a[256], b[256];
    unsigned sum = 0, wrong = 0;
    for (int from = 0; from < 20; from++)
        for (int to = 0; to < 20; to++)
            for (int count = 0; count < 100; count += 7) {
                for (int i = 0; i < 256; i++) a[i] = b[i] = (unsigned char)(i * 7 + from);
                memmove(a + to, a + from, count);
                for (int i = 0; i < count; i++) wrong += a[to + i] != b[from + i];
                memcpy(b + 128 + to, a + from, count);
                wrong += memcmp(b + 128 + to, a + from, count) != 0;
                memset(a + from + 100, to, count);
                for (int i = 0; i < 256; i++) sum = sum * 33 + a[i];
                sum += (unsigned)(strlen(memcpy(b, "some text here", 15)) + (size_t)from);
                sum += memchr(a, to, 256) ? 1 : 2;
            }
    printf("%08x %u\n", sum, wrong);
    return 0;
}
