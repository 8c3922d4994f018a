// A part of the template kernels_x86.h: tiles of weights in blocks of 256.
//
// The sum over a block is exact in int32, so it may be gathered in any order: here in eight
// lanes, which are added up for four rows at a time at the end of the block.
//
// The limit, one row: 144 bytes of Q4_K take about 40 vector operations, of which a core does
// four per cycle: 14 bytes per cycle, twice what memory gives. Many rows: per 32 products one
// operation multiplies bytes and one scales and adds, and a tenth more gathers: 50
// multiplications per cycle when the unpacking is shared by enough columns.

/// What is needed of the blocks at one place of four rows beside their quants.
typedef struct block_scales {
    /// Q4_K, Q5_K: the scale of each sub-block, twice as int16. Q6_K: the 16 scales as int16.
    _Alignas(32) uint32_t pairs[4][SUBBLOCK_COUNT];
    /// Of the blocks, one lane a row.
    __m128 scales, minima;
    /// Q4_K, Q5_K: the minima of two neighbouring sub-blocks, one lane a row.
    __m128i minimum_pairs[4];
} block_scales;

/// The halves at the same place of four blocks as floats.
INLINE __m128 load_four_halves(const uint8_t *const blocks[4], const size_t place) {
    uint64_t words = 0;
    UNROLL for (int r = 0; r < 4; r++) {
        words |= (uint64_t)load_u16(blocks[r] + place) << 16 * r;
    }
    return _mm_cvtph_ps(_mm_cvtsi64_si128((long long)words));
}

/// Rows of four become columns.
INLINE void transpose(__m128i x[4]) {
    const __m128i a = _mm_unpacklo_epi32(x[0], x[1]), b = _mm_unpacklo_epi32(x[2], x[3]);
    const __m128i c = _mm_unpackhi_epi32(x[0], x[1]), d = _mm_unpackhi_epi32(x[2], x[3]);
    x[0] = _mm_unpacklo_epi64(a, b);
    x[1] = _mm_unpackhi_epi64(a, b);
    x[2] = _mm_unpacklo_epi64(c, d);
    x[3] = _mm_unpackhi_epi64(c, d);
}

INLINE void load_block_scales(
    const kernels_type type, const uint8_t *const blocks[4], block_scales *out
) {
    out->scales = load_four_halves(blocks, type == KERNELS_Q6_K ? 208 : 0);
    if (type == KERNELS_Q6_K) {
        UNROLL for (int r = 0; r < 4; r++) {
            const __m128i scales = _mm_loadu_si128((const __m128i *)(blocks[r] + 192));
            _mm256_store_si256((__m256i *)out->pairs[r], _mm256_cvtepi8_epi16(scales));
        }
        return;
    }
    out->minima = load_four_halves(blocks, 2);
    // -1 makes a zero byte.
    const __m256i twice = _mm256_setr_epi8(
        0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1,
        4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1);
    UNROLL for (int r = 0; r < 4; r++) {
        uint64_t scales, minima;
        unpack_scales(blocks[r] + 4, &scales, &minima);
        _mm256_store_si256(
            (__m256i *)out->pairs[r],
            _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)scales), twice));
        out->minimum_pairs[r] = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)minima));
    }
    transpose(out->minimum_pairs);
}

/// The scales of a sub-block of a row beside each pair of its quants.
INLINE __m256i scale_pairs(
    const kernels_type type, const block_scales *scales, const int row, const int sub
) {
    if (type != KERNELS_Q6_K) {
        return _mm256_set1_epi32((int)scales->pairs[row][sub]);
    }
    // Words 2 sub and 2 sub + 1, each eight times.
    const __m256i half = _mm256_broadcastsi128_si256(
        _mm_load_si128((const __m128i *)scales->pairs[row] + sub / 4));
    const int low = 4 * (sub % 4), high = low + 2;
    const short even = (short)(low | (low + 1) << 8), odd = (short)(high | (high + 1) << 8);
    return _mm256_shuffle_epi8(
        half, _mm256_setr_m128i(_mm_set1_epi16(even), _mm_set1_epi16(odd)));
}

/// What the sum of products of a row starts from. The quants of Q6_K are 32 too large: minus 32
/// times the scales, which fits int16, times the sums of sixteen activations.
INLINE __m256i start_products(
    const kernels_type type, const block_scales *scales, const int row, const int16_t *sums
) {
    const __m256i zero = _mm256_setzero_si256();
    if (type != KERNELS_Q6_K) {
        return zero;
    }
    const __m256i words = _mm256_load_si256((const __m256i *)scales->pairs[row]);
    return _mm256_madd_epi16(
        _mm256_sub_epi16(zero, _mm256_slli_epi16(words, 5)),
        _mm256_loadu_si256((const __m256i *)sums));
}

INLINE __m256i load_bytes(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

/// The bits `mask` of x shifted right by `shift`, or left when it is negative. Shifting words
/// is fine: the mask drops what comes from the neighbour.
INLINE __m256i bits_at(__m256i x, const int shift, const int mask) {
    const __m256i shifted =
        shift < 0 ? _mm256_slli_epi16(x, -shift) : _mm256_srli_epi16(x, shift);
    return _mm256_and_si256(shifted, _mm256_set1_epi8((char)mask));
}

/// The 32 quants of a sub-block as they are stored: unsigned, below 64.
INLINE __m256i unpack_subblock(const kernels_type type, const uint8_t *block, const int sub) {
    if (type == KERNELS_Q6_K) {
        const int half = sub / 4, quarter = sub % 4;
        const __m256i pairs = load_bytes(block + 64 * half + 32 * (quarter % 2));
        const __m256i upper = load_bytes(block + 128 + 32 * half);
        return _mm256_or_si256(
            bits_at(pairs, quarter < 2 ? 0 : 4, 0x0F), bits_at(upper, 2 * quarter - 4, 0x30));
    }
    const uint8_t *pairs = block + (type == KERNELS_Q5_K ? 48 : 16) + 32 * (sub / 2);
    const __m256i lower = bits_at(load_bytes(pairs), sub % 2 == 0 ? 0 : 4, 0x0F);
    if (type == KERNELS_Q4_K) {
        return lower;
    }
    return _mm256_or_si256(lower, bits_at(load_bytes(block + 16), sub - 4, 0x10));
}

/// Four sums of four vectors of eight.
INLINE __m128i gather_eight(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

/// Adds a block of four rows to their sums in one column: the last steps, in floats.
INLINE __m128 add_block(
    const kernels_type type, const block_scales *scales, const __m256i products[4],
    const int16_t *sums, float scale, __m128 result
) {
    const __m128i whole = gather_eight(products[0], products[1], products[2], products[3]);
    const __m128 scale_lanes = _mm_set1_ps(scale);
    result = _mm_fmadd_ps(
        _mm_cvtepi32_ps(whole), _mm_mul_ps(scales->scales, scale_lanes), result);
    if (!has_minima(type)) {
        return result;
    }
    __m128i minima = _mm_setzero_si128();
    UNROLL for (int i = 0; i < 4; i++) {
        // Two sums of 32.
        const __m128i pair = _mm_set1_epi32((int)load_u32(sums + 16 + 2 * i));
        minima = _mm_add_epi32(minima, _mm_madd_epi16(scales->minimum_pairs[i], pair));
    }
    return _mm_fnmadd_ps(
        _mm_cvtepi32_ps(minima), _mm_mul_ps(scales->minima, scale_lanes), result);
}

/// A tile of `row_count` rows: four, or one, which then stands for all four.
INLINE void superblock_tile(
    const kernels_type type, const int row_count, const int column_count, const span *s
) {
    const size_t stride = block_bytes(type), block_count = s->length / SUPERBLOCK_LENGTH;
    const int8_t *quants = s->x->superblock_quants + s->column * s->length;
    const float *scales = s->x->superblock_scales + s->column * block_count;
    const int16_t *sums =
        s->x->superblock_sums + s->column * block_count * SUPERBLOCK_SUM_COUNT;
    __m128 results[SUPERBLOCK_COLUMNS];
    UNROLL for (int c = 0; c < column_count; c++) {
        results[c] = _mm_setzero_ps();
    }
    for (size_t k = 0; k < block_count; k++) {
        const uint8_t *blocks[4];
        block_scales row_scales;
        __m256i products[SUPERBLOCK_COLUMNS][4];
        UNROLL for (int r = 0; r < 4; r++) {
            blocks[r] = s->rows + (size_t)(r % row_count) * s->row_byte_count + k * stride;
            if (column_count == 1 && r < row_count) {
                prefetch(blocks[r] + s->prefetch_distance, stride);
            }
        }
        load_block_scales(type, blocks, &row_scales);
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t block = (size_t)c * block_count + k;
            UNROLL for (int r = 0; r < 4; r++) {
                products[c][r] = start_products(
                    type, &row_scales, r, sums + SUPERBLOCK_SUM_COUNT * block);
            }
        }
        UNROLL for (int sub = 0; sub < SUBBLOCK_COUNT; sub++) {
            __m256i weights[4], pairs[4];
            UNROLL for (int r = 0; r < row_count; r++) {
                weights[r] = unpack_subblock(type, blocks[r], sub);
                pairs[r] = scale_pairs(type, &row_scales, r, sub);
            }
            UNROLL for (int c = 0; c < column_count; c++) {
                const size_t place = (size_t)c * s->length + k * SUPERBLOCK_LENGTH;
                const __m256i x = load_bytes((const uint8_t *)quants + place + 32 * sub);
                UNROLL for (int r = 0; r < row_count; r++) {
                    products[c][r] = DOT_SCALED(products[c][r], weights[r], x, pairs[r]);
                }
            }
        }
        UNROLL for (int c = 0; c < column_count; c++) {
            const size_t block = (size_t)c * block_count + k;
            results[c] = add_block(
                type, &row_scales, products[c], sums + SUPERBLOCK_SUM_COUNT * block,
                scales[block], results[c]);
        }
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        float values[4];
        _mm_storeu_ps(values, results[c]);
        UNROLL for (int r = 0; r < row_count; r++) {
            write_result(s, r, c, values[r]);
        }
    }
}
