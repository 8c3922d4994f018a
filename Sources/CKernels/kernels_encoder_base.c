// The encoder's kernels for what every CPU of the architecture has: on 64-bit Arm that is NEON,
// on x86-64 it is the scalar reference, whose fused multiply-adds are calls.

#define TARGET
#define TABLE kernels_encoder_table_base

#include "kernels_encoder_rows.h"
