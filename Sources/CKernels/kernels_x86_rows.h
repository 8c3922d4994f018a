// A part of the template kernels_x86.h: the kernels that work on one row, each operation by
// operation its reference.

TARGET static void normalise(
    const float *x, const float *weight, size_t count, float epsilon, float *out
) {
    const size_t whole = count / LANE_COUNT * LANE_COUNT;
    __m256 lanes = _mm256_setzero_ps();
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        const __m256 part = _mm256_loadu_ps(x + i);
        lanes = _mm256_fmadd_ps(part, part, lanes);
    }
    const float sum = fold_with_tail(lanes, x + whole, x + whole, count - whole);
    const float scale = 1.0f / sqrtf(sum / (float)count + epsilon);
    const __m256 scales = _mm256_set1_ps(scale);
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        const __m256 part = _mm256_mul_ps(_mm256_loadu_ps(x + i), scales);
        _mm256_storeu_ps(out + i, _mm256_mul_ps(part, _mm256_loadu_ps(weight + i)));
    }
    for (size_t i = whole; i < count; i++) {
        out[i] = x[i] * scale * weight[i];
    }
}

TARGET static void rotate(
    float *x, size_t head_count, size_t head_length, const float *angles, size_t pair_count
) {
    const size_t whole = 2 * pair_count / LANE_COUNT * LANE_COUNT;
    const float *cosines = angles, *sines = angles + 2 * pair_count;
    for (size_t head = 0; head < head_count; head++, x += head_length) {
        for (size_t i = 0; i < whole; i += LANE_COUNT) {
            const __m256 part = _mm256_loadu_ps(x + i);
            const __m256 crossed = _mm256_mul_ps(
                _mm256_permute_ps(part, 0xB1), _mm256_loadu_ps(sines + i));
            _mm256_storeu_ps(
                x + i, _mm256_fmaddsub_ps(part, _mm256_loadu_ps(cosines + i), crossed));
        }
        for (size_t i = whole; i < 2 * pair_count; i += 2) {
            const float even = x[i], odd = x[i + 1];
            x[i] = fmaf(even, cosines[i], -(odd * sines[i]));
            x[i + 1] = fmaf(odd, cosines[i], even * sines[i]);
        }
    }
}

/// `exp_f32` on eight lanes, operation by operation.
INLINE __m256 exp_lanes(__m256 x) {
    x = _mm256_max_ps(x, _mm256_set1_ps(EXP_MIN));
    x = _mm256_min_ps(x, _mm256_set1_ps(EXP_MAX));
    const __m256 rounder = _mm256_set1_ps(EXP_ROUNDER);
    const __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(EXP_LOG2E), rounder);
    const __m256 n = _mm256_sub_ps(t, rounder);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(EXP_LN2_HIGH), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(EXP_LN2_LOW), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(EXP_C7), r, _mm256_set1_ps(EXP_C6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(EXP_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    const __m256i power = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_castps_si256(rounder));
    const __m256i scale = _mm256_slli_epi32(_mm256_add_epi32(power, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(scale));
}

TARGET static void gate(const float *gate, const float *up, size_t count, float *out) {
    const size_t whole = count / LANE_COUNT * LANE_COUNT;
    const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        const __m256 x = _mm256_loadu_ps(gate + i);
        const __m256 power = exp_lanes(_mm256_xor_ps(x, sign));
        const __m256 silu = _mm256_div_ps(x, _mm256_add_ps(one, power));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
    for (size_t i = whole; i < count; i++) {
        out[i] = silu_times(gate[i], up[i]);
    }
}
