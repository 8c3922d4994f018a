// The block formats of quantised weights (ggml-common.h), for the kernels that take them apart.
//
//   type   elements  bytes  layout (d, m: halves)
//   Q4_0      32       18   d, 16 pairs: element j low, element j + 16 high; d * (q - 8)
//   Q4_1      32       20   d, m, pairs as above; d * q + m
//   Q5_0      32       22   d, 32 fifth bits, pairs as above; d * (q - 16)
//   Q5_1      32       24   d, m, 32 fifth bits, pairs as above; d * q + m
//   Q8_0      32       34   d, 32 int8; d * q
//   Q4_K     256      144   d, m, 12 bytes of 6-bit scales and minima, 128 pairs
//   Q5_K     256      176   d, m, scales as above, 32 bytes of fifth bits, 128 pairs
//   Q6_K     256      210   128 pairs, 64 bytes of upper bits, 16 int8 scales, d
//
// Q4_K, Q5_K: eight sub-blocks of 32; sub-block s has the low (s even) or high halves of the
// pairs 32 * (s / 2) ... + 31 and bit s of the fifth bits; d * scale[s] * q - m * minimum[s].
// Q6_K: sub-block s is quarter k = s mod 4 of the half h = s / 4; it has the low (k < 2) or high
// halves of the pairs 64 h + 32 (k mod 2) ... + 31 and the bits 2k, 2k + 1 of the upper bits
// 32 h ... + 31; its first and last sixteen have scales of their own; d * scale * (q - 32).

#ifndef KERNELS_FORMATS_H
#define KERNELS_FORMATS_H

#include "kernels_math.h"

enum { SUPERBLOCK_LENGTH = 256, SUBBLOCK_COUNT = 8 };
// The sums of an activation block of 256: sixteen of 16 quants, then eight of 32.
enum { SUPERBLOCK_SUM_COUNT = 24 };

KERNELS_INLINE bool is_float(const kernels_type type) {
    return type == KERNELS_F32 || type == KERNELS_F16 || type == KERNELS_BF16;
}

/// Whether the type is made of blocks of 256.
KERNELS_INLINE bool is_superblock(const kernels_type type) {
    return type == KERNELS_Q4_K || type == KERNELS_Q5_K || type == KERNELS_Q6_K;
}

/// Whether a block of the type starts with a scale and a minimum.
KERNELS_INLINE bool has_minima(const kernels_type type) {
    return type == KERNELS_Q4_1 || type == KERNELS_Q5_1 || type == KERNELS_Q4_K
        || type == KERNELS_Q5_K;
}

/// Bytes of a block, or of an element of a type without blocks.
KERNELS_INLINE size_t block_bytes(const kernels_type type) {
    switch (type) {
    case KERNELS_F32:
        return 4;
    case KERNELS_F16:
    case KERNELS_BF16:
        return 2;
    case KERNELS_Q4_0:
        return 18;
    case KERNELS_Q4_1:
        return 20;
    case KERNELS_Q5_0:
        return 22;
    case KERNELS_Q5_1:
        return 24;
    case KERNELS_Q8_0:
        return 34;
    case KERNELS_Q4_K:
        return 144;
    case KERNELS_Q5_K:
        return 176;
    case KERNELS_Q6_K:
        return 210;
    }
    return 0;
}

/// What a block of 32 subtracts from its quants as they are stored.
KERNELS_INLINE int32_t quant_offset(const kernels_type type) {
    return type == KERNELS_Q4_0 ? 8 : type == KERNELS_Q5_0 ? 16 : 0;
}

KERNELS_INLINE uint32_t load_u32(const void *p) {
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

/// The upper half of a float; exact.
KERNELS_INLINE float bfloat_to_float(uint16_t x) {
    return float_of((uint32_t)x << 16);
}

KERNELS_INLINE float load_float(const kernels_type type, const uint8_t *row, size_t i) {
    return type == KERNELS_F32   ? load_f32(row + 4 * i)
        : type == KERNELS_F16 ? half_to_float(load_u16(row + 2 * i))
                                 : bfloat_to_float(load_u16(row + 2 * i));
}

/// The eight 6-bit scales and minima of a Q4_K or Q5_K block, one a byte, from the least
/// significant one. `p` points at the twelve bytes: four low scales, four low minima, four pairs
/// of lower halves of the high ones, whose upper two bits lie above the low ones.
KERNELS_INLINE void unpack_scales(const uint8_t *p, uint64_t *scales, uint64_t *minima) {
    const uint32_t a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
    const uint32_t high_scales = (c & 0x0F0F0F0F) | (a >> 2 & 0x30303030);
    const uint32_t high_minima = (c >> 4 & 0x0F0F0F0F) | (b >> 2 & 0x30303030);
    *scales = (uint64_t)high_scales << 32 | (a & 0x3F3F3F3F);
    *minima = (uint64_t)high_minima << 32 | (b & 0x3F3F3F3F);
}

/// The 32 quants of a block of 32 without its offset.
KERNELS_INLINE void unpack_block(const kernels_type type, const uint8_t *block, int8_t *out) {
    if (type == KERNELS_Q8_0) {
        memcpy(out, block + 2, BLOCK_LENGTH);
        return;
    }
    const bool has_fifth = type == KERNELS_Q5_0 || type == KERNELS_Q5_1;
    const uint8_t *after = block + (has_minima(type) ? 4 : 2);
    const uint32_t fifth = has_fifth ? load_u32(after) : 0;
    const uint8_t *pairs = after + (has_fifth ? 4 : 0);
    for (size_t i = 0; i < 16; i++) {
        const int32_t low = (pairs[i] & 15) | (int32_t)(fifth >> i & 1) << 4;
        const int32_t high = pairs[i] >> 4 | (int32_t)(fifth >> (i + 16) & 1) << 4;
        out[i] = (int8_t)(low - quant_offset(type));
        out[i + 16] = (int8_t)(high - quant_offset(type));
    }
}

/// A block of 256 taken apart; element i is scale * scales[i / 16] * quants[i]
/// - minimum * minima[i / 32].
typedef struct superblock {
    float scale, minimum;
    int8_t quants[SUPERBLOCK_LENGTH];
    int8_t scales[16];
    uint8_t minima[SUBBLOCK_COUNT];
} superblock;

/// All of a block of 256 but its quants.
KERNELS_INLINE void unpack_superblock_scales(
    const kernels_type type, const uint8_t *block, superblock *out
) {
    if (type == KERNELS_Q6_K) {
        memcpy(out->scales, block + 192, sizeof out->scales);
        memset(out->minima, 0, sizeof out->minima);
        out->scale = half_to_float(load_u16(block + 208));
        out->minimum = 0;
        return;
    }
    uint64_t scales, minima;
    unpack_scales(block + 4, &scales, &minima);
    for (size_t sub = 0; sub < SUBBLOCK_COUNT; sub++) {
        out->scales[2 * sub] = out->scales[2 * sub + 1] = (int8_t)(scales >> 8 * sub);
        out->minima[sub] = (uint8_t)(minima >> 8 * sub);
    }
    out->scale = half_to_float(load_u16(block));
    out->minimum = half_to_float(load_u16(block + 2));
}

KERNELS_INLINE void unpack_superblock(
    const kernels_type type, const uint8_t *block, superblock *out
) {
    unpack_superblock_scales(type, block, out);
    if (type == KERNELS_Q6_K) {
        for (size_t i = 0; i < SUPERBLOCK_LENGTH; i++) {
            const size_t half = i / 128, quarter = i / 32 % 4, lane = i % 32;
            const uint8_t pair = block[64 * half + 32 * (quarter % 2) + lane];
            const int32_t upper = block[128 + 32 * half + lane] >> 2 * quarter & 3;
            const int32_t lower = quarter < 2 ? pair & 15 : pair >> 4;
            out->quants[i] = (int8_t)((lower | upper << 4) - 32);
        }
        return;
    }
    const uint8_t *fifth = block + 16, *pairs = block + (type == KERNELS_Q5_K ? 48 : 16);
    for (size_t i = 0; i < SUPERBLOCK_LENGTH; i++) {
        const size_t sub = i / 32, lane = i % 32;
        const uint8_t pair = pairs[32 * (sub / 2) + lane];
        const int32_t upper = type == KERNELS_Q5_K ? fifth[lane] >> sub & 1 : 0;
        out->quants[i] = (int8_t)((sub % 2 == 0 ? pair & 15 : pair >> 4) | upper << 4);
    }
}

#endif
