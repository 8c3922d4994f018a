// The constant tables of the encoder's kernels.

#ifndef KERNELS_ENCODER_TABLES_H
#define KERNELS_ENCODER_TABLES_H

#include "kernels_encoder.h"

extern const kernels_encoder_table kernels_encoder_table_base;
#if defined(__x86_64__)
extern const kernels_encoder_table kernels_encoder_table_avx2;
#endif

#endif
