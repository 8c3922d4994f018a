// `multiply` for 64-bit Arm with the dot products of Armv8.2: one instruction for the sixteen
// products and their sums of four.

#if defined(__aarch64__)

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define MULTIPLY kernels_multiply_neon_dot
#define DOT(sum, a, b) vdotq_s32((sum), (a), (b))

#include "kernels_neon_multiply.h"

#endif
