// Pseudo-random input and digests, for a comparison of kernels between machines.

#ifndef DIGESTS_H
#define DIGESTS_H

#include "kernels.h"
#include "kernels_encoder.h"

/// 32 bits of a generator with a fixed seed (splitmix64).
uint32_t random_bits(void);

/// Floats of either sign whose magnitudes lie between 2^-6 and 2^2.
void random_floats(float *out, size_t count);

/// Prints a line with a name, a type and the FNV-1a digest of `byte_count` bytes.
void print_digest(const char *name, int type, const void *bytes, size_t byte_count);

/// Prints the digests of what the attention kernels give.
void print_attention(const kernels_table *table);

/// Prints the digests of what the kernels of encoders give.
void print_encoder(const kernels_encoder_table *table);

#endif
