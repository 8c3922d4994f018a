// Rows that a kernel reads side by side, put side by side in memory.

#include "kernels_formats.h"

/// Where the lone half of a block is: the scale, where the block is no multiple of four bytes.
static size_t half_place(kernels_type type) {
    return type == KERNELS_Q6_K ? 208 : 0;
}

void kernels_interleave(const kernels_matrix *weights, size_t interleave, uint8_t *out) {
    const kernels_type type = weights->type;
    const size_t stride = weights->row_byte_count, byte_count = block_bytes(type);
    const size_t word_count = byte_count / 4, whole = weights->row_count / interleave * interleave;
    const bool has_half = byte_count % 4 != 0;
    const size_t first_word = has_half && half_place(type) == 0 ? 2 : 0;
    for (size_t row = 0; row < whole; row += interleave) {
        const uint8_t *group = weights->bytes + row * stride;
        for (size_t block = 0; block < stride; block += byte_count) {
            for (size_t word = 0; word < word_count; word++) {
                const uint8_t *place = group + block + first_word + 4 * word;
                for (size_t i = 0; i < interleave; i++, out += 4) {
                    memcpy(out, place + i * stride, 4);
                }
            }
            for (size_t i = 0; has_half && i < interleave; i++, out += 2) {
                memcpy(out, group + block + half_place(type) + i * stride, 2);
            }
        }
    }
    memcpy(out, weights->bytes + whole * stride, (weights->row_count - whole) * stride);
}

bool kernels_interleaves(kernels_type type) {
    return !is_float(type) && type != KERNELS_Q8_0;
}
