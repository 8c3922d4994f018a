// A part of the template kernels_x86.h: `multiply`, which goes through tiles of rows × columns.

INLINE void tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    if (is_float(type)) {
        float_tile(type, row_count, column_count, s);
    } else if (is_superblock(type)) {
        superblock_tile(type, row_count, column_count, s);
    } else {
        block_tile(type, row_count, column_count, s);
    }
}

/// All rows of a strip times a fixed number of columns.
INLINE void strip(
    const kernels_type type, const int row_count, const int column_count, span s, size_t count
) {
#if VNNI
    const bool has_blocks = !is_float(type) && !is_superblock(type);
    if (column_count == 1 && has_blocks && s.length >= 8 * BLOCK_LENGTH) {
        const size_t done = column_strip(type, s, count);
        s.rows += done * s.row_byte_count;
        s.out += done;
        count -= done;
    }
#endif
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
    // 32 rows of 1536 elements of Q4_1 are 30 KB: they stay in the first cache for all columns;
    // 32 rows of 8192 stay in the second.
    enum { STRIP_ROWS = 32 };
    const int columns = is_superblock(type) ? SUPERBLOCK_COLUMNS : TILE_COLUMNS;
    const int rows = is_superblock(type) ? 4 : TILE_ROWS;
    const size_t tile_bytes = TILE_ROWS_MAX * weights->row_byte_count;
    for (size_t done = 0; done < count; done += STRIP_ROWS) {
        const size_t row = first + done;
        const size_t row_count = count - done < STRIP_ROWS ? count - done : STRIP_ROWS;
        for (size_t column = 0; column < column_count;) {
            const span s = {
                .rows = weights->bytes + row * weights->row_byte_count,
                .row_byte_count = weights->row_byte_count,
                .length = weights->row_length,
                .prefetch_distance = (PREFETCH_DISTANCE_MIN / tile_bytes + 1) * tile_bytes,
                .x = x,
                .column = column,
                .out = out + column * out_stride + row,
                .out_stride = out_stride,
                .accumulate = accumulate,
            };
            if (column + (size_t)columns <= column_count) {
                strip(type, rows, columns, s, row_count);
                column += (size_t)columns;
            } else {
                strip(type, TILE_ROWS_MAX, 1, s, row_count);
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
        CASE(KERNELS_BF16);
        CASE(KERNELS_Q4_0);
        CASE(KERNELS_Q4_1);
        CASE(KERNELS_Q5_0);
        CASE(KERNELS_Q5_1);
        CASE(KERNELS_Q8_0);
        CASE(KERNELS_Q4_K);
        CASE(KERNELS_Q5_K);
        CASE(KERNELS_Q6_K);
    }
#undef CASE
}
