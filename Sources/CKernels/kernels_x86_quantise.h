// A part of the template kernels_x86.h: `quantise` and `quantise_superblocks`, operation by
// operation their references.

/// As integers, magnitudes order like floats, with infinity and NaN on top.
INLINE __m256i magnitude_bits(__m256 x) {
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7FFFFFFF));
}

INLINE uint32_t largest(__m256i x) {
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4E));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(most);
}

INLINE __m256i pack_quants(const __m256i integers[4]) {
    const __m256i bytes = _mm256_packs_epi16(
        _mm256_packs_epi32(integers[0], integers[1]), _mm256_packs_epi32(integers[2], integers[3]));
    // Packing works in each half alone; this puts the groups of four back in order.
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

TARGET static void quantise(
    const float *x, size_t count, int8_t *quants, float *scales, float *sums,
    int32_t *negative_totals
) {
    const size_t block_count = count / BLOCK_LENGTH;
    for (size_t block = 0; block < block_count; block++) {
        __m256 parts[4];
        __m256i magnitude = _mm256_setzero_si256();
        UNROLL for (int i = 0; i < 4; i++) {
            parts[i] = _mm256_loadu_ps(x + 8 * i);
            magnitude = _mm256_max_epi32(magnitude, magnitude_bits(parts[i]));
        }
        float factor;
        const float scale = block_scale(largest(magnitude), &factor);
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
        _mm256_storeu_si256((__m256i *)quants, pack_quants(integers));
        scales[block] = round_to_half(scale);
        sums[block] = round_to_half(scale * (float)_mm_cvtsi128_si32(total));
        negative_totals[block] = -_mm_cvtsi128_si32(total);
        x += BLOCK_LENGTH;
        quants += BLOCK_LENGTH;
    }
}

/// The first element of a block of 256 with the largest magnitude.
INLINE float find_extreme(const float *x) {
    __m256i magnitude = _mm256_setzero_si256();
    for (size_t i = 0; i < SUPERBLOCK_LENGTH; i += 8) {
        magnitude = _mm256_max_epi32(magnitude, magnitude_bits(_mm256_loadu_ps(x + i)));
    }
    const __m256i most = _mm256_set1_epi32((int)largest(magnitude));
    for (size_t i = 0; i < SUPERBLOCK_LENGTH; i += 8) {
        const __m256i found = _mm256_cmpeq_epi32(magnitude_bits(_mm256_loadu_ps(x + i)), most);
        const int mask = _mm256_movemask_ps(_mm256_castsi256_ps(found));
        if (mask != 0) {
            return x[i + (size_t)__builtin_ctz((unsigned)mask)];
        }
    }
    return 0;
}

TARGET static void quantise_superblocks(
    const float *x, size_t count, int8_t *quants, float *scales, int16_t *sums
) {
    for (size_t block = 0; block < count / SUPERBLOCK_LENGTH; block++) {
        const float factor = superblock_factor(find_extreme(x), &scales[block]);
        for (size_t i = 0; i < SUPERBLOCK_LENGTH; i += 32, x += 32, quants += 32) {
            __m256i integers[4];
            UNROLL for (int k = 0; k < 4; k++) {
                integers[k] = _mm256_cvtps_epi32(
                    _mm256_mul_ps(_mm256_loadu_ps(x + 8 * k), _mm256_set1_ps(factor)));
                if (factor == 0) {
                    integers[k] = _mm256_setzero_si256();
                }
            }
            const __m256i bytes = pack_quants(integers);
            _mm256_storeu_si256((__m256i *)quants, bytes);
            // Sums of eight bytes that are 128 too large, then of sixteen.
            const __m256i eights = _mm256_sad_epu8(
                _mm256_xor_si256(bytes, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
            const __m256i pairs = _mm256_add_epi64(eights, _mm256_shuffle_epi32(eights, 0x4E));
            const int low = _mm256_extract_epi32(pairs, 0) - 16 * 128;
            const int high = _mm256_extract_epi32(pairs, 4) - 16 * 128;
            sums[i / 16] = (int16_t)low;
            sums[i / 16 + 1] = (int16_t)high;
            sums[16 + i / 32] = (int16_t)(low + high);
        }
        sums += SUPERBLOCK_SUM_COUNT;
    }
}
