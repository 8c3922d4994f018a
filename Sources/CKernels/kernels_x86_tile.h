// A part of the template kernels_x86.h: what the tiles of `multiply` share.
//
// A tile is rows × columns whose sums stay in registers while the blocks of the rows go by.
//
// A single activation row meets each weight once, so its limit is the memory that the weights
// come from. A tile reads several rows side by side, which the prefetcher of the hardware does
// not follow: 7 to 9 GB/s on a Zen 4 core whose plain copy loop reads 24. So a tile asks for the
// bytes at its own place in a later tile, into the second cache (the first has too few buffers
// for lines on their way: 10 GB/s); then it reads as fast as the copy loop.

// Two microseconds at 4 GB/s, 300 ns at 27: farther than memory is slow, nearer than the second
// cache is large.
enum { PREFETCH_DISTANCE_MIN = 8192 };

INLINE void prefetch(const uint8_t *p, const size_t byte_count) {
    for (size_t i = 0; i < byte_count; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
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
} span;

INLINE void write_result(const span *s, int row, int column, float value) {
    float *place = s->out + (size_t)column * s->out_stride + row;
    *place = s->accumulate ? *place + value : value;
}
