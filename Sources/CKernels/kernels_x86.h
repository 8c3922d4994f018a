// The x86-64 kernels as a template: included once by each file that defines
//
//   TARGET        the target attribute of every function
//   TABLE, ISA, SET_NAME   the name and the kind of the table, the name of its attention
//   LANES         the rows of quantised weights that go side by side
//   TILE          the columns of their tile
//   TILE_ROWS, TILE_COLUMNS   the register tile of float weights
//   TILE_ROWS_MAX   the rows of its tile for a single activation row
//   VNNI          1 when the set has the products of bytes and words of AVX-512 VNNI, else 0

#include "kernels_attend.h"
#include "kernels_reference.h"
#include "kernels_reference_quantise.h"
#include "kernels_tables.h"

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE float fold(__m256 lanes) {
    const __m128 a = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/// Adds the last `count` < 8 products of a float row to their lanes, then folds.
INLINE float fold_with_tail(__m256 lanes, const float *x, const float *y, size_t count) {
    float stored[LANE_COUNT];
    _mm256_storeu_ps(stored, lanes);
    for (size_t i = 0; i < count; i++) {
        stored[i] = fmaf(x[i], y[i], stored[i]);
    }
    return fold_lanes(stored);
}

INLINE __m256 load_halves(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

#include "kernels_x86_quantise.h"
#include "kernels_x86_rows.h"
#include "kernels_rotate.h"

// In the order in which they use each other.
#include "kernels_x86_lanes.h"
#include "kernels_x86_tile.h"
#include "kernels_x86_floats.h"
#include "kernels_x86_blocks.h"
#include "kernels_x86_superblocks.h"
#include "kernels_x86_multiply.h"

const kernels_table TABLE = {
    .isa = ISA,
    .interleave = LANES,
    .quantise = quantise,
    .quantise_superblocks = quantise_superblocks,
    .multiply = multiply,
    .normalise = normalise,
    .rotate = rotate,
    .rotate_halves = rotate_halves,
    .gate = gate,
    ATTENTION(SET_NAME),
};
