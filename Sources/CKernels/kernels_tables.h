// The constant tables; which of them exist depends on what the compiler builds for.

#ifndef KERNELS_TABLES_H
#define KERNELS_TABLES_H

#include "kernels.h"

typedef void kernels_multiply(
    const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate);

/// Of the tables, where it has a file of its own.
kernels_multiply kernels_multiply_scalar, kernels_multiply_neon, kernels_multiply_neon_dot;

extern const kernels_table kernels_table_scalar;
#if defined(__x86_64__)
extern const kernels_table kernels_table_avx2;
extern const kernels_table kernels_table_avx512;
#elif defined(__aarch64__)
extern const kernels_table kernels_table_neon;
extern const kernels_table kernels_table_neon_dot;
#endif

#endif
