// Attention over cached keys and values: what its files share. The order of operations is
// written in kernels.h; kernels_attend_scalar.c is the reference.

#ifndef KERNELS_ATTEND_H
#define KERNELS_ATTEND_H

#include "kernels_math.h"

enum { KV_BLOCK = KERNELS_KV_BLOCK, SPAN = KERNELS_SPAN };

/// Queries that one pass over keys and values serves.
enum { TILE_QUERIES = KERNELS_TILE_QUERIES };

/// The members of a table that are attention.
#define ATTENTION(set) ATTENTION_OF(set)
#define ATTENTION_OF(set) \
    .store = kernels_store_##set, .attend = kernels_attend_##set, .join = kernels_join_##set, \
    .finish = kernels_finish_##set

#define DECLARE_ATTENTION(set) \
    void kernels_store_##set( \
        const float *x, size_t count, kernels_type type, bool is_key, void *out); \
    void kernels_attend_##set( \
        const kernels_kv *kv, const kernels_queries *queries, size_t first_span, \
        size_t span_count, float *scratch, float *states); \
    void kernels_join_##set(float *state, const float *other, size_t head_length); \
    void kernels_finish_##set(const float *state, size_t head_length, float *out)

DECLARE_ATTENTION(scalar);
#if defined(__x86_64__)
DECLARE_ATTENTION(avx2);
DECLARE_ATTENTION(avx512);
#elif defined(__aarch64__)
DECLARE_ATTENTION(neon);
#endif

KERNELS_INLINE size_t kv_width(kernels_type type) {
    return type == KERNELS_F16 ? 2 : 4;
}

/// The keys of the block that holds a position; its values stand one half behind.
KERNELS_INLINE const uint8_t *keys_at(const kernels_kv *kv, size_t position) {
    return kv->base + kv->blocks[position / KV_BLOCK] * kv->block_byte_count;
}

KERNELS_INLINE const uint8_t *values_at(const kernels_kv *kv, size_t position) {
    return keys_at(kv, position) + KV_BLOCK * kv->head_length * kv_width(kv->type);
}

/// Where the keys' element i stands among the rows of a block: lane by lane of the dot product.
KERNELS_INLINE size_t key_row(size_t i, size_t head_length) {
    const size_t lane = i % LANE_COUNT, longer = head_length % LANE_COUNT;
    return lane * (head_length / LANE_COUNT) + (lane < longer ? lane : longer) + i / LANE_COUNT;
}

/// Where element i goes, counted in elements from the first of its position.
KERNELS_INLINE size_t element_place(size_t i, size_t head_length, bool is_key) {
    return is_key ? key_row(i, head_length) * KV_BLOCK : i;
}

KERNELS_INLINE void store_rest(
    const float *x, size_t first, size_t count, kernels_type type, bool is_key, void *out
) {
    for (size_t i = first; i < count; i++) {
        const size_t place = element_place(i, count, is_key);
        if (type == KERNELS_F16) {
            ((uint16_t *)out)[place] = float_to_half(x[i]);
        } else {
            ((float *)out)[place] = x[i];
        }
    }
}

/// How many positions of the span that begins at `start` the query sees, which is in this row.
KERNELS_INLINE size_t span_count_of(const kernels_queries *queries, size_t row, size_t start) {
    const size_t end = queries->position + row + 1;
    return end <= start ? 0 : end - start < SPAN ? end - start : SPAN;
}

/// A state: head_length sums of values, the highest score, the sum of the weights.
KERNELS_INLINE void clear_state(float *state, size_t head_length) {
    for (size_t i = 0; i < head_length + 2; i++) {
        state[i] = 0;
    }
}

KERNELS_INLINE void join_states(float *state, const float *other, size_t head_length) {
    if (other[head_length + 1] == 0) {
        return;
    }
    const float mine = state[head_length], its = other[head_length];
    const float highest = its > mine ? its : mine;
    const float a = exp_f32(mine - highest), b = exp_f32(its - highest);
    for (size_t i = 0; i < head_length; i++) {
        state[i] = fmaf(other[i], b, state[i] * a);
    }
    state[head_length] = highest;
    state[head_length + 1] = fmaf(other[head_length + 1], b, state[head_length + 1] * a);
}

KERNELS_INLINE void finish_state(const float *state, size_t head_length, float *out) {
    const float inverse = 1.0f / state[head_length + 1];
    for (size_t i = 0; i < head_length; i++) {
        out[i] = state[i] * inverse;
    }
}

#endif
