// `multiply` for every 64-bit Arm.

#if defined(__aarch64__)

#define TARGET
#define MULTIPLY kernels_multiply_neon
#define DOT(sum, a, b) \
    vaddq_s32( \
        (sum), \
        vpaddq_s32( \
            vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b))), \
            vpaddlq_s16(vmull_high_s8((a), (b)))))

#include "kernels_neon_multiply.h"

#endif
