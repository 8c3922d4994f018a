// The scalar reference of `quantise` and `quantise_superblocks`: what the instruction sets must
// equal.

#ifndef KERNELS_REFERENCE_QUANTISE_H
#define KERNELS_REFERENCE_QUANTISE_H

#include "kernels_formats.h"

KERNELS_INLINE void reference_quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums,
    int32_t *negative_totals
) {
    for (size_t block = 0; block < count / BLOCK_LENGTH; block++) {
        const float *part = x + block * BLOCK_LENGTH;
        uint32_t magnitude = 0;
        for (size_t i = 0; i < BLOCK_LENGTH; i++) {
            const uint32_t bits = bits_of(part[i]) & 0x7FFFFFFF;
            magnitude = magnitude < bits ? bits : magnitude;
        }
        float factor;
        const float scale = block_scale(magnitude, &factor);
        const bool finite = scale == scale;
        int32_t sum = 0;
        for (size_t i = 0; i < BLOCK_LENGTH; i++) {
            // The default rounding mode: to nearest even.
            const int32_t quant = finite ? (int32_t)lrintf(part[i] * factor) : 0;
            quants[block * BLOCK_LENGTH + i] = (int8_t)quant;
            sum += quant;
        }
        scales[block] = round_to_half(scale);
        sums[block] = round_to_half(scale * (float)sum);
        negative_totals[block] = -sum;
    }
}

/// The factor that makes the quants of a block of 256 whose element of the largest magnitude is
/// `extreme`, and, in `scale`, its inverse: NaN of a block that is not finite, zero of one below
/// 2^-120, whose factor would overflow.
KERNELS_INLINE float superblock_factor(float extreme, float *scale) {
    const uint32_t magnitude = bits_of(extreme) & 0x7FFFFFFF;
    if (magnitude >= 0x7F800000) {
        *scale = float_of(0x7FC00000);
        return 0;
    }
    if (magnitude <= bits_of(0x1p-120f)) {
        *scale = 0;
        return 0;
    }
    const float factor = -127.0f / extreme;
    *scale = 1.0f / factor;
    return factor;
}

KERNELS_INLINE void reference_quantise_superblocks(
    const float *x, size_t count, int8_t *quants, float *scales, int16_t *sums
) {
    for (size_t block = 0; block < count / SUPERBLOCK_LENGTH; block++) {
        uint32_t magnitude = 0;
        float extreme = 0;
        for (size_t i = 0; i < SUPERBLOCK_LENGTH; i++) {
            const uint32_t bits = bits_of(x[i]) & 0x7FFFFFFF;
            if (magnitude < bits) {
                magnitude = bits;
                extreme = x[i];
            }
        }
        const float factor = superblock_factor(extreme, &scales[block]);
        memset(sums, 0, SUPERBLOCK_SUM_COUNT * sizeof *sums);
        for (size_t i = 0; i < SUPERBLOCK_LENGTH; i++) {
            // The default rounding mode: to nearest even. The extreme becomes -127 and nothing
            // else exceeds it. A NaN times zero must not reach the conversion.
            const int32_t quant = factor != 0 ? (int32_t)lrintf(x[i] * factor) : 0;
            quants[i] = (int8_t)quant;
            sums[i / 16] = (int16_t)(sums[i / 16] + quant);
            sums[16 + i / 32] = (int16_t)(sums[16 + i / 32] + quant);
        }
        x += SUPERBLOCK_LENGTH;
        quants += SUPERBLOCK_LENGTH;
        sums += SUPERBLOCK_SUM_COUNT;
    }
}

#endif
