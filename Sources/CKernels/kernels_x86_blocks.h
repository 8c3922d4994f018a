// A part of the template kernels_x86.h: weights in blocks of 32, rows side by side.

/// A block of each row taken apart: word j holds the quants 4j … 4j+3, unsigned, or signed where
/// `has_signed_quants`.
typedef struct block_lanes {
    words quants[8];
    floats scale, minimum;
} block_lanes;

/// Without VNNI a product with an unsigned byte of Q8_0 would not fit.
INLINE bool has_signed_quants(const kernels_type type) {
    return type == KERNELS_Q8_0 && !VNNI;
}

/// What the unsigned quants are too large by is a power of two; its exponent, or 0 for nothing.
INLINE int offset_shift(const kernels_type type) {
    switch (type) {
    case KERNELS_Q4_0:
        return 3;
    case KERNELS_Q5_0:
        return 4;
    case KERNELS_Q8_0:
        return VNNI ? 7 : 0;
    default:
        return 0;
    }
}

/// The quants of a block of 4 or 5 bits from its pairs and, of 5, the fifth bits.
INLINE void unpack_pairs(
    const kernels_type type, const words pairs[4], words fifth, block_lanes *out
) {
    UNROLL for (int j = 0; j < 4; j++) {
        out->quants[j] = pairs[j] & 0x0F0F0F0F;
        out->quants[j + 4] = pairs[j] >> 4 & 0x0F0F0F0F;
    }
    if (type == KERNELS_Q5_0 || type == KERNELS_Q5_1) {
        UNROLL for (int j = 0; j < 8; j++) {
            // Four copies, of which each byte keeps one bit, as 16.
            out->quants[j] |= (fifth >> 4 * j & 15) * 0x02040810 & 0x10101010;
        }
    }
}

/// Where the words of a block are followed by a half of each row, that is its scale.
INLINE void unpack_interleaved_block(
    const kernels_type type, const row_starts *rows, block_lanes *out
) {
    const uint8_t *p = rows->starts[0];
    words block[8];
    UNROLL for (size_t j = 0; j < block_bytes(type) / 4; j++) {
        memcpy(block + j, p + j * sizeof(words), sizeof(words));
    }
    if (has_minima(type)) {
        out->scale = halves(block[0]);
        out->minimum = halves(block[0] >> 16);
    } else {
        out->scale = load_halves_of_lanes(p + block_bytes(type) / 4 * sizeof(words));
    }
    if (type == KERNELS_Q8_0) {
        UNROLL for (int j = 0; j < 8; j++) {
            out->quants[j] = VNNI ? block[j] ^ 0x80808080 : block[j];
        }
        return;
    }
    const int fifth = has_minima(type) ? 1 : 0;
    unpack_pairs(type, block + block_bytes(type) / 4 - 4, block[fifth], out);
}

INLINE void unpack_block_lanes(
    const kernels_type type, const row_starts *rows, block_lanes *out
) {
    if (rows->is_interleaved) {
        unpack_interleaved_block(type, rows, out);
        return;
    }
    words head[4], pairs[4];
    load_words(rows, 0, head);
    out->scale = halves(head[0]);
    if (has_minima(type)) {
        out->minimum = halves(head[0] >> 16);
    }
    if (type == KERNELS_Q8_0) {
        load_words(rows, 2, out->quants);
        load_words(rows, 18, out->quants + 4);
        UNROLL for (int j = 0; VNNI && j < 8; j++) {
            out->quants[j] ^= 0x80808080;
        }
        return;
    }
    load_words(rows, block_bytes(type) - 16, pairs);
    unpack_pairs(
        type, pairs, type == KERNELS_Q5_1 ? head[1] : head[0] >> 16 | head[1] << 16, out);
}

/// Neighbouring blocks of each row, whose scales are cheaper to find together.
typedef struct block_group {
    /// Q4_1, Q5_1: all of the blocks: 5 or 6 words each.
    words all[20];
#if VNNI
    /// Q4_0: the scales of the rows 0 … 7 and 8 … 15, block after block.
    __m128i scales[2][4];
#endif
} block_group;

/// How many blocks are a group; 1 for none.
INLINE int group_count(const kernels_type type, const bool is_interleaved) {
    if (is_interleaved) {
        return 1;
    }
    switch (type) {
    case KERNELS_Q4_0:
        return VNNI ? 4 : 1;
    case KERNELS_Q4_1:
        return 4;
    case KERNELS_Q5_1:
        return 2;
    default:
        return 1;
    }
}

INLINE void load_group(
    const kernels_type type, const row_starts *rows, block_group *out
) {
    const int byte_count = group_count(type, false) * (int)block_bytes(type);
#if VNNI
    if (type == KERNELS_Q4_0) {
        // Word 9k of a row is the scale of its block k: row r puts it at word 8k + r.
        const __m512i places = _mm512_set_epi16(
            27, 27, 27, 27, 27, 27, 27, 27, 18, 18, 18, 18, 18, 18, 18, 18,
            9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0);
        UNROLL for (int i = 0; i < 2; i++) {
            __m512i scales = _mm512_setzero_si512();
            UNROLL for (int r = 0; r < 8; r++) {
                scales = _mm512_mask_permutexvar_epi16(
                    scales, (__mmask32)0x01010101 << r, places,
                    _mm512_loadu_si512(
                        rows->starts[2 * i + r / 4] + (size_t)(r % 4) * rows->stride));
            }
            memcpy(out->scales[i], &scales, sizeof scales);
        }
        return;
    }
#endif
    UNROLL for (int i = 0; 16 * i < byte_count; i++) {
        load_words(rows, (size_t)(16 * i), out->all + 4 * i);
    }
}

/// Block `i` of a group that begins at `rows`.
INLINE void unpack_of_group(
    const kernels_type type, const block_group *group, const int i, const row_starts *rows,
    block_lanes *out
) {
#if VNNI
    if (type == KERNELS_Q4_0) {
        words pairs[4];
        load_words(rows, (size_t)(18 * i + 2), pairs);
        unpack_pairs(type, pairs, pairs[0], out);
        out->scale = (floats)_mm512_cvtph_ps(
            _mm256_setr_m128i(group->scales[0][i], group->scales[1][i]));
        return;
    }
#endif
    const words *block = group->all + (int)block_bytes(type) / 4 * i;
    out->scale = halves(block[0]);
    out->minimum = halves(block[0] >> 16);
    unpack_pairs(type, block + (type == KERNELS_Q5_1 ? 2 : 1), block[1], out);
}

/// Adds the products of a block, number `block` of its row, to the results of a tile.
INLINE void add_block(
    const kernels_type type, const int column_count, const block_lanes *weights, const span *s,
    size_t column, size_t block, floats results[]
) {
    const size_t block_count = s->length / BLOCK_LENGTH;
    const size_t place = (s->column + column) * block_count + block;
    const int8_t *quants = s->x->quants + place * BLOCK_LENGTH;
    const float *scales = s->x->scales + place, *sums = s->x->sums + place;
    const int32_t *totals = s->x->negative_totals + place;
    integers products[TILE];
    UNROLL for (int c = 0; c < column_count; c++) {
        products[c] = (integers){0};
        if (offset_shift(type) != 0) {
            products[c] += totals[(size_t)c * block_count];
            products[c] <<= offset_shift(type);
        }
    }
    UNROLL for (int j = 0; j < 8; j++) {
        UNROLL for (int c = 0; c < column_count; c++) {
            const uint32_t x = load_u32(quants + (size_t)c * s->length + 4 * j);
#if !VNNI
            if (has_signed_quants(type)) {
                products[c] = dot_signed(products[c], weights->quants[j], x);
                continue;
            }
#endif
            products[c] = dot(products[c], weights->quants[j], x);
        }
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        const size_t at = (size_t)c * block_count;
        results[c] = multiply_add(
            __builtin_convertvector(products[c], floats),
            weights->scale * all_lanes(scales[at]), results[c]);
        if (has_minima(type)) {
            results[c] = multiply_add(weights->minimum, all_lanes(sums[at]), results[c]);
        }
    }
}

/// Few columns: each block is multiplied as soon as it is taken apart.
INLINE void block_strip(
    const kernels_type type, const bool is_interleaved, const int column_count, const span *s
) {
    const size_t block_count = s->length / BLOCK_LENGTH, stride = block_bytes(type);
    floats results[TILE];
    UNROLL for (int c = 0; c < column_count; c++) {
        results[c] = (floats){0};
    }
    const int together = group_count(type, is_interleaved);
    row_starts rows = starts_of(s, is_interleaved);
    size_t block = 0;
    for (; together > 1 && block + (size_t)together <= block_count; block += (size_t)together) {
        const size_t byte_count = (size_t)together * stride * LANES;
        prefetch_tile(type, is_interleaved, s->rows + block * stride * LANES, byte_count);
        block_group group;
        load_group(type, &rows, &group);
        UNROLL for (int i = 0; i < together; i++) {
            block_lanes weights;
            unpack_of_group(type, &group, i, &rows, &weights);
            add_block(type, column_count, &weights, s, 0, block + (size_t)i, results);
        }
        advance(&rows, (size_t)together * stride);
    }
    for (; block < block_count; block++) {
        prefetch_tile(type, is_interleaved, s->rows + block * stride * LANES, stride * LANES);
        block_lanes weights;
        unpack_block_lanes(type, &rows, &weights);
        add_block(type, column_count, &weights, s, 0, block, results);
        advance(&rows, stride);
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        write_results(s, (size_t)c, results[c]);
    }
}

/// The blocks of a panel times `column_count` columns, from `column` on.
INLINE void block_tile(
    const kernels_type type, const int column_count, const block_lanes *panel, size_t count,
    const span *s, size_t column, size_t first, floats sums[]
) {
    floats results[TILE];
    UNROLL for (int c = 0; c < column_count; c++) {
        results[c] = sums[column + (size_t)c];
    }
    for (size_t i = 0; i < count; i++) {
        add_block(type, column_count, &panel[i], s, column, first + i, results);
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        sums[column + (size_t)c] = results[c];
    }
}

/// Many columns: some blocks are taken apart once for all of them.
INLINE void block_panel(
    const kernels_type type, const bool is_interleaved, size_t column_count, const span *s
) {
    // 16 blocks of 16 rows are 10 KB: they stay in the first cache.
    enum { PANEL_BLOCKS = 16 };
    const size_t block_count = s->length / BLOCK_LENGTH, stride = block_bytes(type);
    const int together = group_count(type, is_interleaved);
    row_starts rows = starts_of(s, is_interleaved);
    block_lanes panel[PANEL_BLOCKS];
    floats sums[PANEL_COLUMNS_MAX];
    for (size_t c = 0; c < column_count; c++) {
        sums[c] = (floats){0};
    }
    for (size_t first = 0; first < block_count; first += PANEL_BLOCKS) {
        const size_t left = block_count - first;
        const size_t count = left < PANEL_BLOCKS ? left : PANEL_BLOCKS;
        prefetch_tile(
            type, is_interleaved, s->rows + first * stride * LANES, count * stride * LANES);
        size_t i = 0;
        for (; together > 1 && i + (size_t)together <= count; i += (size_t)together) {
            block_group group;
            load_group(type, &rows, &group);
            UNROLL for (int j = 0; j < together; j++) {
                unpack_of_group(type, &group, j, &rows, &panel[i + (size_t)j]);
            }
            advance(&rows, (size_t)together * stride);
        }
        for (; i < count; i++) {
            unpack_block_lanes(type, &rows, &panel[i]);
            advance(&rows, stride);
        }
#define TILE_OF(columns) block_tile(type, (columns), panel, count, s, column, first, sums)
        FOR_EACH_TILE(column_count, TILE_OF);
#undef TILE_OF
    }
    for (size_t c = 0; c < column_count; c++) {
        write_results(s, c, sums[c]);
    }
}
