// Prints a digest of what every kernel gives on pseudo-random input.
//
// usage: digests LIMIT
//
// LIMIT is the number of the best instruction set that may be used. The first line is the one
// that is used; the others are the same on every machine and for every set.

#include "digests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 7;

uint32_t random_bits(void) {
    state += 0x9E3779B97F4A7C15;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

void random_floats(float *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = random_bits();
        // Sign and fraction as they come, the exponent one of eight.
        const uint32_t shaped = (bits & 0x807FFFFF) | (121 + (bits >> 23) % 8) << 23;
        memcpy(&out[i], &shaped, sizeof shaped);
    }
}

void print_digest(const char *name, int type, const void *bytes, size_t byte_count) {
    uint64_t hash = 0xCBF29CE484222325;
    for (size_t i = 0; i < byte_count; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3;
    }
    printf("%s %d %016llx\n", name, type, (unsigned long long)hash);
}

enum { ROWS = 37, COLUMNS = 17, LENGTH_MAX = 768, BLOCK_BYTES_MAX = 210 };

typedef struct format {
    kernels_type type;
    size_t length, block_length, block_bytes;
    /// Where halves stand in a block; -1 for none.
    int scale, minimum;
} format;

static const format formats[] = {
    {KERNELS_F32, 41, 1, 4, 2, -1},
    {KERNELS_F16, 41, 1, 2, 0, -1},
    {KERNELS_BF16, 41, 1, 2, 0, -1},
    {KERNELS_Q4_0, 288, 32, 18, 0, -1},
    {KERNELS_Q4_1, 288, 32, 20, 0, 2},
    {KERNELS_Q5_0, 288, 32, 22, 0, -1},
    {KERNELS_Q5_1, 288, 32, 24, 0, 2},
    {KERNELS_Q8_0, 288, 32, 34, 0, -1},
    {KERNELS_Q4_K, LENGTH_MAX, 256, 144, 0, 2},
    {KERNELS_Q5_K, LENGTH_MAX, 256, 176, 0, 2},
    {KERNELS_Q6_K, LENGTH_MAX, 256, 210, 208, -1},
};

/// Random blocks whose scales are finite: the upper bit of an exponent is zero.
static void random_blocks(const format *f, uint8_t *out, size_t count) {
    for (size_t block = 0; block < count; block++, out += f->block_bytes) {
        for (size_t i = 0; i < f->block_bytes; i++) {
            out[i] = (uint8_t)random_bits();
        }
        out[f->scale + 1] &= 0xBF;
        if (f->minimum >= 0) {
            out[f->minimum + 1] &= 0xBF;
        }
    }
}

static void print_products(const kernels_table *table, const format *f) {
    static uint8_t weights[ROWS * LENGTH_MAX * 4];
    static float x[COLUMNS * LENGTH_MAX], scales[COLUMNS * 32], sums[COLUMNS * 32];
    static int32_t negative_totals[COLUMNS * 32];
    static int8_t quants[COLUMNS * LENGTH_MAX], wide_quants[COLUMNS * LENGTH_MAX];
    static float wide_scales[COLUMNS * LENGTH_MAX / 256];
    static int16_t wide_sums[COLUMNS * LENGTH_MAX / 256 * 24];
    static float out[COLUMNS * ROWS], row[LENGTH_MAX];
    const size_t length = f->length, block_count = length / f->block_length;
    random_blocks(f, weights, ROWS * block_count);
    random_floats(x, COLUMNS * length);
    const size_t narrow = length / 32, wide = length / 256;
    for (size_t c = 0; c < COLUMNS; c++) {
        if (f->block_length == 32) {
            table->quantise(
                x + c * length, length, quants + c * length, scales + c * narrow,
                sums + c * narrow, negative_totals + c * narrow);
        } else if (f->block_length == 256) {
            table->quantise_superblocks(
                x + c * length, length, wide_quants + c * length, wide_scales + c * wide,
                wide_sums + 24 * c * wide);
        }
    }
    if (f->block_length == 32) {
        print_digest("quants", (int)f->type, quants, COLUMNS * length);
        print_digest("scales", (int)f->type, scales, COLUMNS * narrow * sizeof *scales);
        print_digest("sums", (int)f->type, sums, COLUMNS * narrow * sizeof *sums);
        print_digest(
            "totals", (int)f->type, negative_totals, COLUMNS * narrow * sizeof *negative_totals);
    } else if (f->block_length == 256) {
        print_digest("quants", (int)f->type, wide_quants, COLUMNS * length);
        print_digest("scales", (int)f->type, wide_scales, COLUMNS * wide * sizeof *wide_scales);
        print_digest("sums", (int)f->type, wide_sums, 24 * COLUMNS * wide * sizeof *wide_sums);
    }
    const kernels_matrix matrix = {
        .bytes = weights,
        .row_byte_count = block_count * f->block_bytes,
        .row_length = length,
        .row_count = ROWS,
        .type = f->type,
    };
    const kernels_activations activations = {
        .quants = quants,
        .scales = scales,
        .sums = sums,
        .floats = x,
        .negative_totals = negative_totals,
        .superblock_quants = wide_quants,
        .superblock_scales = wide_scales,
        .superblock_sums = wide_sums,
    };
    kernels_read_row(&matrix, 1, row);
    print_digest("read_row", (int)f->type, row, length * sizeof *row);
    table->multiply(&matrix, 0, ROWS, &activations, COLUMNS, out, ROWS, false);
    print_digest("multiply", (int)f->type, out, sizeof out);
    table->multiply(&matrix, 1, ROWS - 2, &activations, 1, out, ROWS, true);
    print_digest("multiply", (int)f->type, out, sizeof out);
}

static void print_rows(const kernels_table *table) {
    enum { LENGTH = 77, HEADS = 3, HEAD_LENGTH = 24, PAIRS = 10 };
    static float x[LENGTH], weight[LENGTH], out[LENGTH], angles[4 * PAIRS];
    static double frequencies[PAIRS];
    random_floats(x, LENGTH);
    random_floats(weight, LENGTH);
    table->normalise(x, weight, LENGTH, 1e-5f, out);
    print_digest("normalise", 0, out, sizeof out);
    table->gate(x, weight, LENGTH, out);
    print_digest("gate", 0, out, sizeof out);
    kernels_rope_frequencies(10000, 1, NULL, PAIRS, frequencies);
    print_digest("rope_frequencies", 0, frequencies, sizeof frequencies);
    kernels_rope_angles(frequencies, PAIRS, 12345, 1.25, 2, angles);
    print_digest("rope_angles", 0, angles, sizeof angles);
    table->rotate(x, HEADS, HEAD_LENGTH, angles, PAIRS);
    print_digest("rotate", 0, x, sizeof x);
    kernels_rope_angles(frequencies, PAIRS, 12345, 1, 1, angles);
    table->rotate_halves(x, HEADS, HEAD_LENGTH, angles, PAIRS);
    print_digest("rotate_halves", 0, x, sizeof x);
    for (size_t i = 0; i < LENGTH; i++) {
        out[i] = kernels_exp(8 * weight[i]);
    }
    print_digest("exp", 0, out, sizeof out);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: digests LIMIT\n");
        return 2;
    }
    const kernels_table *table = kernels_select((kernels_isa)atoi(argv[1]));
    printf("instruction set %d\n", (int)table->isa);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        print_products(table, &formats[i]);
    }
    print_rows(table);
    print_attention(table);
    print_encoder(kernels_encoder_select((kernels_isa)atoi(argv[1])));
    return 0;
}
