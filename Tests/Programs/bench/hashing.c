/* SHA-256, a CRC-32 by table and a multiplicative hash with open addressing; prints a checksum.
 * The argument is the number of rounds (150 when there is none). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 65536, SLOTS = 16384 };

static uint8_t data[BYTES];
static uint32_t constants[64], table[256];
static uint64_t keys[SLOTS], values[SLOTS];

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* The first bits of the fractional parts of cube roots, by integer Newton steps. */
static void prepare(void) {
    int found = 0;
    for (uint32_t n = 2; found < 64; n++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= n; d++)
            if (n % d == 0)
                prime = 0;
        if (!prime)
            continue;
        unsigned __int128 wanted = (unsigned __int128)n << 96, low = 0, high = (unsigned __int128)1 << 36;
        while (high - low > 1) {
            unsigned __int128 middle = (low + high) / 2;
            if (middle * middle * middle <= wanted)
                low = middle;
            else
                high = middle;
        }
        constants[found++] = (uint32_t)low;
    }
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
}

static void block(uint32_t *state, const uint8_t *p) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t t = s[7] + a + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
        uint32_t b = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t u = b + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 150;
    uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8}, crc = ~0u;
    uint64_t sum = 0;
    prepare();
    for (int round = 0; round < rounds; round++) {
        uint32_t seed = (uint32_t)round;
        for (int i = 0; i < BYTES; i++) {
            seed = seed * 1103515245u + 12345u;
            data[i] = (uint8_t)(seed >> 16);
        }
        for (int i = 0; i < BYTES; i += 64)
            block(state, data + i);
        for (int i = 0; i < BYTES; i++)
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
        memset(keys, 0, sizeof keys);
        for (int i = 0; i + 8 <= BYTES; i += 8) {
            uint64_t key;
            memcpy(&key, data + i, 8);
            key |= 1;
            uint64_t slot = key * 0x9e3779b97f4a7c15u >> 50;
            while (keys[slot] && keys[slot] != key)
                slot = (slot + 1) % SLOTS;
            keys[slot] = key;
            values[slot] += key >> 7;
            sum += values[slot];
        }
    }
    printf("%d rounds, %08x %08x %016llx\n", rounds, state[0] ^ state[7], ~crc, (unsigned long long)sum);
    return 0;
}
