// `multiply` for 64-bit Arm as a template: included once by each file that defines
//
//   TARGET          the target attribute of every function, perhaps empty
//   MULTIPLY        the name of the function
//   DOT(sum, a, b)  int32 lanes: lane j = sum + Σ a·b over bytes 4j … 4j+3, both signed
//
// The eight lanes of float weights are two registers of four. One row at a time, times up to four
// columns: a block is unpacked once for them.

#include "kernels_formats.h"
#include "kernels_tables.h"

#include <arm_neon.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL
#endif

// Columns that share an unpacked weight block: 8 accumulators of 32 registers.
enum { TILE_COLUMNS = 4 };

typedef struct lanes {
    float32x4_t low, high;
} lanes;

INLINE lanes zero_lanes(void) {
    return (lanes){vdupq_n_f32(0), vdupq_n_f32(0)};
}

INLINE float fold(lanes x, const float *a, const float *b, size_t tail_count) {
    float stored[LANE_COUNT];
    vst1q_f32(stored, x.low);
    vst1q_f32(stored + 4, x.high);
    for (size_t i = 0; i < tail_count; i++) {
        stored[i] = fmaf(a[i], b[i], stored[i]);
    }
    return fold_lanes(stored);
}

INLINE lanes load_floats(const void *p) {
    float values[LANE_COUNT];
    memcpy(values, p, sizeof values);
    return (lanes){vld1q_f32(values), vld1q_f32(values + 4)};
}

/// Eight halves or bfloats.
INLINE lanes load_short_floats(const kernels_type type, const void *p) {
    uint16_t bits[LANE_COUNT];
    memcpy(bits, p, sizeof bits);
    const uint16x8_t words = vld1q_u16(bits);
    if (type == KERNELS_F16) {
        const float16x8_t halves = vreinterpretq_f16_u16(words);
        return (lanes){vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
    }
    return (lanes){
        vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(words), 16)),
        vreinterpretq_f32_u32(vshll_high_n_u16(words, 16))};
}

INLINE lanes multiply_add(lanes sum, lanes a, lanes b) {
    return (lanes){vfmaq_f32(sum.low, a.low, b.low), vfmaq_f32(sum.high, a.high, b.high)};
}

/// One row of weights and the columns that it meets.
typedef struct span {
    const uint8_t *row;
    size_t length;
    const kernels_activations *x;
    size_t column;
    float *out;
    size_t out_stride;
    bool accumulate;
} span;

INLINE void write_result(const span *s, int column, float value) {
    float *place = s->out + (size_t)column * s->out_stride;
    *place = s->accumulate ? *place + value : value;
}

/// 16 in each of sixteen bytes whose bit of the word, from bit 0 or 8 on, is set.
INLINE uint8x16_t unpack_fifth_bits(uint32_t word) {
    const uint8x16_t bytes =
        vcombine_u8(vdup_n_u8((uint8_t)word), vdup_n_u8((uint8_t)(word >> 8)));
    const uint8x8_t bits = vcreate_u8(0x8040201008040201);
    return vandq_u8(vtstq_u8(bytes, vcombine_u8(bits, bits)), vdupq_n_u8(16));
}

/// The 32 quants of a block in element order, signed.
INLINE void unpack_quants(const kernels_type type, const uint8_t *block, int8x16_t out[2]) {
    if (type == KERNELS_Q8_0) {
        out[0] = vld1q_s8((const int8_t *)block + 2);
        out[1] = vld1q_s8((const int8_t *)block + 18);
        return;
    }
    const bool has_fifth = type == KERNELS_Q5_0 || type == KERNELS_Q5_1;
    const uint8_t *after = block + (has_minima(type) ? 4 : 2);
    const uint8x16_t pairs = vld1q_u8(after + (has_fifth ? 4 : 0));
    uint8x16_t low = vandq_u8(pairs, vdupq_n_u8(15)), high = vshrq_n_u8(pairs, 4);
    if (has_fifth) {
        const uint32_t word = load_u32(after);
        low = vorrq_u8(low, unpack_fifth_bits(word));
        high = vorrq_u8(high, unpack_fifth_bits(word >> 16));
    }
    const int8x16_t offset = vdupq_n_s8((int8_t)quant_offset(type));
    out[0] = vsubq_s8(vreinterpretq_s8_u8(low), offset);
    out[1] = vsubq_s8(vreinterpretq_s8_u8(high), offset);
}

INLINE void block_row(const kernels_type type, const int column_count, const span *s) {
    const size_t block_count = s->length / BLOCK_LENGTH;
    const uint8_t *row = s->row;
    float results[TILE_COLUMNS] = {0};
    for (size_t block = 0; block < block_count; block++, row += block_bytes(type)) {
        int8x16_t weights[2];
        unpack_quants(type, row, weights);
        const float scale = half_to_float(load_u16(row));
        const float least = has_minima(type) ? half_to_float(load_u16(row + 2)) : 0;
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t place = (s->column + (size_t)c) * block_count + block;
            const int8_t *quants = s->x->quants + place * BLOCK_LENGTH;
            int32x4_t products = DOT(vdupq_n_s32(0), weights[0], vld1q_s8(quants));
            products = DOT(products, weights[1], vld1q_s8(quants + 16));
            results[c] = fmaf(
                (float)vaddvq_s32(products), scale * s->x->scales[place], results[c]);
            if (has_minima(type)) {
                results[c] = fmaf(least, s->x->sums[place], results[c]);
            }
        }
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        write_result(s, c, results[c]);
    }
}

/// Bits of x moved to the place of `mask`, from `shift` bits above it or, negative, below it.
INLINE uint8x16_t bits_at(uint8x16_t x, int shift, int mask) {
    return vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8((uint8_t)mask));
}

/// The quants of sixteen of a block of 256, signed: those of half `part % 2` of a sub-block.
INLINE int8x16_t unpack_sixteen(const kernels_type type, const uint8_t *block, int part) {
    const int sub = part / 2, lane = 16 * (part % 2);
    if (type == KERNELS_Q6_K) {
        const int half = sub / 4, quarter = sub % 4;
        const uint8x16_t pairs = vld1q_u8(block + 64 * half + 32 * (quarter % 2) + lane);
        const uint8x16_t upper = vld1q_u8(block + 128 + 32 * half + lane);
        const uint8x16_t quants = vorrq_u8(
            bits_at(pairs, quarter < 2 ? 0 : 4, 0x0F), bits_at(upper, 2 * quarter - 4, 0x30));
        return vsubq_s8(vreinterpretq_s8_u8(quants), vdupq_n_s8(32));
    }
    const uint8_t *pairs = block + (type == KERNELS_Q5_K ? 48 : 16) + 32 * (sub / 2) + lane;
    const uint8x16_t lower = bits_at(vld1q_u8(pairs), sub % 2 == 0 ? 0 : 4, 0x0F);
    if (type == KERNELS_Q4_K) {
        return vreinterpretq_s8_u8(lower);
    }
    const uint8x16_t fifth = bits_at(vld1q_u8(block + 16 + lane), sub - 4, 0x10);
    return vreinterpretq_s8_u8(vorrq_u8(lower, fifth));
}

INLINE void superblock_row(const kernels_type type, const int column_count, const span *s) {
    const size_t block_count = s->length / SUPERBLOCK_LENGTH;
    const int32x4_t zero = vdupq_n_s32(0);
    const uint8_t *row = s->row;
    float results[TILE_COLUMNS] = {0};
    for (size_t block = 0; block < block_count; block++, row += block_bytes(type)) {
        superblock weights;
        unpack_superblock_scales(type, row, &weights);
        int32x4_t products[TILE_COLUMNS];
        UNROLL for (int c = 0; c < column_count; c++) {
            products[c] = zero;
        }
        UNROLL for (int part = 0; part < 16; part++) {
            const int8x16_t quants = unpack_sixteen(type, row, part);
            UNROLL for (int c = 0; c < column_count; c++) {
                const size_t place =
                    (s->column + (size_t)c) * s->length + block * SUPERBLOCK_LENGTH;
                const int8_t *x = s->x->superblock_quants + place + 16 * part;
                products[c] = vmlaq_n_s32(
                    products[c], DOT(zero, quants, vld1q_s8(x)), weights.scales[part]);
            }
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t place = (s->column + (size_t)c) * block_count + block;
            const int16_t *sums = s->x->superblock_sums + SUPERBLOCK_SUM_COUNT * place;
            const float scale = s->x->superblock_scales[place];
            const float sum = (float)vaddvq_s32(products[c]);
            results[c] = fmaf(sum, weights.scale * scale, results[c]);
            if (has_minima(type)) {
                int32_t minima = 0;
                for (int sub = 0; sub < SUBBLOCK_COUNT; sub++) {
                    minima += weights.minima[sub] * sums[16 + sub];
                }
                results[c] = fmaf((float)minima, -(weights.minimum * scale), results[c]);
            }
        }
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        write_result(s, c, results[c]);
    }
}

INLINE void float_row(const kernels_type type, const int column_count, const span *s) {
    const size_t width = block_bytes(type);
    const size_t whole = s->length / LANE_COUNT * LANE_COUNT, tail_count = s->length - whole;
    const float *floats = s->x->floats + s->column * s->length;
    lanes sums[TILE_COLUMNS];
    UNROLL for (int c = 0; c < column_count; c++) {
        sums[c] = zero_lanes();
    }
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        const uint8_t *place = s->row + i * width;
        const lanes weights =
            type == KERNELS_F32 ? load_floats(place) : load_short_floats(type, place);
        UNROLL for (int c = 0; c < column_count; c++) {
            const lanes x = load_floats(floats + (size_t)c * s->length + i);
            sums[c] = multiply_add(sums[c], weights, x);
        }
    }
    float tail[LANE_COUNT];
    for (size_t i = 0; i < tail_count; i++) {
        tail[i] = load_float(type, s->row, whole + i);
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        const float *x = floats + (size_t)c * s->length + whole;
        write_result(s, c, fold(sums[c], tail, x, tail_count));
    }
}

INLINE void any_row(const kernels_type type, const int column_count, const span *s) {
    if (is_float(type)) {
        float_row(type, column_count, s);
    } else if (is_superblock(type)) {
        superblock_row(type, column_count, s);
    } else {
        block_row(type, column_count, s);
    }
}

INLINE void multiply_type(
    const kernels_type type, const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
    for (size_t row = first; row < first + count; row++) {
        for (size_t column = 0; column < column_count;) {
            const span s = {
                .row = weights->bytes + row * weights->row_byte_count,
                .length = weights->row_length,
                .x = x,
                .column = column,
                .out = out + column * out_stride + row,
                .out_stride = out_stride,
                .accumulate = accumulate,
            };
            if (column + TILE_COLUMNS <= column_count) {
                any_row(type, TILE_COLUMNS, &s);
                column += TILE_COLUMNS;
            } else {
                any_row(type, 1, &s);
                column += 1;
            }
        }
    }
}

TARGET void MULTIPLY(
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
        CASE(KERNELS_BF16);
        CASE(KERNELS_Q4_0);
        CASE(KERNELS_Q4_1);
        CASE(KERNELS_Q5_0);
        CASE(KERNELS_Q5_1);
        CASE(KERNELS_Q8_0);
        CASE(KERNELS_Q4_K);
        CASE(KERNELS_Q5_K);
        CASE(KERNELS_Q6_K);
    }
#undef CASE
}
