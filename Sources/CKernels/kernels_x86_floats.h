// A part of the template kernels_x86.h: tiles of F32, F16 and BF16 weights.

INLINE __m256 load_weights(const kernels_type type, const uint8_t *row, size_t i) {
    if (type == KERNELS_F32) {
        return _mm256_loadu_ps((const float *)(row + 4 * i));
    }
    if (type == KERNELS_F16) {
        return load_halves(row + 2 * i);
    }
    const __m128i upper = _mm_loadu_si128((const __m128i *)(row + 2 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}

INLINE void float_tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    const float *floats = s->x->floats + s->column * s->length;
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
            const uint8_t *row = s->rows + (size_t)r * s->row_byte_count;
            if (column_count == 1 && i % 32 == 0) {
                prefetch(
                    row + s->prefetch_distance + i * block_bytes(type), 32 * block_bytes(type));
            }
            weights[r] = load_weights(type, row, i);
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const __m256 x = _mm256_loadu_ps(floats + (size_t)c * s->length + i);
            UNROLL for (int r = 0; r < row_count; r++) {
                lanes[r][c] = _mm256_fmadd_ps(weights[r], x, lanes[r][c]);
            }
        }
    }
    UNROLL for (int r = 0; r < row_count; r++) {
        const uint8_t *row = s->rows + (size_t)r * s->row_byte_count;
        float weights[LANE_COUNT];
        for (size_t i = 0; i < tail; i++) {
            weights[i] = load_float(type, row, whole + i);
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const float *x = floats + (size_t)c * s->length + whole;
            write_result(s, r, c, fold_with_tail(lanes[r][c], weights, x, tail));
        }
    }
}
