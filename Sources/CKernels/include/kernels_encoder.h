// Kernels of bidirectional encoders (BERT), which look at a whole text at once and keep no cache.
//
// One source, kernels_encoder_rows.h, is compiled for each instruction set. As in kernels.h the
// order of every floating-point operation is fixed and the same everywhere: sums over a row keep
// eight lanes, lane = element mod 8, fused multiply-add, folded as ((0+4)+(2+6)) + ((1+5)+(3+7));
// what comes out for one position depends on its own text alone.

#ifndef KERNELS_ENCODER_H
#define KERNELS_ENCODER_H

#include "kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// A table of kernels; every function pointer is non-null.
typedef struct kernels_encoder_table {
    /// x += y.
    void (*add)(const float *y, size_t count, float *x);

    /// out = (x - mean) / sqrt(variance + epsilon) * weight + bias, over one row (arXiv
    /// 1607.06450). `out` may be `x`.
    void (*normalise_layer)(
        const float *x, const float *weight, const float *bias, size_t count, float epsilon,
        float *out);

    /// x = x * Φ(x), Φ the normal distribution (arXiv 1606.08415): GELU by erf, not by tanh.
    void (*gelu)(size_t count, float *x);

    /// One head at one position: out = softmax(scale * q·K) · V over all `count` positions of the
    /// text, whose keys and values lie `stride` floats apart. `scores` is scratch of `count`.
    void (*attend_all)(
        const float *q, const float *keys, const float *values, size_t count, size_t stride,
        size_t head_length, float scale, float *scores, float *out);
} kernels_encoder_table;

/// Returns the table of the best instruction set of this CPU that is not above `limit`.
const kernels_encoder_table *kernels_encoder_select(kernels_isa limit);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
