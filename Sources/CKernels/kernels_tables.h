// The constant tables; which of them exist depends on what the compiler builds for.

#ifndef KERNELS_TABLES_H
#define KERNELS_TABLES_H

#include "kernels.h"

extern const kernels_table kernels_table_scalar;
#if defined(__x86_64__)
extern const kernels_table kernels_table_avx2;
extern const kernels_table kernels_table_avx512;
#elif defined(__aarch64__)
extern const kernels_table kernels_table_neon;
#endif

#endif
