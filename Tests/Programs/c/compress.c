// LZ77 over its own noise and back.
#include <stdio.h>
#include <string.h>
enum { SIZE = 30000 };
static unsigned char in[SIZE], packed[2 * SIZE], out[SIZE];
static int pack(void) {
    static int last[4096];
    int n = 0, i = 0;
    memset(last, -1, sizeof last);
    while (i < SIZE) {
        int length = 0, at = 0;
        if (i + 3 < SIZE) {
            unsigned hash = (in[i] * 33u * 33u + in[i + 1] * 33u + in[i + 2]) % 4096;
            at = last[hash];
            last[hash] = i;
            if (at >= 0 && i - at < 65536)
                while (length < 255 && i + length < SIZE && in[at + length] == in[i + length]) length++;
        }
        if (length >= 4) {
            packed[n++] = (unsigned char)length, packed[n++] = (unsigned char)((i - at) & 255), packed[n++] = (unsigned char)((i - at) >> 8);
            i += length;
        } else
            packed[n++] = 0, packed[n++] = in[i++];
    }
    return n;
}
int main(void) {
    unsigned seed = 9;
    for (int i = 0; i < SIZE; i++) {
        seed = seed * 1103515245u + 12345u;
        in[i] = (unsigned char)(seed >> 28 == 0 || i < 50 ? seed >> 20 : in[i - 1 - (i * 7 % 41)]);
    }
    int n = pack(), o = 0;
    for (int i = 0; i < n;) {
        int length = packed[i++];
        if (length == 0) { out[o++] = packed[i++]; continue; }
        int back = packed[i] | packed[i + 1] << 8;
        i += 2;
        while (length--) out[o] = out[o - back], o++;
    }
    printf("%d %d %d\n", n, o, memcmp(in, out, SIZE));
    return 0;
}
