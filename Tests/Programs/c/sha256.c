#include <stdint.h>
#include <stdio.h>
#include <string.h>
static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint32_t k[64], h[8];
static void constants(void) {
    int found = 0;
    for (unsigned p = 2; found < 64; p++) {
        int prime = 1;
        for (unsigned d = 2; d * d <= p; d++) prime &= p % d != 0;
        if (!prime) continue;
        /* Roots by bisection in 128-bit fixed point, so that no float is needed. */
        for (int cube = 0; cube < 2; cube++) {
            unsigned __int128 low = 0, high = (unsigned __int128)1 << 37;
            while (high - low > 1) {
                unsigned __int128 m = (low + high) / 2;
                int above = cube ? m * m * m > (unsigned __int128)p << 96 : m * m > (unsigned __int128)p << 64;
                if (above) high = m; else low = m;
            }
            if (cube) k[found] = (uint32_t)low;
            else if (found < 8) h[found] = (uint32_t)low;
        }
        found++;
    }
}
static void block(const unsigned char *p) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t b = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 28);
        s[4] += a, s[0] = a + b;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}
int main(void) {
    constants();
    unsigned char text[64] = "abc";
    text[3] = 0x80, text[63] = 24;
    block(text);
    for (int i = 0; i < 8; i++) printf("%08x", h[i]);
    printf("\n");
    for (int i = 0; i < 300; i++) block(text);
    printf("%08x\n", h[0]);
    return 0;
}
