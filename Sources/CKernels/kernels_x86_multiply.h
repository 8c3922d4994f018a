// A part of the template kernels_x86.h: products of weights and activations.
//
// `multiply` goes through tiles of rows × columns whose accumulators stay in registers. Eight
// blocks at a time, the factors of all blocks and the minima are computed as vectors; then
// each block of a weight row is unpacked once and multiplied with all columns.

INLINE uint32_t load_word(const void *p) {
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

INLINE size_t block_bytes(const kernels_type type) {
    return type == KERNELS_Q8_0 ? 34 : type == KERNELS_Q4_0 ? 18 : 20;
}

/// The scales (and, of Q4_1, the minima) of up to eight blocks; zero behind the last.
INLINE void load_scales(
    const kernels_type type, const uint8_t *block, size_t count, __m256 *scales, __m256 *minima
) {
    const size_t stride = block_bytes(type);
    // Each word holds the two halves with which a block starts; only Q4_1 means the second.
    __m128i low, high;
    if (count == 8) {
        low = _mm_cvtsi32_si128((int)load_word(block));
        low = _mm_insert_epi32(low, (int)load_word(block + stride), 1);
        low = _mm_insert_epi32(low, (int)load_word(block + 2 * stride), 2);
        low = _mm_insert_epi32(low, (int)load_word(block + 3 * stride), 3);
        high = _mm_cvtsi32_si128((int)load_word(block + 4 * stride));
        high = _mm_insert_epi32(high, (int)load_word(block + 5 * stride), 1);
        high = _mm_insert_epi32(high, (int)load_word(block + 6 * stride), 2);
        high = _mm_insert_epi32(high, (int)load_word(block + 7 * stride), 3);
    } else {
        uint32_t words[8] = {0};
        for (size_t i = 0; i < count; i++) {
            words[i] = load_word(block + i * stride);
        }
        low = _mm_loadu_si128((const __m128i *)words);
        high = _mm_loadu_si128((const __m128i *)(words + 4));
    }
    const __m128i mask = _mm_set1_epi32(0xFFFF);
    *scales = _mm256_cvtph_ps(
        _mm_packus_epi32(_mm_and_si128(low, mask), _mm_and_si128(high, mask)));
    if (type == KERNELS_Q4_1) {
        *minima = _mm256_cvtph_ps(
            _mm_packus_epi32(_mm_srli_epi32(low, 16), _mm_srli_epi32(high, 16)));
    }
}

/// The 32 quants of a block in element order; signed but for Q4_1.
INLINE __m256i unpack(const kernels_type type, const uint8_t *block) {
    if (type == KERNELS_Q8_0) {
        return _mm256_loadu_si256((const __m256i *)(block + 2));
    }
    const __m128i pairs = _mm_loadu_si128(
        (const __m128i *)(block + (type == KERNELS_Q4_0 ? 2 : 4)));
    const __m256i both = _mm256_inserti128_si256(
        _mm256_castsi128_si256(pairs), _mm_srli_epi16(pairs, 4), 1);
    const __m256i quants = _mm256_and_si256(both, _mm256_set1_epi8(15));
    return type == KERNELS_Q4_0 ? _mm256_sub_epi8(quants, _mm256_set1_epi8(8)) : quants;
}

/// The exact int32 lane sums of one block. Signed weights hand their sign to the activations,
/// which are never -128.
INLINE __m256 dot_block(
    const kernels_type type, __m256i weights, __m256i magnitudes, __m256i quants
) {
    const __m256i sums =
        type == KERNELS_Q4_1
            ? DOT(weights, quants)
            : DOT(magnitudes, _mm256_sign_epi8(quants, weights));
    return _mm256_cvtepi32_ps(sums);
}

/// What a tile reads and writes.
typedef struct span {
    const uint8_t *rows;
    size_t row_byte_count, block_count, length;
    const int8_t *quants;
    const float *scales, *sums, *floats;
    size_t block_stride;
    float *out;
    size_t out_stride;
    bool accumulate;
} span;

INLINE void write_result(const span *s, int row, int column, float value) {
    float *place = s->out + (size_t)column * s->out_stride + row;
    *place = s->accumulate ? *place + value : value;
}

INLINE void quantised_tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    const size_t stride = block_bytes(type);
    __m256 lanes[TILE_ROWS_MAX][TILE_COLUMNS];
    __m256 minima_lanes[TILE_ROWS_MAX][TILE_COLUMNS];
    UNROLL for (int r = 0; r < row_count; r++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            lanes[r][c] = minima_lanes[r][c] = _mm256_setzero_ps();
        }
    }
    for (size_t first = 0; first < s->block_count; first += 8) {
        const size_t left = s->block_count - first, count = left < 8 ? left : 8;
        _Alignas(32) float factors[TILE_ROWS_MAX][TILE_COLUMNS][8];
        UNROLL for (int r = 0; r < row_count; r++) {
            __m256 scales, minima = _mm256_setzero_ps();
            load_scales(
                type, s->rows + (size_t)r * s->row_byte_count + first * stride, count, &scales,
                &minima);
            UNROLL for (int c = 0; c < column_count; c++) {
                const size_t offset = (size_t)c * s->block_stride + first;
                _mm256_store_ps(
                    factors[r][c], _mm256_mul_ps(scales, _mm256_loadu_ps(s->scales + offset)));
                if (type == KERNELS_Q4_1) {
                    minima_lanes[r][c] = _mm256_fmadd_ps(
                        minima, _mm256_loadu_ps(s->sums + offset), minima_lanes[r][c]);
                }
            }
        }
        for (size_t k = 0; k < count; k++) {
            const size_t block = first + k;
            __m256i weights[TILE_ROWS_MAX], magnitudes[TILE_ROWS_MAX];
            UNROLL for (int r = 0; r < row_count; r++) {
                weights[r] = unpack(
                    type, s->rows + (size_t)r * s->row_byte_count + block * stride);
                magnitudes[r] = _mm256_abs_epi8(weights[r]);
            }
            UNROLL for (int c = 0; c < column_count; c++) {
                const __m256i quants = _mm256_loadu_si256(
                    (const __m256i *)(s->quants + (size_t)c * s->length + block * BLOCK_LENGTH));
                UNROLL for (int r = 0; r < row_count; r++) {
                    lanes[r][c] = _mm256_fmadd_ps(
                        dot_block(type, weights[r], magnitudes[r], quants),
                        _mm256_broadcast_ss(&factors[r][c][k]), lanes[r][c]);
                }
            }
        }
    }
    UNROLL for (int r = 0; r < row_count; r++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            const float sum = fold(lanes[r][c]);
            write_result(
                s, r, c, type == KERNELS_Q4_1 ? sum + fold(minima_lanes[r][c]) : sum);
        }
    }
}

INLINE __m256 load_weights(const kernels_type type, const uint8_t *row, size_t i) {
    return type == KERNELS_F32 ? _mm256_loadu_ps((const float *)(row + 4 * i))
                               : load_halves(row + 2 * i);
}

INLINE void float_tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    __m256 lanes[TILE_ROWS_MAX][TILE_COLUMNS];
    UNROLL for (int r = 0; r < row_count; r++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            lanes[r][c] = _mm256_setzero_ps();
        }
    }
    const size_t whole = s->length / LANE_COUNT * LANE_COUNT, tail = s->length - whole;
    for (size_t i = 0; i < whole; i += LANE_COUNT) {
        __m256 weights[TILE_ROWS_MAX];
        UNROLL for (int r = 0; r < row_count; r++) {
            weights[r] = load_weights(type, s->rows + (size_t)r * s->row_byte_count, i);
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const __m256 x = _mm256_loadu_ps(s->floats + (size_t)c * s->length + i);
            UNROLL for (int r = 0; r < row_count; r++) {
                lanes[r][c] = _mm256_fmadd_ps(weights[r], x, lanes[r][c]);
            }
        }
    }
    UNROLL for (int r = 0; r < row_count; r++) {
        const uint8_t *row = s->rows + (size_t)r * s->row_byte_count;
        float weights[LANE_COUNT];
        for (size_t i = 0; i < tail; i++) {
            weights[i] = type == KERNELS_F32 ? load_f32(row + 4 * (whole + i))
                                             : half_to_float(load_u16(row + 2 * (whole + i)));
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const float *x = s->floats + (size_t)c * s->length + whole;
            write_result(s, r, c, fold_with_tail(lanes[r][c], weights, x, tail));
        }
    }
}

INLINE void tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    if (type == KERNELS_F32 || type == KERNELS_F16) {
        float_tile(type, row_count, column_count, s);
    } else {
        quantised_tile(type, row_count, column_count, s);
    }
}

/// All rows of a strip times a fixed number of columns.
INLINE void strip(
    const kernels_type type, const int row_count, const int column_count, span s, size_t count
) {
    for (; count >= (size_t)row_count; count -= (size_t)row_count) {
        tile(type, row_count, column_count, &s);
        s.rows += (size_t)row_count * s.row_byte_count;
        s.out += row_count;
    }
    for (; count > 0; count--) {
        tile(type, 1, column_count, &s);
        s.rows += s.row_byte_count;
        s.out += 1;
    }
}

INLINE void multiply_type(
    const kernels_type type, const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
    // 32 rows of 1536 elements are 30 KB: they stay in the first cache for all columns.
    enum { STRIP_ROWS = 32 };
    for (size_t done = 0; done < count; done += STRIP_ROWS) {
        const size_t row = first + done;
        const size_t rows = count - done < STRIP_ROWS ? count - done : STRIP_ROWS;
        for (size_t column = 0; column < column_count;) {
            const size_t length = weights->row_length;
            const span s = {
                .rows = weights->bytes + row * weights->row_byte_count,
                .row_byte_count = weights->row_byte_count,
                .block_count = length / BLOCK_LENGTH,
                .length = length,
                .quants = x->quants + column * length,
                .scales = x->scales + column * x->block_stride,
                .sums = x->sums + column * x->block_stride,
                .floats = x->floats + column * length,
                .block_stride = x->block_stride,
                .out = out + column * out_stride + row,
                .out_stride = out_stride,
                .accumulate = accumulate,
            };
            if (column + TILE_COLUMNS <= column_count) {
                strip(type, TILE_ROWS, TILE_COLUMNS, s, rows);
                column += TILE_COLUMNS;
            } else {
                strip(type, TILE_ROWS_MAX, 1, s, rows);
                column += 1;
            }
        }
    }
}

TARGET static void multiply(
    const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
#define CASE(type) \
    case type: \
        multiply_type(type, weights, first, count, x, column_count, out, out_stride, accumulate); \
        break
    switch (weights->type) {
        CASE(KERNELS_F32);
        CASE(KERNELS_F16);
        CASE(KERNELS_Q4_0);
        CASE(KERNELS_Q4_1);
        CASE(KERNELS_Q8_0);
    }
#undef CASE
}
