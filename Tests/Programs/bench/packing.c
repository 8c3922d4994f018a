/* A compressor of the LZ77 kind with hash chains, its decompressor, and a Huffman code length
 * count over the result; prints sizes and a checksum. The argument is the number of rounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 1 << 17, HASHES = 1 << 13, CHAIN = 16 };

static uint8_t text[BYTES], packed[BYTES * 2], back[BYTES + 300];
static int32_t heads[HASHES], links[BYTES];

static void write_text(uint32_t seed) {
    static const char *words[] = {"the ", "mesh ", "of ", "nodes ", "runs ", "a ", "program ", "and ", "proves ", "its ", "result ", "again\n"};
    int n = 0;
    while (n < BYTES) {
        seed = seed * 1664525u + 1013904223u;
        const char *word = words[(seed >> 20) % 12];
        for (int i = 0; word[i] && n < BYTES; i++)
            text[n++] = (uint8_t)word[i];
        if ((seed >> 10 & 7) == 0 && n < BYTES)
            text[n++] = (uint8_t)('0' + (seed >> 24) % 10);
    }
}

static unsigned hash(const uint8_t *p) {
    return (p[0] | (unsigned)p[1] << 8 | (unsigned)p[2] << 16) * 2654435761u >> 19;
}

static int pack(void) {
    int out = 0, i = 0;
    for (int h = 0; h < HASHES; h++)
        heads[h] = -1;
    while (i < BYTES) {
        int best = 0, distance = 0;
        if (i + 3 < BYTES) {
            int candidate = heads[hash(text + i)];
            for (int tries = 0; candidate >= 0 && tries < CHAIN && i - candidate < 65536; tries++) {
                int length = 0;
                while (length < 255 && i + length < BYTES && text[candidate + length] == text[i + length])
                    length++;
                if (length > best) {
                    best = length;
                    distance = i - candidate;
                }
                candidate = links[candidate];
            }
        }
        int step = best >= 4 ? best : 1;
        if (best >= 4) {
            packed[out++] = 255;
            packed[out++] = (uint8_t)best;
            packed[out++] = (uint8_t)distance;
            packed[out++] = (uint8_t)(distance >> 8);
        } else {
            packed[out++] = text[i];
        }
        for (int k = 0; k < step && i + 3 < BYTES; k++, i++) {
            unsigned h = hash(text + i);
            links[i] = heads[h];
            heads[h] = i;
            if (k + 1 == step) {
                i++;
                break;
            }
        }
        if (i + 3 >= BYTES && step == 1 && best < 4)
            i++;
        else if (i + 3 >= BYTES)
            i = i < BYTES ? i : BYTES;
    }
    return out;
}

static int unpack(int count) {
    int n = 0;
    for (int i = 0; i < count && n < BYTES;) {
        if (packed[i] == 255) {
            int length = packed[i + 1], distance = packed[i + 2] | packed[i + 3] << 8;
            for (int k = 0; k < length; k++, n++)
                back[n] = back[n - distance];
            i += 4;
        } else {
            back[n++] = packed[i++];
        }
    }
    return n;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 150;
    uint32_t sum = 0, total = 0;
    for (int round = 0; round < rounds; round++) {
        write_text((uint32_t)round);
        int count = pack();
        int length = unpack(count);
        uint32_t counts[256] = {0};
        for (int i = 0; i < count; i++)
            counts[packed[i]]++;
        for (int i = 0; i < length; i++)
            sum = (sum ^ back[i]) * 16777619u;
        for (int i = 0; i < 256; i++)
            sum += counts[i] * (uint32_t)i;
        total += (uint32_t)count;
    }
    printf("%d rounds, %u bytes, checksum %08x\n", rounds, total, sum);
    return 0;
}
