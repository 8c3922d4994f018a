// The encoder's kernels as a template: included once by each file that defines
//
//   TARGET   the target attribute of every function, or nothing
//   TABLE    the name of the table
//
// Eight lanes are written as one vector of eight floats, which every compiler lowers to what the
// target has; all operations on it are elementwise, so the bits are the same whatever that is.

#include "kernels_encoder_tables.h"
#include "kernels_math.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float lanes8 __attribute__((vector_size(32)));
typedef int32_t words8 __attribute__((vector_size(32)));

#define SPLAT(x) ((lanes8){x, x, x, x, x, x, x, x})

INLINE void load8(const float *p, lanes8 *out) {
    memcpy(out, p, sizeof *out);
}

INLINE void store8(const lanes8 *x, float *p) {
    memcpy(p, x, sizeof *x);
}

/// *sum = a * b + *sum, rounded once.
INLINE void multiply_add8(const lanes8 *a, const lanes8 *b, lanes8 *sum) {
#if defined(__clang__)
    *sum = __builtin_elementwise_fma(*a, *b, *sum);
#else
    for (int i = 0; i < LANE_COUNT; i++) {
        (*sum)[i] = __builtin_fmaf((*a)[i], (*b)[i], (*sum)[i]);
    }
#endif
}

/// The elements of `a` where `mask` has all bits set, else those of `b`.
INLINE void choose8(const words8 *mask, const lanes8 *a, const lanes8 *b, lanes8 *out) {
    *out = (lanes8)((*mask & (words8)*a) | (~*mask & (words8)*b));
}

INLINE float fold8(const lanes8 *x) {
    float stored[LANE_COUNT];
    store8(x, stored);
    return fold_lanes(stored);
}

/// x = exp(x), as exp_f32 computes it.
INLINE void exp8(lanes8 *x) {
    const lanes8 lowest = SPLAT(EXP_MIN), highest = SPLAT(EXP_MAX), log2e = SPLAT(EXP_LOG2E);
    const lanes8 rounder = SPLAT(EXP_ROUNDER);
    const lanes8 minus_high = SPLAT(-EXP_LN2_HIGH), minus_low = SPLAT(-EXP_LN2_LOW);
    // A NaN becomes the lowest, as in exp_f32.
    words8 mask = *x > lowest;
    choose8(&mask, x, &lowest, x);
    mask = *x < highest;
    choose8(&mask, x, &highest, x);
    lanes8 t = rounder;
    multiply_add8(x, &log2e, &t);
    const lanes8 n = t - rounder;
    lanes8 r = *x;
    multiply_add8(&n, &minus_high, &r);
    multiply_add8(&n, &minus_low, &r);
    const float rest[] = {EXP_C6, EXP_C5, EXP_C4, EXP_C3, EXP_C2, 1.0f, 1.0f};
    lanes8 p = SPLAT(EXP_C7);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        lanes8 next = SPLAT(rest[i]);
        multiply_add8(&p, &r, &next);
        p = next;
    }
    const words8 power = (words8)t - (words8)rounder + 127;
    *x = p * (lanes8)(power << 23);
}

/// Φ(x) = erfc(-x / √2) / 2, with erfc(u) = exp(-u P(u)) for u >= 0: P is smooth, so that a
/// polynomial of degree 9, fitted on 0 … 6, leaves 3e-8 in erfc, and both tails keep their
/// relative precision. Behind 6 lies nothing that a float beside 1 could show.
static const float erfc_terms[10] = {
    0x1.20dd94p+0f, 0x1.45ee9ap-1f, 0x1.a5c40ep-4f, -0x1.422346p-6f, 0x1.1eac8cp-11f,
    0x1.267196p-10f, -0x1.a7e9c6p-12f, 0x1.2800acp-14f, -0x1.af0a3ep-18f, 0x1.03f63ep-22f,
};

INLINE void gelu8(lanes8 *x) {
    const lanes8 zero = SPLAT(0.0f), most = SPLAT(6.0f);
    lanes8 u = (lanes8)((words8)*x & 0x7FFFFFFF) * 0x1.6a09e6p-1f;
    words8 mask = u < most;
    choose8(&mask, &u, &most, &u);
    lanes8 p = SPLAT(erfc_terms[9]);
    for (int i = 8; i >= 0; i--) {
        lanes8 next = SPLAT(erfc_terms[i]);
        multiply_add8(&p, &u, &next);
        p = next;
    }
    lanes8 tail = -(u * p);
    exp8(&tail);
    tail = tail * 0.5f;
    const lanes8 other = 1.0f - tail;
    lanes8 share;
    mask = *x >= zero;
    choose8(&mask, &other, &tail, &share);
    *x = *x * share;
}

TARGET static void add(const float *y, size_t count, float *x) {
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] + y[i];
    }
}

TARGET static void normalise_layer(
    const float *x, const float *weight, const float *bias, size_t count, float epsilon, float *out
) {
    const size_t whole = count / LANE_COUNT * LANE_COUNT;
    lanes8 sums = {0}, squares = {0}, part;
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        load8(x + i, &part);
        sums = sums + part;
    }
    float stored[LANE_COUNT];
    store8(&sums, stored);
    for (size_t i = whole; i < count; i++) {
        stored[i - whole] += x[i];
    }
    const float mean = fold_lanes(stored) / (float)count;
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        load8(x + i, &part);
        const lanes8 distance = part - mean;
        multiply_add8(&distance, &distance, &squares);
    }
    store8(&squares, stored);
    for (size_t i = whole; i < count; i++) {
        const float distance = x[i] - mean;
        stored[i - whole] = fmaf(distance, distance, stored[i - whole]);
    }
    const float scale = 1.0f / sqrtf(fold_lanes(stored) / (float)count + epsilon);
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        lanes8 factor, result;
        load8(x + i, &part);
        load8(weight + i, &factor);
        load8(bias + i, &result);
        part = (part - mean) * scale;
        multiply_add8(&part, &factor, &result);
        store8(&result, out + i);
    }
    for (size_t i = whole; i < count; i++) {
        out[i] = fmaf((x[i] - mean) * scale, weight[i], bias[i]);
    }
}

TARGET static void gelu(size_t count, float *x) {
    lanes8 part;
    size_t i = 0;
    for (; i + LANE_COUNT <= count; i += LANE_COUNT) {
        load8(x + i, &part);
        gelu8(&part);
        store8(&part, x + i);
    }
    if (i < count) {
        float stored[LANE_COUNT] = {0};
        memcpy(stored, x + i, (count - i) * sizeof *x);
        load8(stored, &part);
        gelu8(&part);
        store8(&part, stored);
        memcpy(x + i, stored, (count - i) * sizeof *x);
    }
}

INLINE float dot_floats(const float *q, const float *key, size_t count) {
    const size_t whole = count / LANE_COUNT * LANE_COUNT;
    lanes8 sums = {0}, a, b;
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        load8(q + i, &a);
        load8(key + i, &b);
        multiply_add8(&a, &b, &sums);
    }
    if (whole == count) {
        return fold8(&sums);
    }
    float stored[LANE_COUNT];
    store8(&sums, stored);
    for (size_t i = whole; i < count; i++) {
        stored[i - whole] = fmaf(q[i], key[i], stored[i - whole]);
    }
    return fold_lanes(stored);
}

/// scores = exp(scores - highest); returns 1 / their sum, lane = position mod 8.
INLINE float weights8(float *scores, size_t count, float highest) {
    lanes8 sums = {0}, part;
    size_t t = 0;
    for (; t + LANE_COUNT <= count; t += LANE_COUNT) {
        load8(scores + t, &part);
        part = part - highest;
        exp8(&part);
        store8(&part, scores + t);
        sums = sums + part;
    }
    float stored[LANE_COUNT];
    store8(&sums, stored);
    for (; t < count; t++) {
        scores[t] = exp_f32(scores[t] - highest);
        stored[t % LANE_COUNT] += scores[t];
    }
    return 1.0f / fold_lanes(stored);
}

/// out[0 ..< 8 * width] = Σ scores[t] * values[t], each element one chain over t.
INLINE void weigh(
    const float *scores, const float *values, size_t count, size_t stride, const int width,
    float inverse, float *out
) {
    lanes8 sums[4] = {{0}}, value;
    for (size_t t = 0; t < count; t++, values += stride) {
        const lanes8 score = SPLAT(scores[t]);
        for (int i = 0; i < width; i++) {
            load8(values + 8 * i, &value);
            multiply_add8(&score, &value, &sums[i]);
        }
    }
    for (int i = 0; i < width; i++) {
        const lanes8 result = sums[i] * inverse;
        store8(&result, out + 8 * i);
    }
}

TARGET static void attend_all(
    const float *q, const float *keys, const float *values, size_t count, size_t stride,
    size_t head_length, float scale, float *scores, float *out
) {
    float highest = -INFINITY;
    for (size_t t = 0; t < count; t++) {
        scores[t] = dot_floats(q, keys + t * stride, head_length) * scale;
        highest = scores[t] > highest ? scores[t] : highest;
    }
    const float inverse = weights8(scores, count, highest);
    size_t i = 0;
    for (; i + 32 <= head_length; i += 32) {
        weigh(scores, values + i, count, stride, 4, inverse, out + i);
    }
    for (; i + 8 <= head_length; i += 8) {
        weigh(scores, values + i, count, stride, 1, inverse, out + i);
    }
    for (; i < head_length; i++) {
        float sum = 0;
        for (size_t t = 0; t < count; t++) {
            sum = fmaf(scores[t], values[t * stride + i], sum);
        }
        out[i] = sum * inverse;
    }
}

const kernels_encoder_table TABLE = {
    .add = add,
    .normalise_layer = normalise_layer,
    .gelu = gelu,
    .attend_all = attend_all,
};
