// A part of the template kernels_x86.h for AVX-512: eight rows of weights in blocks of 32 times
// one activation row, which is what decoding a single sequence does.
//
// Measured on a Zen 4 core, cycles per block of 32, weights in the second cache: four rows at a
// time with the factors of eight blocks just before their products took 2.9 (rows of 2048) to 3.4
// (rows of 576), of Q8_0 in rows of 576 even 5.0. Here 2.5, 2.9 and 3.4: the factors of a whole
// row come first, so that no product waits for a factor on its way through memory; a last part of
// less than eight blocks reads its scales from the last eight of the row, without masked loads;
// eight rows fold together. Asking for the bytes ahead is a fifth of that time, but without it the
// eight streams run at half the speed of memory. Pairs of rows in 512-bit registers take as long:
// what they save in instructions they lose to shuffles.

enum {
    /// Rows of a tile: enough chains of additions to hide their latency.
    COLUMN_ROWS = 8,
    /// Blocks whose factors are kept at a time: 2 KB of the first cache.
    COLUMN_PART = 64,
    /// Bytes from a tile to what is fetched for a later one, into the second cache. 4 KB are too
    /// near when other cores use the memory, 64 KB no better.
    COLUMN_AHEAD = 16384,
};

/// Where the scales and minima of the blocks of a row stand, eight blocks at a time.
///
/// Two vectors of 64 bytes hold the starts of four blocks each, or, of longer blocks, four
/// vectors hold those of two each. Of the last blocks, the eight at the end of the row are read.
typedef struct head_places {
    __m512i low, high;
    __mmask32 low_mask, high_mask;
} head_places;

/// Where the vectors begin; the last one ends with the eighth block.
INLINE size_t head_table(const kernels_type type, const int table) {
    const size_t stride = block_bytes(type);
    if (3 * stride + 4 <= 64) {
        return 4 * stride * (size_t)table;
    }
    const size_t place = 2 * stride * (size_t)table, last = 8 * stride - 64;
    return place < last ? place : last;
}

/// The places for the last `count` of eight blocks; they come to the first lanes.
INLINE head_places heads_of_last(const kernels_type type, const size_t count) {
    const size_t stride = block_bytes(type);
    const bool two = 3 * stride + 4 <= 64;
    const size_t in_table = two ? 4 : 2;
    _Alignas(64) uint16_t low[32] = {0}, high[32] = {0};
    uint32_t low_mask = 0, high_mask = 0;
    for (size_t lane = 0; lane < count; lane++) {
        const size_t block = 8 - count + lane, table = block / in_table;
        const size_t place = (block * stride - head_table(type, (int)table)) / 2 + 32 * (table % 2);
        uint16_t *places = table < 2 ? low : high;
        uint32_t *mask = table < 2 ? &low_mask : &high_mask;
        places[lane] = (uint16_t)place;
        places[8 + lane] = (uint16_t)(place + 1);
        *mask |= (uint32_t)0x0101 << lane;
    }
    return (head_places){
        _mm512_load_si512(low), _mm512_load_si512(high), low_mask, high_mask,
    };
}

/// Sixteen halves: the scales of eight blocks, then their minima.
INLINE __m256i load_heads(const kernels_type type, const uint8_t *p, const head_places *places) {
    const __m512i low = _mm512_maskz_permutex2var_epi16(
        places->low_mask, _mm512_loadu_si512(p + head_table(type, 0)), places->low,
        _mm512_loadu_si512(p + head_table(type, 1)));
    if (3 * block_bytes(type) + 4 <= 64) {
        return _mm512_castsi512_si256(low);
    }
    const __m512i high = _mm512_maskz_permutex2var_epi16(
        places->high_mask, _mm512_loadu_si512(p + head_table(type, 2)), places->high,
        _mm512_loadu_si512(p + head_table(type, 3)));
    return _mm256_or_si256(_mm512_castsi512_si256(low), _mm512_castsi512_si256(high));
}

/// The sums of eight rows.
INLINE __m256 fold_eight(const __m256 rows[COLUMN_ROWS], const float high) {
    __m512 sums[2];
    UNROLL for (int i = 0; i < 2; i++) {
        const __m256 *four = rows + 4 * i;
        const __m256 a = _mm256_permute2f128_ps(four[0], four[1], 0x20);
        const __m256 b = _mm256_permute2f128_ps(four[0], four[1], 0x31);
        const __m256 c = _mm256_permute2f128_ps(four[2], four[3], 0x20);
        const __m256 d = _mm256_permute2f128_ps(four[2], four[3], 0x31);
        const __m256 p = _mm256_set1_ps(high);
        sums[i] = _mm512_castpd_ps(_mm512_insertf64x4(
            _mm512_castpd256_pd512(_mm256_castps_pd(_mm256_fmadd_ps(b, p, a))),
            _mm256_castps_pd(_mm256_fmadd_ps(d, p, c)), 1));
    }
    const __m512 pairs = _mm512_add_ps(
        _mm512_shuffle_ps(sums[0], sums[1], 0x44), _mm512_shuffle_ps(sums[0], sums[1], 0xEE));
    const __m512 whole = _mm512_add_ps(pairs, _mm512_movehdup_ps(pairs));
    return _mm512_castps512_ps256(_mm512_permutexvar_ps(
        _mm512_castsi256_si512(_mm256_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14)), whole));
}

/// What the blocks of a tile are multiplied with and added to.
typedef struct column_state {
    const span *span;
    const int8_t *quants;
    const float *scales, *sums;
    __m256 lanes[COLUMN_ROWS], minima[COLUMN_ROWS];
} column_state;

/// The factors of the blocks of eight rows, eight blocks at a time.
typedef float block_factors[COLUMN_ROWS][8];

/// Fills the factors of the eight blocks, or fewer, from `first` on, and adds their minima; their
/// scales are found from the block `heads` on.
INLINE void take_heads(
    const kernels_type type, column_state *c, size_t first, size_t heads,
    const head_places *places, block_factors factors
) {
    const span *s = c->span;
    const __m256 scales = _mm256_loadu_ps(c->scales + first);
    const __m256 sums = _mm256_loadu_ps(c->sums + first);
    UNROLL for (int r = 0; r < COLUMN_ROWS; r++) {
        const uint8_t *row = s->rows + (size_t)r * s->row_byte_count;
        const __m256i words = load_heads(type, row + heads * block_bytes(type), places);
        _mm256_store_ps(
            factors[r], _mm256_mul_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(words)), scales));
        if (has_minima(type)) {
            c->minima[r] = _mm256_fmadd_ps(
                _mm256_cvtph_ps(_mm256_extracti128_si256(words, 1)), sums, c->minima[r]);
        }
    }
}

/// Adds the products of `count` <= 8 blocks from `first` on, whose factors stand at `place`.
INLINE void add_blocks(
    const kernels_type type, column_state *c, size_t first, const int count,
    block_factors factors, size_t place
) {
    const span *s = c->span;
    const size_t stride = block_bytes(type);
    // The rows of a tile follow each other in memory, so any order in which its bytes are asked
    // for is as good.
    prefetch(
        s->rows + COLUMN_AHEAD + first * stride * COLUMN_ROWS,
        (size_t)count * stride * COLUMN_ROWS);
    UNROLL for (int k = 0; k < count; k++) {
        const size_t block = first + (size_t)k;
        const __m256i x = _mm256_loadu_si256(
            (const __m256i *)(c->quants + block * BLOCK_LENGTH));
        const __m256i start = start_sums(type, x);
        UNROLL for (int r = 0; r < COLUMN_ROWS; r++) {
            const __m256i weights = unpack(
                type, s->rows + (size_t)r * s->row_byte_count + block * stride);
            c->lanes[r] = _mm256_fmadd_ps(
                _mm256_cvtepi32_ps(DOT(start, weights, x)),
                _mm256_broadcast_ss(&factors[r][place + (size_t)k]), c->lanes[r]);
        }
    }
}

/// Eight rows of at least eight blocks.
INLINE void column_tile(
    const kernels_type type, const span *s, const head_places *all, const head_places *last
) {
    const size_t block_count = s->length / BLOCK_LENGTH;
    column_state c = {
        .span = s,
        .quants = s->x->quants + s->column * s->length,
        .scales = s->x->scales + s->column * s->x->block_stride,
        .sums = s->x->sums + s->column * s->x->block_stride,
    };
    UNROLL for (int r = 0; r < COLUMN_ROWS; r++) {
        c.lanes[r] = c.minima[r] = _mm256_setzero_ps();
    }
    for (size_t part = 0; part < block_count; part += COLUMN_PART) {
        const size_t left = block_count - part, count = left < COLUMN_PART ? left : COLUMN_PART;
        const size_t whole = count / 8 * 8;
        _Alignas(32) block_factors factors[COLUMN_PART / 8];
        for (size_t i = 0; i < whole; i += 8) {
            take_heads(type, &c, part + i, part + i, all, factors[i / 8]);
        }
        if (whole < count) {
            take_heads(type, &c, part + whole, block_count - 8, last, factors[whole / 8]);
        }
        for (size_t i = 0; i < whole; i += 8) {
            add_blocks(type, &c, part + i, 8, factors[i / 8], 0);
        }
        for (size_t i = whole; i < count; i++) {
            add_blocks(type, &c, part + i, 1, factors[i / 8], i % 8);
        }
    }
    __m256 result = fold_eight(c.lanes, has_high_lanes(type) ? 1.0f / 16 : 1.0f);
    if (has_minima(type)) {
        result = _mm256_add_ps(result, fold_eight(c.minima, 1));
    }
    if (s->accumulate) {
        result = _mm256_add_ps(_mm256_loadu_ps(s->out), result);
    }
    _mm256_storeu_ps(s->out, result);
}

/// Multiplies eight rows at a time, at least eight blocks long; returns how many rows.
INLINE size_t column_strip(const kernels_type type, span s, size_t count) {
    const head_places all = heads_of_last(type, 8);
    const head_places last = heads_of_last(type, s.length / BLOCK_LENGTH % 8);
    size_t done = 0;
    for (; done + COLUMN_ROWS <= count; done += COLUMN_ROWS) {
        column_tile(type, &s, &all, &last);
        s.rows += COLUMN_ROWS * s.row_byte_count;
        s.out += COLUMN_ROWS;
    }
    return done;
}
