// A part of the template kernels_x86.h: `multiply`.
//
// Quantised weights: as many rows as a register has lanes go side by side, a lane a row.
// Interleaved rows lie so in memory; of others a load of sixteen bytes of each row and eight
// shuffles put the same four quants of all rows into one register. What they are multiplied with
// is the same four activation quants in all lanes. So the int32 sums of a block need no gathering,
// and all else about it is done for all rows at once.
//
// The limit, many columns: of a block of 32 of sixteen rows, eight products of bytes, a factor and
// one or two multiply-adds go through the same ports, of which a Zen 4 core does one of 512 bits
// per cycle: 46 to 51 multiplications per cycle.

/// All rows of a strip of float weights times a fixed number of columns.
INLINE void float_strip(
    const kernels_type type, const int row_count, const int column_count, span s, size_t count
) {
    for (; count >= (size_t)row_count; count -= (size_t)row_count) {
        float_tile(type, row_count, column_count, &s);
        s.rows += (size_t)row_count * s.row_byte_count;
        s.out += row_count;
    }
    for (; count > 0; count--) {
        float_tile(type, 1, column_count, &s);
        s.rows += s.row_byte_count;
        s.out += 1;
    }
}

INLINE void multiply_floats(const kernels_type type, span all, size_t count, size_t column_count) {
    // 32 rows of 1536 halves are 96 KB: they stay in the second cache for all columns.
    enum { STRIP_ROWS = 32 };
    const size_t tile_bytes = TILE_ROWS_MAX * all.row_byte_count;
    all.prefetch_distance = (PREFETCH_DISTANCE / tile_bytes + 1) * tile_bytes;
    for (size_t done = 0; done < count; done += STRIP_ROWS) {
        const size_t row_count = count - done < STRIP_ROWS ? count - done : STRIP_ROWS;
        for (size_t column = 0; column < column_count;) {
            span s = all;
            s.rows += done * s.row_byte_count;
            s.column = column;
            s.out += column * s.out_stride + done;
            if (column + TILE_COLUMNS <= column_count) {
                float_strip(type, TILE_ROWS, TILE_COLUMNS, s, row_count);
                column += TILE_COLUMNS;
            } else {
                float_strip(type, TILE_ROWS_MAX, 1, s, row_count);
                column += 1;
            }
        }
    }
}

INLINE void strip(
    const kernels_type type, const bool is_interleaved, const int column_count, const span *s
) {
    if (is_superblock(type)) {
        superblock_strip(type, is_interleaved, column_count, s);
    } else {
        block_strip(type, is_interleaved, column_count, s);
    }
}

/// LANES rows times all columns.
INLINE void multiply_lanes(
    const kernels_type type, const bool is_interleaved, span s, size_t column_count
) {
    for (size_t column = 0; column < column_count;) {
        const size_t left = column_count - column;
        const size_t count = left < PANEL_COLUMNS_MAX ? left : PANEL_COLUMNS_MAX;
        s.column = column;
        if (count == 1) {
            strip(type, is_interleaved, 1, &s);
        } else if (count == 2) {
            strip(type, is_interleaved, 2, &s);
        } else if (count == 3) {
            strip(type, is_interleaved, 3, &s);
        } else if (count == 4) {
            strip(type, is_interleaved, 4, &s);
        } else if (is_superblock(type)) {
            superblock_panel(type, is_interleaved, count, &s);
        } else {
            block_panel(type, is_interleaved, count, &s);
        }
        s.out += count * s.out_stride;
        column += count;
    }
}

/// The whole groups that have some of these rows; of those at both ends all lanes are computed and
/// some are written. Returns how many of the rows lie in whole groups.
INLINE size_t multiply_interleaved(
    const kernels_type type, const kernels_matrix *weights, span s, size_t first, size_t count,
    size_t column_count
) {
    const size_t whole = weights->row_count / LANES * LANES;
    const size_t end = first + count < whole ? first + count : whole;
    for (size_t group = first / LANES * LANES; group < end; group += LANES) {
        span lanes = s;
        lanes.rows = weights->bytes + group * s.row_byte_count;
        lanes.out = s.out + group;
        lanes.first_written = group < first ? (int)(first - group) : 0;
        lanes.end_written = end - group < LANES ? (int)(end - group) : LANES;
        multiply_lanes(type, true, lanes, column_count);
    }
    return first < end ? end - first : 0;
}

INLINE void multiply_type(
    const kernels_type type, const kernels_matrix *weights, size_t first, size_t count,
    const kernels_activations *x, size_t column_count,
    float *out, size_t out_stride, bool accumulate
) {
    span s = {
        .rows = weights->bytes + first * weights->row_byte_count,
        .row_byte_count = weights->row_byte_count,
        .length = weights->row_length,
        .x = x,
        .out = out + first,
        .out_stride = out_stride,
        .accumulate = accumulate,
        .end_written = LANES,
    };
    if (is_float(type)) {
        multiply_floats(type, s, count, column_count);
        return;
    }
    if (weights->interleave == LANES) {
        s.out = out;
        const size_t done = multiply_interleaved(type, weights, s, first, count, column_count);
        if (done < count) {
            kernels_multiply_scalar(
                weights, first + done, count - done, x, column_count, out, out_stride, accumulate);
        }
        return;
    }
    for (; count >= LANES; count -= LANES) {
        multiply_lanes(type, false, s, column_count);
        s.rows += LANES * s.row_byte_count;
        s.out += LANES;
    }
    if (count > 0) {
        // The last rows go with some that were computed before or that another thread computes.
        const size_t row = (size_t)(s.out - out), written = LANES - count;
        if (row >= written) {
            s.first_written = (int)written;
            s.rows -= written * s.row_byte_count;
            s.out -= written;
            multiply_lanes(type, false, s, column_count);
        } else {
            kernels_multiply_scalar(
                weights, row, count, x, column_count, out, out_stride, accumulate);
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
