// A part of the template kernels_x86.h: tiles of weights in blocks of 32.
//
// First, eight blocks at a time, the factors of all blocks and the minima are computed as vectors;
// then each block of a weight row is unpacked once and multiplied with all columns of the tile.
//
// Weights are unpacked to unsigned bytes, as the instructions for products of bytes want them;
// what they are then too large by is taken back through the int32 sum that the products start
// from, which all rows share. With VNNI the high halves of 4-bit pairs stay where they are:
// sixteen times the quant. Lanes 4 to 7, which they make, are sixteen times as large until the
// end; scaling by a power of two commutes with every rounding here, for the smallest product of
// two half-precision scales is 2^-48 and the largest 2^32.
//
// The limit of many rows: per 32 products one operation each for
// the products, the conversion and the fused multiply-add, the first and last on the same two
// ports: 32 multiplications per cycle.

/// Whether lanes 4 to 7 are sixteen times too large.
INLINE bool has_high_lanes(const kernels_type type) {
    return VNNI && (type == KERNELS_Q4_0 || type == KERNELS_Q4_1);
}

#if VNNI

/// Sixteen words: the scales of up to eight blocks, then their minima, zero behind the last.
/// A table lookup in the bytes of four blocks, and of the four behind.
INLINE __m512i load_halves_of_pairs(const kernels_type type, const uint8_t *p, size_t count) {
    const size_t stride = block_bytes(type), half = 4 * stride, whole = count * stride;
    // The words that are meant lie at the starts of the blocks: k * stride in the first table
    // (words 0 … 31) and in the second (32 … 63).
#define WORD(k, i) (short)((k) % 4 * (int)stride / 2 + (k) / 4 * 32 + (i))
    const __m512i indices = _mm512_castsi256_si512(_mm256_setr_epi16(
        WORD(0, 0), WORD(1, 0), WORD(2, 0), WORD(3, 0), WORD(4, 0), WORD(5, 0), WORD(6, 0),
        WORD(7, 0), WORD(0, 1), WORD(1, 1), WORD(2, 1), WORD(3, 1), WORD(4, 1), WORD(5, 1),
        WORD(6, 1), WORD(7, 1)));
#undef WORD
    if (count == 8) {
        return _mm512_permutex2var_epi16(
            _mm512_loadu_si512(p), indices, _mm512_loadu_si512(p + half));
    }
    const __mmask64 all = ~(__mmask64)0;
    const __mmask64 low = whole < 64 ? all >> (64 - whole) : all;
    const __mmask64 high =
        whole <= half ? 0 : whole - half < 64 ? all >> (64 - (whole - half)) : all;
    return _mm512_permutex2var_epi16(
        _mm512_maskz_loadu_epi8(low, p), indices, _mm512_maskz_loadu_epi8(high, p + half));
}

#endif

INLINE __m128i load_four_words(const uint8_t *p, const size_t stride) {
    __m128i words = _mm_cvtsi32_si128((int)load_u32(p));
    words = _mm_insert_epi32(words, (int)load_u32(p + stride), 1);
    words = _mm_insert_epi32(words, (int)load_u32(p + 2 * stride), 2);
    return _mm_insert_epi32(words, (int)load_u32(p + 3 * stride), 3);
}

/// The scales (and, of Q4_1 and Q5_1, the minima) of up to eight blocks; zero behind the last.
INLINE void load_scales(
    const kernels_type type, const uint8_t *block, size_t count, __m256 *scales, __m256 *minima
) {
    const size_t stride = block_bytes(type);
#if VNNI
    // 64 bytes hold the starts of four blocks.
    if (3 * stride + 4 <= 64) {
        const __m512i words = load_halves_of_pairs(type, block, count);
        *scales = _mm256_cvtph_ps(_mm512_castsi512_si128(words));
        *minima = _mm256_cvtph_ps(_mm512_extracti32x4_epi32(words, 1));
        return;
    }
#endif
    // Each word holds the two halves with which a block starts. Not through memory when there
    // are eight: a load has to wait for the narrower stores before it.
    __m128i low, high;
    if (count == 8) {
        low = load_four_words(block, stride);
        high = load_four_words(block + 4 * stride, stride);
    } else {
        uint32_t words[8] = {0};
        for (size_t i = 0; i < count; i++) {
            words[i] = load_u32(block + i * stride);
        }
        low = _mm_loadu_si128((const __m128i *)words);
        high = _mm_loadu_si128((const __m128i *)(words + 4));
    }
    const __m128i mask = _mm_set1_epi32(0xFFFF);
    *scales = _mm256_cvtph_ps(
        _mm_packus_epi32(_mm_and_si128(low, mask), _mm_and_si128(high, mask)));
    *minima = _mm256_cvtph_ps(
        _mm_packus_epi32(_mm_srli_epi32(low, 16), _mm_srli_epi32(high, 16)));
}

/// 16 in each byte whose bit of the word at `p` is set.
INLINE __m256i unpack_fifth_bits(const uint8_t *p) {
    const __m256i word = _mm256_set1_epi32((int)load_u32(p));
    const __m256i places = _mm256_setr_epi64x(
        0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i found = _mm256_and_si256(_mm256_shuffle_epi8(word, places), bits);
    return _mm256_and_si256(_mm256_cmpeq_epi8(found, bits), _mm256_set1_epi8(16));
}

/// The 32 quants of a block in element order, unsigned but for Q8_0 without VNNI.
INLINE __m256i unpack(const kernels_type type, const uint8_t *block) {
    if (type == KERNELS_Q8_0) {
        const __m256i quants = _mm256_loadu_si256((const __m256i *)(block + 2));
        return VNNI ? _mm256_xor_si256(quants, _mm256_set1_epi8(-128)) : quants;
    }
    const bool has_fifth = type == KERNELS_Q5_0 || type == KERNELS_Q5_1;
    const size_t place = has_minima(type) ? 4 : 2;
    const __m256i pairs = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(block + place + (has_fifth ? 4 : 0))));
    if (has_high_lanes(type)) {
        const __m256i halves = _mm256_setr_epi64x(
            0x0F0F0F0F0F0F0F0F, 0x0F0F0F0F0F0F0F0F, (long long)0xF0F0F0F0F0F0F0F0,
            (long long)0xF0F0F0F0F0F0F0F0);
        return _mm256_and_si256(pairs, halves);
    }
    const __m256i quants = _mm256_and_si256(
        _mm256_srlv_epi32(pairs, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)),
        _mm256_set1_epi8(15));
#if VNNI
    if (has_fifth) {
        return _mm256_mask_add_epi8(
            quants, (__mmask32)load_u32(block + place), quants, _mm256_set1_epi8(16));
    }
#endif
    return has_fifth ? _mm256_or_si256(quants, unpack_fifth_bits(block + place)) : quants;
}

/// What the sums of an activation block start from: minus the products with the offset.
INLINE __m256i start_sums(const kernels_type type, __m256i quants) {
    const int offset = type == KERNELS_Q8_0 ? (VNNI ? 128 : 0) : quant_offset(type);
    if (offset == 0) {
        return _mm256_setzero_si256();
    }
    const int high = has_high_lanes(type) ? 16 * offset : offset;
    const __m256i offsets = _mm256_inserti128_si256(
        _mm256_set1_epi8((char)offset), _mm_set1_epi8((char)high), 1);
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_sub_epi32(zero, DOT(zero, offsets, quants));
}

/// The int32 lane sums of one block.
INLINE __m256 dot_block(
    const kernels_type type, __m256i weights, __m256i magnitudes, __m256i quants, __m256i start
) {
    if (type == KERNELS_Q8_0 && !VNNI) {
        // The weights hand their sign to the activations, which are never -128. Products of
        // two neighbours are at most 2 * 128 * 127 = 32512, which fits.
        return _mm256_cvtepi32_ps(DOT(start, magnitudes, _mm256_sign_epi8(quants, weights)));
    }
    return _mm256_cvtepi32_ps(DOT(start, weights, quants));
}

/// The sums of a tile, and what they are made of at its first column.
typedef struct block_state {
    const span *span;
    const int8_t *quants;
    const float *scales, *sums;
    __m256 lanes[TILE_ROWS_MAX][TILE_COLUMNS];
    __m256 minima[TILE_ROWS_MAX][TILE_COLUMNS];
} block_state;

/// Blocks whose factors are computed before their products, which then never wait for a factor on
/// its way through memory: a tenth of the time. 16 sums times 64 factors are 4 KB.
enum { TILE_PART = 64 };

/// The factors of eight blocks.
typedef float tile_factors[TILE_ROWS_MAX][TILE_COLUMNS][8];

/// Fills the factors of `count` <= 8 blocks from `first` on, and adds their minima.
INLINE void take_scales(
    const kernels_type type, const int row_count, const int column_count, block_state *t,
    size_t first, size_t count, tile_factors factors
) {
    const span *s = t->span;
    const size_t stride = block_bytes(type);
    UNROLL for (int r = 0; r < row_count; r++) {
        const uint8_t *blocks = s->rows + (size_t)r * s->row_byte_count + first * stride;
        if (column_count == 1) {
            prefetch(blocks + s->prefetch_distance, 8 * stride);
        }
        __m256 row_scales, minima;
        load_scales(type, blocks, count, &row_scales, &minima);
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t offset = (size_t)c * s->x->block_stride + first;
            _mm256_store_ps(
                factors[r][c], _mm256_mul_ps(row_scales, _mm256_loadu_ps(t->scales + offset)));
            if (has_minima(type)) {
                t->minima[r][c] = _mm256_fmadd_ps(
                    minima, _mm256_loadu_ps(t->sums + offset), t->minima[r][c]);
            }
        }
    }
}

/// Adds the products of a block, whose factors stand at `place`.
INLINE void add_block_products(
    const kernels_type type, const int row_count, const int column_count, block_state *t,
    size_t block, tile_factors factors, size_t place
) {
    const span *s = t->span;
    __m256i weights[TILE_ROWS_MAX], magnitudes[TILE_ROWS_MAX];
    UNROLL for (int r = 0; r < row_count; r++) {
        weights[r] = unpack(
            type, s->rows + (size_t)r * s->row_byte_count + block * block_bytes(type));
        magnitudes[r] = _mm256_abs_epi8(weights[r]);
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        const __m256i x = _mm256_loadu_si256(
            (const __m256i *)(t->quants + (size_t)c * s->length + block * BLOCK_LENGTH));
        const __m256i start = start_sums(type, x);
        UNROLL for (int r = 0; r < row_count; r++) {
            t->lanes[r][c] = _mm256_fmadd_ps(
                dot_block(type, weights[r], magnitudes[r], x, start),
                _mm256_broadcast_ss(&factors[r][c][place]), t->lanes[r][c]);
        }
    }
}

INLINE void block_tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    const size_t block_count = s->length / BLOCK_LENGTH;
    block_state t = {
        .span = s,
        .quants = s->x->quants + s->column * s->length,
        .scales = s->x->scales + s->column * s->x->block_stride,
        .sums = s->x->sums + s->column * s->x->block_stride,
    };
    UNROLL for (int r = 0; r < row_count; r++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            t.lanes[r][c] = t.minima[r][c] = _mm256_setzero_ps();
        }
    }
    for (size_t part = 0; part < block_count; part += TILE_PART) {
        const size_t left = block_count - part, count = left < TILE_PART ? left : TILE_PART;
        _Alignas(32) tile_factors factors[TILE_PART / 8];
        for (size_t i = 0; i < count; i += 8) {
            take_scales(
                type, row_count, column_count, &t, part + i, count - i < 8 ? count - i : 8,
                factors[i / 8]);
        }
        for (size_t i = 0; i < count; i++) {
            add_block_products(
                type, row_count, column_count, &t, part + i, factors[i / 8], i % 8);
        }
    }
    const __m256 powers =
        has_high_lanes(type)
            ? _mm256_setr_ps(1, 1, 1, 1, 1.0f / 16, 1.0f / 16, 1.0f / 16, 1.0f / 16)
            : _mm256_set1_ps(1);
    UNROLL for (int r = 0; r < row_count; r++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            const float sum = fold(_mm256_mul_ps(t.lanes[r][c], powers));
            write_result(s, r, c, has_minima(type) ? sum + fold(t.minima[r][c]) : sum);
        }
    }
}
