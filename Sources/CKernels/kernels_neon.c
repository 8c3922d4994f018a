// The table for 64-bit Arm: the eight lanes are two registers of four. Only what takes time is
// written with intrinsics; the rest is the reference, compiled for this target.

#if defined(__aarch64__)

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_tables.h"

#include <arm_neon.h>

#include "kernels_rotate.h"

#pragma STDC FP_CONTRACT OFF

#define UNROLL _Pragma("clang loop unroll(full)")

// Columns that share an unpacked weight block: 8 accumulators of 32 registers.
enum { TILE_COLUMNS = 4 };

typedef struct lanes {
    float32x4_t low, high;
} lanes;

KERNELS_INLINE lanes zero_lanes(void) {
    return (lanes){vdupq_n_f32(0), vdupq_n_f32(0)};
}

KERNELS_INLINE float fold(lanes x, const float *a, const float *b, size_t tail_count) {
    float stored[LANE_COUNT];
    vst1q_f32(stored, x.low);
    vst1q_f32(stored + 4, x.high);
    for (size_t i = 0; i < tail_count; i++) {
        stored[i] = fmaf(a[i], b[i], stored[i]);
    }
    return fold_lanes(stored);
}

KERNELS_INLINE lanes load_floats(const void *p) {
    float values[LANE_COUNT];
    memcpy(values, p, sizeof values);
    return (lanes){vld1q_f32(values), vld1q_f32(values + 4)};
}

KERNELS_INLINE lanes load_halves(const void *p) {
    uint16_t bits[LANE_COUNT];
    memcpy(bits, p, sizeof bits);
    const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(bits));
    return (lanes){vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

KERNELS_INLINE lanes multiply_add(lanes sum, lanes a, lanes b) {
    return (lanes){vfmaq_f32(sum.low, a.low, b.low), vfmaq_f32(sum.high, a.high, b.high)};
}

/// Four sums of the products of four neighbours; exact.
KERNELS_INLINE float32x4_t dot_sixteen(int8x16_t a, int8x16_t b) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    return vcvtq_f32_s32(vpaddq_s32(low, high));
}

KERNELS_INLINE size_t block_bytes(const kernels_type type) {
    return type == KERNELS_Q8_0 ? 34 : type == KERNELS_Q4_0 ? 18 : 20;
}

KERNELS_INLINE void unpack(const kernels_type type, const uint8_t *block, int8x16_t out[2]) {
    if (type == KERNELS_Q8_0) {
        out[0] = vld1q_s8((const int8_t *)block + 2);
        out[1] = vld1q_s8((const int8_t *)block + 18);
        return;
    }
    const uint8x16_t pairs = vld1q_u8(block + (type == KERNELS_Q4_0 ? 2 : 4));
    out[0] = vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(15)));
    out[1] = vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4));
    if (type == KERNELS_Q4_0) {
        out[0] = vsubq_s8(out[0], vdupq_n_s8(8));
        out[1] = vsubq_s8(out[1], vdupq_n_s8(8));
    }
}

KERNELS_INLINE void write_result(
    float *out, size_t out_stride, int column, bool accumulate, float value
) {
    float *place = out + (size_t)column * out_stride;
    *place = accumulate ? *place + value : value;
}

KERNELS_INLINE void quantised_row(
    const kernels_type type, const int column_count, const uint8_t *row, size_t length,
    const kernels_activations *x, size_t first_column,
    float *out, size_t out_stride, bool accumulate
) {
    const size_t block_count = length / BLOCK_LENGTH;
    lanes sums[TILE_COLUMNS];
    float minima[TILE_COLUMNS][LANE_COUNT] = {{0}};
    UNROLL for (int c = 0; c < column_count; c++) {
        sums[c] = zero_lanes();
    }
    for (size_t block = 0; block < block_count; block++, row += block_bytes(type)) {
        int8x16_t weights[2];
        unpack(type, row, weights);
        const float scale = half_to_float(load_u16(row));
        const float least = type == KERNELS_Q4_1 ? half_to_float(load_u16(row + 2)) : 0;
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t column = first_column + (size_t)c;
            const int8_t *quants = x->quants + column * length + block * BLOCK_LENGTH;
            const size_t place = column * x->block_stride + block;
            const float32x4_t factor = vdupq_n_f32(scale * x->scales[place]);
            sums[c].low = vfmaq_f32(
                sums[c].low, dot_sixteen(weights[0], vld1q_s8(quants)), factor);
            sums[c].high = vfmaq_f32(
                sums[c].high, dot_sixteen(weights[1], vld1q_s8(quants + 16)), factor);
            if (type == KERNELS_Q4_1) {
                float *lane = &minima[c][block % LANE_COUNT];
                *lane = fmaf(least, x->sums[place], *lane);
            }
        }
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        float value = fold(sums[c], NULL, NULL, 0);
        if (type == KERNELS_Q4_1) {
            // The padding of the reference: a lane of -0 becomes +0.
            for (size_t block = block_count; block % LANE_COUNT != 0; block++) {
                minima[c][block % LANE_COUNT] = fmaf(0, 0, minima[c][block % LANE_COUNT]);
            }
            value += fold_lanes(minima[c]);
        }
        write_result(out, out_stride, c, accumulate, value);
    }
}

KERNELS_INLINE void float_row(
    const kernels_type type, const int column_count, const uint8_t *row, size_t length,
    const kernels_activations *x, size_t first_column,
    float *out, size_t out_stride, bool accumulate
) {
    const size_t width = type == KERNELS_F32 ? 4 : 2;
    const size_t whole = length / LANE_COUNT * LANE_COUNT, tail_count = length - whole;
    lanes sums[TILE_COLUMNS];
    UNROLL for (int c = 0; c < column_count; c++) {
        sums[c] = zero_lanes();
    }
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        const lanes weights =
            type == KERNELS_F32 ? load_floats(row + i * width) : load_halves(row + i * width);
        UNROLL for (int c = 0; c < column_count; c++) {
            const float *column = x->floats + (first_column + (size_t)c) * length;
            sums[c] = multiply_add(sums[c], weights, load_floats(column + i));
        }
    }
    float tail[LANE_COUNT];
    for (size_t i = 0; i < tail_count; i++) {
        const uint8_t *place = row + (whole + i) * width;
        tail[i] = type == KERNELS_F32 ? load_f32(place) : half_to_float(load_u16(place));
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        const float *column = x->floats + (first_column + (size_t)c) * length;
        const float value = fold(sums[c], tail, column + whole, tail_count);
        write_result(out, out_stride, c, accumulate, value);
    }
}

KERNELS_INLINE void multiply_type(
    const kernels_type type, const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
#define ROW(columns) \
    (type == KERNELS_F32 || type == KERNELS_F16 \
         ? float_row(type, columns, bytes, length, x, column, place, out_stride, accumulate) \
         : quantised_row(type, columns, bytes, length, x, column, place, out_stride, accumulate))
    const size_t length = weights->row_length;
    for (size_t row = first; row < first + count; row++) {
        const uint8_t *bytes = weights->bytes + row * weights->row_byte_count;
        for (size_t column = 0; column < column_count;) {
            float *place = out + column * out_stride + row;
            if (column + TILE_COLUMNS <= column_count) {
                ROW(TILE_COLUMNS);
                column += TILE_COLUMNS;
            } else {
                ROW(1);
                column += 1;
            }
        }
    }
#undef ROW
}

static void neon_multiply(
    const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
#define CASE(type) \
    case type: \
        multiply_type(type, weights, first, count, x, column_count, out, out_stride, accumulate); \
        break
    switch (weights->type) {
        CASE(KERNELS_F32);
        CASE(KERNELS_F16);
        CASE(KERNELS_Q4_0);
        CASE(KERNELS_Q4_1);
        CASE(KERNELS_Q8_0);
    }
#undef CASE
}

static void neon_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums
) {
    reference_quantise(x, count, quants, scales, sums);
}

static void neon_normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    reference_normalise(x, weight, count, epsilon, out);
}

static void neon_rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    reference_rotate(x, head_count, head_length, angles, pair_count);
}

static void neon_gate(const float *gate, const float *up, size_t count, float *out) {
    reference_gate(gate, up, count, out);
}

const kernels_table kernels_table_neon = {
    .isa = KERNELS_NEON,
    .quantise = neon_quantise,
    .multiply = neon_multiply,
    .normalise = neon_normalise,
    .rotate = neon_rotate,
    .rotate_halves = neon_rotate_halves,
    .gate = neon_gate,
    ATTENTION(neon),
};

#endif
