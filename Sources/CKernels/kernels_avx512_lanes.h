// A part of kernels_x86_lanes.h: sixteen rows side by side in 512-bit registers.

typedef __m512i vector;
typedef __m512 float_vector;
#define WIDE(name) _mm512_##name

/// Sixteen bytes, `place` behind the start, of the rows j, 4 + j, 8 + j and 12 + j.
INLINE vector load_quarter(const row_starts *rows, const size_t j, const size_t place) {
    const size_t at = row_offset(rows, j) + place;
    vector x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows->starts[0] + at)));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[1] + at)), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[2] + at)), 2);
    return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[3] + at)), 3);
}

/// sum + Σ a·b over the four bytes of each lane, a unsigned, b the same signed four for all.
INLINE integers dot(integers sum, words a, uint32_t b) {
    return (integers)_mm512_dpbusd_epi32(
        (__m512i)sum, (__m512i)a, _mm512_set1_epi32((int)b));
}

/// sum + Σ a·b over the two signed halves of each lane, b the same two for all.
INLINE integers dot_pairs(integers sum, words a, uint32_t b) {
    return (integers)_mm512_dpwssd_epi32(
        (__m512i)sum, (__m512i)a, _mm512_set1_epi32((int)b));
}

/// The half-precision number in the low half of each lane.
INLINE floats halves(words x) {
    return (floats)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)x));
}

/// A half-precision number for each lane.
INLINE floats load_halves_of_lanes(const uint8_t *p) {
    return (floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/// Writes the lanes `first` ..< `end`, or adds them to what is there.
INLINE void write_lanes(float *out, floats values, int first, int end, bool accumulate) {
    const __mmask16 mask = (__mmask16)(0xFFFF << first & 0xFFFF >> (LANES - end));
    if (accumulate) {
        values += (floats)_mm512_maskz_loadu_ps(mask, out);
    }
    _mm512_mask_storeu_ps(out, mask, (__m512)values);
}
