// The encoder's kernels for x86-64 with AVX2 and FMA.

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma")))
#define TABLE kernels_encoder_table_avx2

#include "kernels_encoder_rows.h"

#endif
