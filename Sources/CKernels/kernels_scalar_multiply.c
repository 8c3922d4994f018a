// The scalar `multiply`: the reference that the others are compared with.

#include "kernels_formats.h"
#include "kernels_tables.h"

#pragma STDC FP_CONTRACT OFF

static float dot_blocks(
    kernels_type type, const uint8_t *row, size_t block_count,
    const int8_t *quants, const float *scales, const float *sums
) {
    float result = 0;
    for (size_t block = 0; block < block_count; block++, row += block_bytes(type)) {
        int8_t weights[BLOCK_LENGTH];
        unpack_block(type, row, weights);
        int32_t products = 0;
        for (size_t i = 0; i < BLOCK_LENGTH; i++) {
            products += weights[i] * quants[i];
        }
        result = fmaf((float)products, half_to_float(load_u16(row)) * scales[block], result);
        if (has_minima(type)) {
            result = fmaf(half_to_float(load_u16(row + 2)), sums[block], result);
        }
        quants += BLOCK_LENGTH;
    }
    return result;
}

static float dot_superblocks(
    kernels_type type, const uint8_t *row, size_t block_count,
    const int8_t *quants, const float *scales, const int16_t *sums
) {
    float result = 0;
    for (size_t block = 0; block < block_count; block++, row += block_bytes(type)) {
        superblock weights;
        unpack_superblock(type, row, &weights);
        int32_t products = 0, minima = 0;
        for (size_t part = 0; part < 16; part++) {
            int32_t sum = 0;
            for (size_t i = 16 * part; i < 16 * part + 16; i++) {
                sum += weights.quants[i] * quants[i];
            }
            products += weights.scales[part] * sum;
        }
        for (size_t sub = 0; sub < SUBBLOCK_COUNT; sub++) {
            minima += weights.minima[sub] * sums[16 + sub];
        }
        result = fmaf((float)products, weights.scale * scales[block], result);
        if (has_minima(type)) {
            result = fmaf((float)minima, -(weights.minimum * scales[block]), result);
        }
        quants += SUPERBLOCK_LENGTH;
        sums += SUPERBLOCK_SUM_COUNT;
    }
    return result;
}

static float dot_floats(kernels_type type, const uint8_t *row, size_t count, const float *x) {
    float lanes[LANE_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i % LANE_COUNT] = fmaf(load_float(type, row, i), x[i], lanes[i % LANE_COUNT]);
    }
    return fold_lanes(lanes);
}

static float dot_row(
    kernels_type type, const uint8_t *row, size_t length, const kernels_activations *x,
    size_t column
) {
    if (is_float(type)) {
        return dot_floats(type, row, length, x->floats + column * length);
    }
    if (is_superblock(type)) {
        const size_t count = length / SUPERBLOCK_LENGTH;
        return dot_superblocks(
            type, row, count, x->superblock_quants + column * length,
            x->superblock_scales + column * count,
            x->superblock_sums + SUPERBLOCK_SUM_COUNT * column * count);
    }
    const size_t count = length / BLOCK_LENGTH;
    return dot_blocks(
        type, row, count, x->quants + column * length, x->scales + column * count,
        x->sums + column * count);
}

void kernels_multiply_scalar(
    const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
    for (size_t row = first; row < first + count; row++) {
        const uint8_t *bytes = weights->bytes + row * weights->row_byte_count;
        for (size_t column = 0; column < column_count; column++) {
            const float value = dot_row(weights->type, bytes, weights->row_length, x, column);
            float *place = out + column * out_stride + row;
            *place = accumulate ? *place + value : value;
        }
    }
}

/// The floats of a block: exactly those of ggml's own functions, operation by operation.
static void read_block(kernels_type type, const uint8_t *block, float *out) {
    if (is_superblock(type)) {
        superblock parts;
        unpack_superblock(type, block, &parts);
        for (size_t i = 0; i < SUPERBLOCK_LENGTH; i++) {
            const float scale = parts.scale * parts.scales[i / 16];
            const float value = scale * parts.quants[i];
            const float least = parts.minimum * parts.minima[i / 32];
            out[i] = has_minima(type) ? value - least : value;
        }
        return;
    }
    int8_t quants[BLOCK_LENGTH];
    unpack_block(type, block, quants);
    const float scale = half_to_float(load_u16(block));
    const float least = half_to_float(load_u16(block + 2));
    for (size_t i = 0; i < BLOCK_LENGTH; i++) {
        const float value = scale * quants[i];
        out[i] = has_minima(type) ? value + least : value;
    }
}

void kernels_read_row(const kernels_matrix *weights, size_t row, float *out) {
    const kernels_type type = weights->type;
    const uint8_t *bytes = weights->bytes + row * weights->row_byte_count;
    if (is_float(type)) {
        for (size_t i = 0; i < weights->row_length; i++) {
            out[i] = load_float(type, bytes, i);
        }
        return;
    }
    const size_t length = is_superblock(type) ? SUPERBLOCK_LENGTH : BLOCK_LENGTH;
    for (size_t i = 0; i < weights->row_length; i += length, bytes += block_bytes(type)) {
        read_block(type, bytes, out + i);
    }
}
