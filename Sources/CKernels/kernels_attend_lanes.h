// Attention as a template over vectors of floats: included once by each file that defines
//
//   TARGET           the target attribute of every function
//   SET(kernel)      the name of a kernel of this instruction set
//   LANES            floats of a `vec`
//   CHUNK            vectors of a value row that are summed together
//   PART(whole, n)   how many of `whole` vectors, for n queries each, the registers hold best
//   vec, vec_zero, vec_splat, vec_load, vec_load_halves, vec_store, vec_store_halves, vec_add,
//   vec_sub, vec_mul, vec_fma (a * b + c), vec_fnma (c - a * b), vec_max and vec_min (the second
//   where one is a NaN), vec_power (a * 2^(b - EXP_ROUNDER's bits))
//
// A pass serves up to TILE_QUERIES queries: all heads that read the same keys, of as many rows
// as fit. Scores are lanes of positions, because the keys of a block lie element by element, in
// the order of the eight chains of a dot product; outputs are lanes of elements. So each chain
// stays in one lane of a register, whatever the number of lanes.

#include "kernels_attend.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")
// To the second cache: the first has too few places for lines on their way.
#define FETCH(address) __builtin_prefetch((address), 0, 2)

/// How many blocks ahead of its use memory is fetched: some 12 KB, more than a core has on its
/// way at a time.
enum { AHEAD = 3 };

/// `exp_f32` on all lanes, operation by operation.
INLINE vec vec_exp(vec x) {
    x = vec_max(x, vec_splat(EXP_MIN));
    x = vec_min(x, vec_splat(EXP_MAX));
    const vec rounder = vec_splat(EXP_ROUNDER);
    const vec t = vec_fma(x, vec_splat(EXP_LOG2E), rounder);
    const vec n = vec_sub(t, rounder);
    vec r = vec_fnma(n, vec_splat(EXP_LN2_HIGH), x);
    r = vec_fnma(n, vec_splat(EXP_LN2_LOW), r);
    vec p = vec_fma(vec_splat(EXP_C7), r, vec_splat(EXP_C6));
    p = vec_fma(p, r, vec_splat(EXP_C5));
    p = vec_fma(p, r, vec_splat(EXP_C4));
    p = vec_fma(p, r, vec_splat(EXP_C3));
    p = vec_fma(p, r, vec_splat(EXP_C2));
    p = vec_fma(p, r, vec_splat(1.0f));
    p = vec_fma(p, r, vec_splat(1.0f));
    return vec_power(p, t);
}

INLINE vec load_kv(const kernels_type type, const uint8_t *p) {
    return type == KERNELS_F16 ? vec_load_halves(p) : vec_load((const float *)p);
}

/// Scores of some queries with `part` vectors of positions.
typedef vec partial[TILE_QUERIES][KV_BLOCK / LANES];

INLINE void add_partial(const int n, const int part, partial sum, partial other) {
    UNROLL for (int r = 0; r < n; r++) {
        UNROLL for (int v = 0; v < part; v++) {
            sum[r][v] = vec_add(sum[r][v], other[r][v]);
        }
    }
}

/// One of the eight chains of a dot product; its elements follow each other. Fetches what lies
/// at `ahead`, as long as they.
INLINE void score_lane(
    const kernels_type type, const int n, const int part, size_t lane, const uint8_t *keys,
    const uint8_t *ahead, const float *q, size_t length, partial sums
) {
    const size_t row = KV_BLOCK * (type == KERNELS_F16 ? 2 : 4);
    const size_t offset = key_row(lane, length) * row;
    keys += offset;
    ahead += offset;
    UNROLL for (int r = 0; r < n; r++) {
        UNROLL for (int v = 0; v < part; v++) {
            sums[r][v] = vec_zero();
        }
    }
    for (size_t i = lane; i < length; i += LANE_COUNT, keys += row, ahead += row) {
        vec key[KV_BLOCK / LANES];
        UNROLL for (int v = 0; v < part; v++) {
            key[v] = load_kv(type, keys + (size_t)v * LANES * (row / KV_BLOCK));
        }
        UNROLL for (size_t line = 0; line < row; line += 64) {
            FETCH(ahead + line);
        }
        UNROLL for (int r = 0; r < n; r++) {
            const vec query = vec_splat(q[(size_t)r * length + i]);
            UNROLL for (int v = 0; v < part; v++) {
                sums[r][v] = vec_fma(query, key[v], sums[r][v]);
            }
        }
    }
}

/// scores[query][t] = scale · Σ q[query][i] · keys[i][t] for the 32 positions of a block.
INLINE void score_block(
    const kernels_type type, const int n, const uint8_t *keys, const uint8_t *ahead,
    const float *q, size_t length, float scale, float *scores
) {
    const int part = PART(KV_BLOCK / LANES, n);
    for (int first = 0; first < KV_BLOCK; first += part * LANES) {
        const uint8_t *place = keys + (size_t)first * (type == KERNELS_F16 ? 2 : 4);
        partial total, sum, pair, chain;
        for (size_t odd = 0; odd < 2; odd++) {
            score_lane(type, n, part, odd, place, ahead, q, length, sum);
            score_lane(type, n, part, odd + 4, place, ahead, q, length, chain);
            add_partial(n, part, sum, chain);
            score_lane(type, n, part, odd + 2, place, ahead, q, length, pair);
            score_lane(type, n, part, odd + 6, place, ahead, q, length, chain);
            add_partial(n, part, pair, chain);
            add_partial(n, part, sum, pair);
            UNROLL for (int r = 0; r < n; r++) {
                UNROLL for (int v = 0; v < part; v++) {
                    total[r][v] = odd == 0 ? sum[r][v] : vec_add(total[r][v], sum[r][v]);
                }
            }
        }
        UNROLL for (int r = 0; r < n; r++) {
            UNROLL for (int v = 0; v < part; v++) {
                vec_store(
                    scores + r * SPAN + first + v * LANES,
                    vec_mul(total[r][v], vec_splat(scale)));
            }
        }
    }
}

/// Turns the scores of a span into weights; keeps their highest and their sum.
INLINE void weights_of(float *scores, size_t count, float *highest, float *sum) {
    enum { GROUP = 2 * LANE_COUNT };
    const size_t rounded = (count + GROUP - 1) / GROUP * GROUP;
    for (size_t t = count; t < rounded; t++) {
        scores[t] = -INFINITY;
    }
    vec most = vec_splat(-INFINITY);
    for (size_t t = 0; t < rounded; t += LANES) {
        most = vec_max(vec_load(scores + t), most);
    }
    float each[LANES];
    vec_store(each, most);
    float best = each[0];
    for (int lane = 1; lane < LANES; lane++) {
        best = each[lane] > best ? each[lane] : best;
    }
    for (size_t t = 0; t < rounded; t += LANES) {
        vec_store(scores + t, vec_exp(vec_sub(vec_load(scores + t), vec_splat(best))));
    }
    // Behind the last position stands nothing; the lanes add zeros.
    for (size_t t = count; t < rounded; t++) {
        scores[t] = 0;
    }
    float lanes[LANE_COUNT] = {0};
    for (size_t t = 0; t < rounded; t += LANE_COUNT) {
        UNROLL for (size_t lane = 0; lane < LANE_COUNT; lane++) {
            lanes[lane] += scores[t + lane];
        }
    }
    *highest = best;
    *sum = fold_lanes(lanes);
}

/// What one pass works on.
typedef struct tile {
    const kernels_kv *kv;
    const kernels_queries *queries;
    size_t first;        // the first query: row · head_count + head
    size_t start;        // the span's first position
    size_t block_count;  // blocks of the span that some query sees
    float *q;            // scratch (TILE_QUERIES, head_length)
    float *scores;       // scratch (TILE_QUERIES, SPAN)
    float *states;       // (n, head_length + 2)
} tile;

/// The keys or values that a pass reads as its `step`th: all keys of the span, all its values,
/// the keys of the next span.
INLINE const uint8_t *part_at(const tile *s, size_t step) {
    if (step < s->block_count) {
        return keys_at(s->kv, s->start + step * KV_BLOCK);
    }
    step -= s->block_count;
    if (step < s->block_count) {
        return values_at(s->kv, s->start + step * KV_BLOCK);
    }
    const size_t next = s->start + SPAN + (step - s->block_count) * KV_BLOCK;
    const bool exists = next < s->queries->position + s->queries->row_count;
    return keys_at(s->kv, exists ? next : s->start);
}

/// What `weigh` adds: some positions of the span, for some queries.
typedef struct walk {
    const tile *tile;
    size_t from, end;
    const float *weights;  // (queries, SPAN)
    float *states;         // (queries, head_length + 2)
} walk;

/// states[query][i] += Σ weights[query][t] · values[t][i], for `part` vectors from element i on.
INLINE void weigh_part(
    const kernels_type type, const int n, const int part, const walk *w, size_t i
) {
    const size_t width = type == KERNELS_F16 ? 2 : 4, length = w->tile->kv->head_length;
    vec sums[TILE_QUERIES][CHUNK];
    UNROLL for (int r = 0; r < n; r++) {
        UNROLL for (int v = 0; v < part; v++) {
            sums[r][v] = vec_load(w->states + (size_t)r * (length + 2) + i + (size_t)v * LANES);
        }
    }
    for (size_t t = w->from; t < w->end;) {
        const size_t next = (t / KV_BLOCK + 1) * KV_BLOCK;
        const size_t end = next < w->end ? next : w->end;
        const size_t place = (t % KV_BLOCK * length + i) * width;
        const size_t step = w->tile->block_count + t / KV_BLOCK;
        const uint8_t *values = part_at(w->tile, step) + place;
        const uint8_t *ahead = part_at(w->tile, step + AHEAD) + place;
        for (; t < end; t++, values += length * width, ahead += length * width) {
            vec value[CHUNK];
            UNROLL for (int v = 0; v < part; v++) {
                value[v] = load_kv(type, values + (size_t)v * LANES * width);
            }
            UNROLL for (size_t line = 0; line < (size_t)part * LANES * width; line += 64) {
                FETCH(ahead + line);
            }
            UNROLL for (int r = 0; r < n; r++) {
                const vec weight = vec_splat(w->weights[(size_t)r * SPAN + t]);
                UNROLL for (int v = 0; v < part; v++) {
                    sums[r][v] = vec_fma(weight, value[v], sums[r][v]);
                }
            }
        }
    }
    UNROLL for (int r = 0; r < n; r++) {
        UNROLL for (int v = 0; v < part; v++) {
            vec_store(w->states + (size_t)r * (length + 2) + i + (size_t)v * LANES, sums[r][v]);
        }
    }
}

INLINE void weigh(const kernels_type type, const int n, const walk *w) {
    const int part = PART(CHUNK, n);
    const size_t length = w->tile->kv->head_length;
    size_t i = 0;
    for (; i + (size_t)part * LANES <= length; i += (size_t)part * LANES) {
        weigh_part(type, n, part, w, i);
    }
    for (; i + LANES <= length; i += LANES) {
        weigh_part(type, n, 1, w, i);
    }
    for (; i < length; i++) {
        for (int r = 0; r < n; r++) {
            float *sum = w->states + (size_t)r * (length + 2) + i;
            for (size_t t = w->from; t < w->end; t++) {
                const uint8_t *row = values_at(w->tile->kv, w->tile->start + t);
                const size_t place = t % KV_BLOCK * length + i;
                const float value = type == KERNELS_F16 ? half_to_float(load_u16(row + 2 * place))
                                                        : load_f32(row + 4 * place);
                *sum = fmaf(w->weights[(size_t)r * SPAN + t], value, *sum);
            }
        }
    }
}

INLINE size_t count_of(const tile *s, int query) {
    const size_t row = (s->first + (size_t)query) / s->queries->head_count;
    return span_count_of(s->queries, row, s->start);
}

/// The queries of a tile, one after the other; their states are made zero.
INLINE void begin_tile(const int n, const tile *s) {
    const kernels_queries *queries = s->queries;
    const size_t length = s->kv->head_length;
    for (int r = 0; r < n; r++) {
        const size_t row = (s->first + (size_t)r) / queries->head_count;
        const size_t head = (s->first + (size_t)r) % queries->head_count;
        const float *q = queries->rows + row * queries->row_stride + head * length;
        for (size_t i = 0; i < length; i++) {
            s->q[(size_t)r * length + i] = q[i];
        }
        clear_state(s->states + (size_t)r * (length + 2), length);
    }
}

INLINE void attend_tile(const kernels_type type, const int n, const tile *s) {
    const size_t length = s->kv->head_length;
    begin_tile(n, s);
    for (size_t block = 0; block < s->block_count; block++) {
        score_block(
            type, n, part_at(s, block), part_at(s, block + AHEAD), s->q, length,
            s->queries->scale, s->scores + block * KV_BLOCK);
    }
    for (int r = 0; r < n; r++) {
        const size_t count = count_of(s, r);
        float *state = s->states + (size_t)r * (length + 2);
        if (count > 0) {
            weights_of(s->scores + r * SPAN, count, state + length, state + length + 1);
        }
    }
    // The rows follow each other: the first query sees the fewest positions.
    const walk all = {
        .tile = s, .from = 0, .end = count_of(s, 0), .weights = s->scores, .states = s->states,
    };
    weigh(type, n, &all);
    for (int r = 0; r < n; r++) {
        const walk rest = {
            .tile = s, .from = all.end, .end = count_of(s, r),
            .weights = s->scores + r * SPAN, .states = s->states + (size_t)r * (length + 2),
        };
        if (rest.from < rest.end) {
            weigh(type, 1, &rest);
        }
    }
}

/// A tile of any number of queries, each number compiled by itself.
INLINE void attend_queries(const kernels_type type, const int n, const tile *s) {
    switch (n) {
    case 1: attend_tile(type, 1, s); break;
    case 2: attend_tile(type, 2, s); break;
    case 3: attend_tile(type, 3, s); break;
    case 4: attend_tile(type, 4, s); break;
    case 5: attend_tile(type, 5, s); break;
    default: attend_tile(type, TILE_QUERIES, s); break;
    }
}

TARGET static void attend_halves(const int n, const tile *s) {
    attend_queries(KERNELS_F16, n, s);
}

TARGET static void attend_floats(const int n, const tile *s) {
    attend_queries(KERNELS_F32, n, s);
}

TARGET void SET(attend)(
    const kernels_kv *kv, const kernels_queries *queries, size_t first_span, size_t span_count,
    float *scratch, float *states
) {
    const size_t length = kv->head_length, total = queries->row_count * queries->head_count;
    const size_t tile_count = (total + TILE_QUERIES - 1) / TILE_QUERIES;
    float *scores = scratch, *q = scores + TILE_QUERIES * SPAN;
    float *others = q + TILE_QUERIES * length;
    for (size_t span = first_span; span < first_span + span_count; span++) {
        const bool is_first = span == first_span;
        for (size_t index = 0; index < tile_count; index++) {
            const size_t first = total * index / tile_count;
            const size_t end = total * (index + 1) / tile_count;
            const size_t last_row = (end - 1) / queries->head_count;
            const size_t count = span_count_of(queries, last_row, span * SPAN);
            float *mine = states + first * (length + 2);
            const tile s = {
                .kv = kv, .queries = queries, .first = first, .start = span * SPAN,
                .block_count = (count + KV_BLOCK - 1) / KV_BLOCK,
                .q = q, .scores = scores, .states = is_first ? mine : others,
            };
            if (kv->type == KERNELS_F16) {
                attend_halves((int)(end - first), &s);
            } else {
                attend_floats((int)(end - first), &s);
            }
            for (size_t r = 0; !is_first && r < end - first; r++) {
                join_states(mine + r * (length + 2), others + r * (length + 2), length);
            }
        }
    }
}

TARGET void SET(join)(float *state, const float *other, size_t head_length) {
    join_states(state, other, head_length);
}

TARGET void SET(finish)(const float *state, size_t head_length, float *out) {
    finish_state(state, head_length, out);
}

TARGET void SET(store)(const float *x, size_t count, kernels_type type, bool is_key, void *out) {
    size_t i = 0;
    for (; type == KERNELS_F16 && i + LANES <= count; i += LANES) {
        uint16_t halves[LANES];
        vec_store_halves(halves, vec_load(x + i));
        UNROLL for (size_t lane = 0; lane < LANES; lane++) {
            ((uint16_t *)out)[element_place(i + lane, count, is_key)] = halves[lane];
        }
    }
    store_rest(x, i, count, type, is_key, out);
}
