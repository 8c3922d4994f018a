// A part of the template kernels_x86.h: sixteen rows side by side in 512-bit registers.

enum {
    LANES = 16,
    /// Columns of a tile: as many sums of products as keep the multiplier busy, and their results,
    /// of 32 registers.
    TILE = 12,
};

typedef uint32_t words __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

/// Where rows side by side begin, or have got to: every fourth row; the others lie one, two and
/// three strides behind. Six registers address all of them.
typedef struct row_starts {
    const uint8_t *starts[LANES / 4];
    size_t stride, three_strides;
} row_starts;

/// Sixteen bytes, `place` behind the start, of the rows j, 4 + j, 8 + j and 12 + j.
INLINE __m512i load_quarter(const row_starts *rows, const size_t j, const size_t place) {
    const size_t at = (j < 3 ? j * rows->stride : rows->three_strides) + place;
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows->starts[0] + at)));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[1] + at)), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[2] + at)), 2);
    return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(rows->starts[3] + at)), 3);
}

/// Word j of the sixteen bytes, `place` behind the start, of each row becomes a vector.
INLINE void load_words(const row_starts *rows, const size_t place, words out[4]) {
    const __m512i a = load_quarter(rows, 0, place), b = load_quarter(rows, 1, place);
    const __m512i c = load_quarter(rows, 2, place), d = load_quarter(rows, 3, place);
    const __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
    const __m512i ab_high = _mm512_unpackhi_epi32(a, b), cd_high = _mm512_unpackhi_epi32(c, d);
    out[0] = (words)_mm512_unpacklo_epi64(ab, cd);
    out[1] = (words)_mm512_unpackhi_epi64(ab, cd);
    out[2] = (words)_mm512_unpacklo_epi64(ab_high, cd_high);
    out[3] = (words)_mm512_unpackhi_epi64(ab_high, cd_high);
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

INLINE floats all_lanes(float x) {
    return (floats)_mm512_set1_ps(x);
}

INLINE floats multiply_add(floats a, floats b, floats c) {
    return (floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/// Writes the lanes from `first` on, or adds them to what is there.
INLINE void write_lanes(float *out, floats values, int first, bool accumulate) {
    const __mmask16 mask = (__mmask16)(0xFFFF << first);
    if (accumulate) {
        values += (floats)_mm512_maskz_loadu_ps(mask, out);
    }
    _mm512_mask_storeu_ps(out, mask, (__m512)values);
}
