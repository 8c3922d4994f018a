// A part of the template kernels_x86.h: the kernels that work on one row, each operation by
// operation its reference.

TARGET static void quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums
) {
    const size_t block_count = count / BLOCK_LENGTH;
    size_t block = 0;
    for (; block < block_count; block++, x += BLOCK_LENGTH, quants += BLOCK_LENGTH) {
        __m256 parts[4];
        __m256i magnitude = _mm256_setzero_si256();
        UNROLL for (int i = 0; i < 4; i++) {
            parts[i] = _mm256_loadu_ps(x + 8 * i);
            // As integers, magnitudes order like floats, with infinity and NaN on top.
            magnitude = _mm256_max_epi32(
                magnitude,
                _mm256_and_si256(_mm256_castps_si256(parts[i]), _mm256_set1_epi32(0x7FFFFFFF)));
        }
        __m128i most = _mm_max_epi32(
            _mm256_castsi256_si128(magnitude), _mm256_extracti128_si256(magnitude, 1));
        most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
        most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1));
        float factor;
        const float scale = block_scale((uint32_t)_mm_cvtsi128_si32(most), &factor);
        __m256i integers[4], sum = _mm256_setzero_si256();
        UNROLL for (int i = 0; i < 4; i++) {
            integers[i] = _mm256_cvtps_epi32(_mm256_mul_ps(parts[i], _mm256_set1_ps(factor)));
            if (scale != scale) {
                integers[i] = _mm256_setzero_si256();
            }
            sum = _mm256_add_epi32(sum, integers[i]);
        }
        __m128i total = _mm_add_epi32(
            _mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4E));
        total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0xB1));
        const __m256i bytes = _mm256_packs_epi16(
            _mm256_packs_epi32(integers[0], integers[1]),
            _mm256_packs_epi32(integers[2], integers[3]));
        // Packing works in each half alone; this puts the groups of four back in order.
        _mm256_storeu_si256(
            (__m256i *)quants,
            _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
        scales[block] = round_to_half(scale);
        sums[block] = round_to_half(scale * (float)_mm_cvtsi128_si32(total));
    }
    for (; block % LANE_COUNT != 0; block++) {
        scales[block] = 0;
        sums[block] = 0;
    }
}

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
