// The scalar reference of attention: what the instruction sets must equal.

#include "kernels_attend.h"

#pragma STDC FP_CONTRACT OFF

static float element(kernels_type type, const uint8_t *p, size_t i) {
    return type == KERNELS_F16 ? half_to_float(load_u16(p + 2 * i)) : load_f32(p + 4 * i);
}

/// One query over the first `count` positions of a span.
static void attend_span(
    const kernels_kv *kv, const float *q, float scale, size_t span, size_t count,
    float *scores, float *state
) {
    const size_t length = kv->head_length, start = span * SPAN;
    clear_state(state, length);
    if (count == 0) {
        return;
    }
    float highest = -INFINITY;
    for (size_t t = 0; t < count; t++) {
        const uint8_t *keys = keys_at(kv, start + t);
        float lanes[LANE_COUNT] = {0};
        for (size_t i = 0; i < length; i++) {
            const float key = element(kv->type, keys, key_row(i, length) * KV_BLOCK + t % KV_BLOCK);
            lanes[i % LANE_COUNT] = fmaf(q[i], key, lanes[i % LANE_COUNT]);
        }
        scores[t] = fold_lanes(lanes) * scale;
        highest = scores[t] > highest ? scores[t] : highest;
    }
    float lanes[LANE_COUNT] = {0};
    for (size_t t = 0; t < count; t++) {
        scores[t] = exp_f32(scores[t] - highest);
        lanes[t % LANE_COUNT] += scores[t];
    }
    for (size_t t = 0; t < count; t++) {
        const uint8_t *values = values_at(kv, start + t);
        for (size_t i = 0; i < length; i++) {
            const float value = element(kv->type, values, t % KV_BLOCK * length + i);
            state[i] = fmaf(scores[t], value, state[i]);
        }
    }
    state[length] = highest;
    state[length + 1] = fold_lanes(lanes);
}

void kernels_attend_scalar(
    const kernels_kv *kv, const kernels_queries *queries, size_t first_span, size_t span_count,
    float *scratch, float *states
) {
    const size_t length = kv->head_length;
    float *scores = scratch, *other = scratch + SPAN;
    for (size_t row = 0; row < queries->row_count; row++) {
        for (size_t head = 0; head < queries->head_count; head++, states += length + 2) {
            const float *q = queries->rows + row * queries->row_stride + head * length;
            for (size_t span = first_span; span < first_span + span_count; span++) {
                float *state = span == first_span ? states : other;
                const size_t count = span_count_of(queries, row, span * SPAN);
                attend_span(kv, q, queries->scale, span, count, scores, state);
                if (state == other) {
                    join_states(states, other, length);
                }
            }
        }
    }
}

void kernels_join_scalar(float *state, const float *other, size_t head_length) {
    join_states(state, other, head_length);
}

void kernels_finish_scalar(const float *state, size_t head_length, float *out) {
    finish_state(state, head_length, out);
}

void kernels_store_scalar(
    const float *x, size_t count, kernels_type type, bool is_key, void *out
) {
    store_rest(x, 0, count, type, is_key, out);
}
