// Chooses the table of the encoder's kernels. Eight floats fill an AVX2 register, so that the
// AVX-512 machines run the same code.

#include "kernels_encoder_tables.h"

const kernels_encoder_table *kernels_encoder_select(kernels_isa limit) {
#if defined(__x86_64__)
    if (kernels_select(limit)->isa >= KERNELS_AVX2) {
        return &kernels_encoder_table_avx2;
    }
#else
    (void)limit;
#endif
    return &kernels_encoder_table_base;
}
