// Which table this CPU gets.

#include "kernels_tables.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

const kernels_table *kernels_select(kernels_isa limit) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("f16c");
    if (limit >= KERNELS_AVX512 && avx2 && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) {
        return &kernels_table_avx512;
    }
    if (limit >= KERNELS_AVX2 && avx2) {
        return &kernels_table_avx2;
    }
#elif defined(__aarch64__)
    if (limit >= KERNELS_NEON_DOT && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) {
        return &kernels_table_neon_dot;
    }
    if (limit >= KERNELS_NEON) {
        return &kernels_table_neon;
    }
#endif
    return &kernels_table_scalar;
}

bool kernels_supports(int32_t type) {
    switch (type) {
    case KERNELS_F32:
    case KERNELS_F16:
    case KERNELS_Q4_0:
    case KERNELS_Q4_1:
    case KERNELS_Q5_0:
    case KERNELS_Q5_1:
    case KERNELS_Q8_0:
    case KERNELS_Q4_K:
    case KERNELS_Q5_K:
    case KERNELS_Q6_K:
    case KERNELS_BF16:
        return true;
    default:
        return false;
    }
}
