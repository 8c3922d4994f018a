// A part of the template kernels_x86.h: eight rows side by side in 256-bit registers.

enum {
    LANES = 8,
    /// Columns of a tile: sums of products, results, weights and temporaries fill 16 registers.
    TILE = 4,
};

typedef uint32_t words __attribute__((vector_size(32)));
typedef int32_t integers __attribute__((vector_size(32)));
typedef float floats __attribute__((vector_size(32)));

/// Where rows side by side begin, or have got to: every fourth row; the others lie one, two and
/// three strides behind. Six registers address all of them.
typedef struct row_starts {
    const uint8_t *starts[LANES / 4];
    size_t stride, three_strides;
} row_starts;

/// Sixteen bytes, `place` behind the start, of the rows j and 4 + j.
INLINE __m256i load_quarter(const row_starts *rows, const size_t j, const size_t place) {
    const size_t at = (j < 3 ? j * rows->stride : rows->three_strides) + place;
    return _mm256_setr_m128i(
        _mm_loadu_si128((const __m128i *)(rows->starts[0] + at)),
        _mm_loadu_si128((const __m128i *)(rows->starts[1] + at)));
}

/// Word j of the sixteen bytes, `place` behind the start, of each row becomes a vector.
INLINE void load_words(const row_starts *rows, const size_t place, words out[4]) {
    const __m256i a = load_quarter(rows, 0, place), b = load_quarter(rows, 1, place);
    const __m256i c = load_quarter(rows, 2, place), d = load_quarter(rows, 3, place);
    const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
    const __m256i ab_high = _mm256_unpackhi_epi32(a, b), cd_high = _mm256_unpackhi_epi32(c, d);
    out[0] = (words)_mm256_unpacklo_epi64(ab, cd);
    out[1] = (words)_mm256_unpackhi_epi64(ab, cd);
    out[2] = (words)_mm256_unpacklo_epi64(ab_high, cd_high);
    out[3] = (words)_mm256_unpackhi_epi64(ab_high, cd_high);
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

INLINE floats all_lanes(float x) {
    return (floats)_mm256_set1_ps(x);
}

INLINE floats multiply_add(floats a, floats b, floats c) {
    return (floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

/// Writes the lanes from `first` on, or adds them to what is there.
INLINE void write_lanes(float *out, floats values, int first, bool accumulate) {
    float stored[LANES];
    memcpy(stored, &values, sizeof stored);
    for (int lane = first; lane < LANES; lane++) {
        out[lane] = accumulate ? out[lane] + stored[lane] : stored[lane];
    }
}
