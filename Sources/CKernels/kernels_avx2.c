// The table for CPUs with AVX2, FMA and F16C: 16 registers of eight floats.

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define TABLE kernels_table_avx2
#define ISA KERNELS_AVX2
#define SET_NAME avx2
#define LANES 8
// Sums of products, results, weights and temporaries fill 16 registers.
#define TILE 4
// Eight accumulators, and room for two weight blocks, one activation block and temporaries.
#define TILE_ROWS 2
#define TILE_COLUMNS 4
// One column: four rows share the activation block and hide the latency of the chains.
#define TILE_ROWS_MAX 4
#define VNNI 0

#include "kernels_x86.h"

#endif
