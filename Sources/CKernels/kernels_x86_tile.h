// A part of the template kernels_x86.h: what the tiles of `multiply` share.
//
// A tile is rows × columns whose sums stay in registers while the blocks of the rows go by.
//
// A single activation row meets each weight once, so its limit is the memory that the weights
// come from. A tile reads several rows side by side, which the prefetcher of the hardware does
// not follow: 7 to 9 GB/s on a Zen 4 core whose plain copy loop reads 24. So a tile asks for the
// bytes at its own place in a later tile, into the second cache (the first has too few buffers
// for lines on their way: 10 GB/s); then it reads as fast as the copy loop. The rows of a tile
// follow each other in memory, so any order in which its bytes are asked for is as good.

// Bytes ahead. A Zen 4 core reads a matrix in blocks of 32 at 11, 13, 21, 26 and 26 GB/s with 4, 8,
// 16, 32 and 64 KB; two cores together at 19, 23, 29, 32 and 32.
enum { PREFETCH_DISTANCE = 32768 };

// Interleaved rows are one stream, which the hardware follows by itself: 30 to 33 GB/s, of 31 that
// a plain loop reads, with one core; with these requests 18 to 24. Only the blocks of Q6_K take so
// long to multiply that it loses the stream: 9 GB/s, with requests this far ahead 15.
enum { INTERLEAVED_PREFETCH_DISTANCE = 4096 };

// Columns that a panel of weights meets before the next one: their results are 9 KB, and with the
// panel they stay in the first cache.
enum { PANEL_COLUMNS_MAX = 144 };

INLINE void prefetch(const uint8_t *p, const size_t byte_count) {
    for (size_t i = 0; i < byte_count; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
    }
}

/// Asks for what a later tile reads where this one reads `byte_count` bytes at `p`.
INLINE void prefetch_tile(
    const kernels_type type, const bool is_interleaved, const uint8_t *p, const size_t byte_count
) {
    if (!is_interleaved) {
        prefetch(p + PREFETCH_DISTANCE, byte_count);
    } else if (type == KERNELS_Q6_K) {
        prefetch(p + INTERLEAVED_PREFETCH_DISTANCE, byte_count);
    }
}

/// What a tile reads and writes; the pointers are those of its first row and column.
typedef struct span {
    const uint8_t *rows;
    size_t row_byte_count, length;
    size_t prefetch_distance;
    const kernels_activations *x;
    size_t column;
    float *out;
    size_t out_stride;
    bool accumulate;
    /// Of rows side by side: those that are written.
    int first_written, end_written;
} span;

INLINE void write_result(const span *s, int row, int column, float value) {
    float *place = s->out + (size_t)column * s->out_stride + row;
    *place = s->accumulate ? *place + value : value;
}

INLINE row_starts starts_of(const span *s, const bool is_interleaved) {
    row_starts rows = {
        .stride = s->row_byte_count, .three_strides = 3 * s->row_byte_count,
        .is_interleaved = is_interleaved,
    };
    UNROLL for (size_t i = 0; i < LANES / 4; i++) {
        rows.starts[i] = s->rows + 4 * i * s->row_byte_count;
    }
    return rows;
}

/// Goes on to the next blocks. The compiler must not see that the starts are a multiple of the
/// stride apart: it would keep a pointer for each row, most of them in memory.
INLINE void advance(row_starts *rows, const size_t byte_count) {
    if (rows->is_interleaved) {
        rows->starts[0] += byte_count * LANES;
        return;
    }
    UNROLL for (size_t i = 0; i < LANES / 4; i++) {
        rows->starts[i] += byte_count;
        __asm__("" : "+r"(rows->starts[i]));
    }
    __asm__("" : "+r"(rows->three_strides));
}

INLINE void write_results(const span *s, size_t column, floats values) {
    write_lanes(
        s->out + column * s->out_stride, values, s->first_written, s->end_written, s->accumulate);
}

/// Does OF(columns) for tiles that cover `count` columns; it finds its first one in `column`.
#define FOR_EACH_TILE(count, OF) \
    for (size_t column = 0; column < (count);) { \
        const size_t left = (count) - column; \
        if (TILE > 4 && left >= TILE) { \
            OF(TILE); \
            column += TILE; \
        } else if (left >= 4) { \
            OF(4); \
            column += 4; \
        } else if (left == 3) { \
            OF(3); \
            column += 3; \
        } else if (left == 2) { \
            OF(2); \
            column += 2; \
        } else { \
            OF(1); \
            column += 1; \
        } \
    }
