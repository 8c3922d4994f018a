// The table for CPUs with AVX-512 VL and VNNI: 32 registers, and one instruction for the four
// products of a lane and their sum.

#if defined(__x86_64__)

// Tuned for Zen 4: otherwise the compiler takes VNNI's products of words apart again, which costs
// a fifth of the speed with weights in blocks of 256.
#define TARGET \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni,tune=znver4")))
#define TABLE kernels_table_avx512
#define ISA KERNELS_AVX512
#define SET_NAME avx512
#define LANES 16
// As many sums of products as keep the multiplier busy, and their results, of 32 registers.
#define TILE 12
#define TILE_ROWS 4
#define TILE_COLUMNS 4
#define TILE_ROWS_MAX 4
#define VNNI 1

#include "kernels_x86.h"

#endif
