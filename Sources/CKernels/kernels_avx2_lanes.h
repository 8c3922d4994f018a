// A part of kernels_x86_lanes.h: eight rows side by side in 256-bit registers.

typedef __m256i vector;
typedef __m256 float_vector;
#define WIDE(name) _mm256_##name

/// Sixteen bytes, `place` behind the start, of the rows j and 4 + j.
INLINE vector load_quarter(const row_starts *rows, const size_t j, const size_t place) {
    const size_t at = row_offset(rows, j) + place;
    return _mm256_setr_m128i(
        _mm_loadu_si128((const __m128i *)(rows->starts[0] + at)),
        _mm_loadu_si128((const __m128i *)(rows->starts[1] + at)));
}

/// sum + Σ a·b over the four bytes of each lane, a unsigned, b the same signed four for all;
/// a·b + a'·b' of neighbours fits int16.
INLINE integers dot(integers sum, words a, uint32_t b) {
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)a, _mm256_set1_epi32((int)b));
    return sum + (integers)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/// The same for signed a. They hand their sign to b, which is never -128: the products of two
/// neighbours are at most 2 * 128 * 127 = 32512, which fits.
INLINE integers dot_signed(integers sum, words a, uint32_t b) {
    const __m256i signs = (__m256i)a, x = _mm256_set1_epi32((int)b);
    const __m256i pairs = _mm256_maddubs_epi16(
        _mm256_abs_epi8(signs), _mm256_sign_epi8(x, signs));
    return sum + (integers)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/// sum + Σ a·b over the two signed halves of each lane, b the same two for all.
INLINE integers dot_pairs(integers sum, words a, uint32_t b) {
    return sum + (integers)_mm256_madd_epi16((__m256i)a, _mm256_set1_epi32((int)b));
}

/// The half-precision number in the low half of each lane.
INLINE floats halves(words x) {
    const __m256i low = (__m256i)(x & 0xFFFF);
    return (floats)_mm256_cvtph_ps(_mm_packus_epi32(
        _mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

/// A half-precision number for each lane.
INLINE floats load_halves_of_lanes(const uint8_t *p) {
    return (floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/// Writes the lanes `first` ..< `end`, or adds them to what is there.
INLINE void write_lanes(float *out, floats values, int first, int end, bool accumulate) {
    float stored[LANES];
    memcpy(stored, &values, sizeof stored);
    for (int lane = first; lane < end; lane++) {
        out[lane] = accumulate ? out[lane] + stored[lane] : stored[lane];
    }
}
