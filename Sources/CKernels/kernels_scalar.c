// The scalar table: the reference that the others are compared with.

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_rotate.h"
#include "kernels_tables.h"

#pragma STDC FP_CONTRACT OFF

/// The quant of element i of a block of one of the quantised types.
static int32_t quant_at(kernels_type type, const uint8_t *block, size_t i) {
    switch (type) {
    case KERNELS_Q8_0:
        return (int8_t)block[2 + i];
    case KERNELS_Q4_0: {
        const uint8_t pair = block[2 + i % 16];
        return (int32_t)(i < 16 ? pair & 15 : pair >> 4) - 8;
    }
    default: {
        const uint8_t pair = block[4 + i % 16];
        return (int32_t)(i < 16 ? pair & 15 : pair >> 4);
    }
    }
}

static float dot_blocks(
    kernels_type type, const uint8_t *row, size_t block_count,
    const int8_t *quants, const float *scales, const float *sums
) {
    const size_t block_byte_count = type == KERNELS_Q8_0 ? 34 : type == KERNELS_Q4_0 ? 18 : 20;
    float lanes[LANE_COUNT] = {0}, minima[LANE_COUNT] = {0};
    for (size_t block = 0; block < block_count; block++, row += block_byte_count) {
        const float factor = half_to_float(load_u16(row)) * scales[block];
        for (size_t lane = 0; lane < LANE_COUNT; lane++) {
            int32_t sum = 0;
            for (size_t i = 4 * lane; i < 4 * lane + 4; i++) {
                sum += quant_at(type, row, i) * quants[block * BLOCK_LENGTH + i];
            }
            lanes[lane] = fmaf((float)sum, factor, lanes[lane]);
        }
        if (type == KERNELS_Q4_1) {
            const size_t lane = block % LANE_COUNT;
            minima[lane] = fmaf(half_to_float(load_u16(row + 2)), sums[block], minima[lane]);
        }
    }
    if (type != KERNELS_Q4_1) {
        return fold_lanes(lanes);
    }
    // The zeros of the padding: they turn a lane of -0 into +0 and change nothing else.
    for (size_t block = block_count; block % LANE_COUNT != 0; block++) {
        minima[block % LANE_COUNT] = fmaf(0, 0, minima[block % LANE_COUNT]);
    }
    return fold_lanes(lanes) + fold_lanes(minima);
}

static float dot_floats(kernels_type type, const uint8_t *row, size_t count, const float *x) {
    float lanes[LANE_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        const float weight =
            type == KERNELS_F32 ? load_f32(row + 4 * i) : half_to_float(load_u16(row + 2 * i));
        lanes[i % LANE_COUNT] = fmaf(weight, x[i], lanes[i % LANE_COUNT]);
    }
    return fold_lanes(lanes);
}

static void scalar_multiply(
    const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
    const size_t length = weights->row_length;
    const bool floats = weights->type == KERNELS_F32 || weights->type == KERNELS_F16;
    for (size_t row = first; row < first + count; row++) {
        const uint8_t *bytes = weights->bytes + row * weights->row_byte_count;
        for (size_t column = 0; column < column_count; column++) {
            const size_t offset = column * x->block_stride;
            const float value =
                floats
                    ? dot_floats(weights->type, bytes, length, x->floats + column * length)
                    : dot_blocks(
                          weights->type, bytes, length / BLOCK_LENGTH,
                          x->quants + column * length, x->scales + offset, x->sums + offset);
            float *place = out + column * out_stride + row;
            *place = accumulate ? *place + value : value;
        }
    }
}

static void scalar_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums
) {
    reference_quantise(x, count, quants, scales, sums);
}

static void scalar_normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    reference_normalise(x, weight, count, epsilon, out);
}

static void scalar_rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate(x, head_count, head_length, angles, pair_count);
}

static void scalar_rotate_halves(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate_halves(x, head_count, head_length, angles, pair_count);
}

static void scalar_gate(const float *gate, const float *up, size_t count, float *out) {
    reference_gate(gate, up, count, out);
}

const kernels_table kernels_table_scalar = {
    .isa = KERNELS_SCALAR,
    .quantise = scalar_quantise,
    .multiply = scalar_multiply,
    .normalise = scalar_normalise,
    .rotate = scalar_rotate,
    .rotate_halves = scalar_rotate_halves,
    .gate = scalar_gate,
    ATTENTION(scalar),
};

void kernels_read_row(const kernels_matrix *weights, size_t row, float *out) {
    const uint8_t *bytes = weights->bytes + row * weights->row_byte_count;
    for (size_t i = 0; i < weights->row_length; i++) {
        const size_t block = i / BLOCK_LENGTH, inner = i % BLOCK_LENGTH;
        switch (weights->type) {
        case KERNELS_F32:
            out[i] = load_f32(bytes + 4 * i);
            break;
        case KERNELS_F16:
            out[i] = half_to_float(load_u16(bytes + 2 * i));
            break;
        case KERNELS_Q4_1: {
            const uint8_t *p = bytes + 20 * block;
            const float scale = half_to_float(load_u16(p)), least = half_to_float(load_u16(p + 2));
            out[i] = fmaf(scale, (float)quant_at(weights->type, p, inner), least);
            break;
        }
        default: {
            const uint8_t *p = bytes + (weights->type == KERNELS_Q8_0 ? 34 : 18) * block;
            out[i] = half_to_float(load_u16(p)) * (float)quant_at(weights->type, p, inner);
        }
        }
    }
}
