// A part of the template kernels_x86.h: rows side by side, a lane a row; what both widths of
// registers share. Each width adds its products and how it loads and writes.

typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));
typedef float floats __attribute__((vector_size(4 * LANES)));

/// Where rows side by side begin, or have got to: every fourth row; the others lie one, two and
/// three strides behind. Six registers address all of them.
///
/// Of interleaved rows only the first start counts.
typedef struct row_starts {
    const uint8_t *starts[LANES / 4];
    size_t stride, three_strides;
    bool is_interleaved;
} row_starts;

/// The place of the rows j, 4 + j, … from every fourth row on.
INLINE size_t row_offset(const row_starts *rows, const size_t j) {
    return j < 3 ? j * rows->stride : rows->three_strides;
}

#if VNNI
#include "kernels_avx512_lanes.h"
#else
#include "kernels_avx2_lanes.h"
#endif

/// Word j of the sixteen bytes, `place` behind the start, of each row becomes a vector.
INLINE void load_words(const row_starts *rows, const size_t place, words out[4]) {
    if (rows->is_interleaved) {
        UNROLL for (size_t j = 0; j < 4; j++) {
            memcpy(out + j, rows->starts[0] + place * LANES + j * sizeof(words), sizeof(words));
        }
        return;
    }
    const vector a = load_quarter(rows, 0, place), b = load_quarter(rows, 1, place);
    const vector c = load_quarter(rows, 2, place), d = load_quarter(rows, 3, place);
    const vector ab = WIDE(unpacklo_epi32)(a, b), cd = WIDE(unpacklo_epi32)(c, d);
    const vector ab_high = WIDE(unpackhi_epi32)(a, b), cd_high = WIDE(unpackhi_epi32)(c, d);
    out[0] = (words)WIDE(unpacklo_epi64)(ab, cd);
    out[1] = (words)WIDE(unpackhi_epi64)(ab, cd);
    out[2] = (words)WIDE(unpacklo_epi64)(ab_high, cd_high);
    out[3] = (words)WIDE(unpackhi_epi64)(ab_high, cd_high);
}

INLINE floats all_lanes(float x) {
    return (floats)WIDE(set1_ps)(x);
}

INLINE floats multiply_add(floats a, floats b, floats c) {
    return (floats)WIDE(fmadd_ps)((float_vector)a, (float_vector)b, (float_vector)c);
}
