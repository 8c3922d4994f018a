// A part of the template kernels_x86.h: weights in blocks of 256, rows side by side.
//
// A block is taken apart in four pairs of sub-blocks, those whose quants share bytes.

/// All of a block of each row but its quants.
typedef struct superblock_scales {
    floats scale, minimum;
    /// The factors of sixteen quants each, of Q4_K and Q5_K eight of 32.
    words scales[16];
    /// Two int16 a lane: Q4_K, Q5_K: the minima of neighbouring sub-blocks; Q6_K: the factors of
    /// neighbouring sixteens.
    words pairs[8];
} superblock_scales;

/// The quants of the sub-blocks `first_of_pair` and `second_of_pair`, unsigned; word j holds
/// 4j … 4j+3.
typedef struct subblock_pair {
    words first[8], second[8];
} subblock_pair;

INLINE int first_of_pair(const kernels_type type, const int pair) {
    return type == KERNELS_Q6_K ? pair / 2 * 4 + pair % 2 : 2 * pair;
}

INLINE int second_of_pair(const kernels_type type, const int pair) {
    return first_of_pair(type, pair) + (type == KERNELS_Q6_K ? 2 : 1);
}

/// Byte `i` of each lane.
INLINE words byte_lanes(words x, const int i) {
    return x >> 8 * i & 0xFF;
}

INLINE void unpack_superblock_lanes(
    const kernels_type type, const row_starts *rows, superblock_scales *out
) {
    words head[4];
    if (type == KERNELS_Q6_K) {
        if (rows->is_interleaved) {
            out->scale = load_halves_of_lanes(rows->starts[0] + 208 * LANES);
        } else {
            // The last sixteen bytes end with the scale.
            load_words(rows, 194, head);
            out->scale = halves(head[3] >> 16);
        }
        load_words(rows, 192, head);
        UNROLL for (int i = 0; i < 16; i++) {
            out->scales[i] = (words)((integers)(head[i / 4] << (24 - 8 * (i % 4))) >> 24);
        }
        UNROLL for (int i = 0; i < 8; i++) {
            out->pairs[i] = (out->scales[2 * i] & 0xFFFF) | out->scales[2 * i + 1] << 16;
        }
        return;
    }
    load_words(rows, 0, head);
    out->scale = halves(head[0]);
    out->minimum = halves(head[0] >> 16);
    // As `unpack_scales`.
    const words scales[2] = {
        head[1] & 0x3F3F3F3F, (head[3] & 0x0F0F0F0F) | (head[1] >> 2 & 0x30303030),
    };
    const words minima[2] = {
        head[2] & 0x3F3F3F3F, (head[3] >> 4 & 0x0F0F0F0F) | (head[2] >> 2 & 0x30303030),
    };
    UNROLL for (int i = 0; i < 8; i++) {
        out->scales[i] = byte_lanes(scales[i / 4], i % 4);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        const words two = minima[i / 2] >> 16 * (i % 2);
        out->pairs[i] = (two & 0xFF) | (two & 0xFF00) << 8;
    }
}

INLINE void unpack_subblock_pair(
    const kernels_type type, const row_starts *rows, const int pair,
    subblock_pair *out
) {
    const int first = first_of_pair(type, pair), second = second_of_pair(type, pair);
    const size_t place = type == KERNELS_Q4_K ? 16 : type == KERNELS_Q5_K ? 48 : 0;
    UNROLL for (int half = 0; half < 2; half++) {
        words pairs[4], upper[4];
        load_words(rows, place + (size_t)(32 * pair + 16 * half), pairs);
        if (type == KERNELS_Q5_K) {
            load_words(rows, (size_t)(16 + 16 * half), upper);
        } else if (type == KERNELS_Q6_K) {
            load_words(rows, (size_t)(128 + 32 * (pair / 2) + 16 * half), upper);
        }
        UNROLL for (int j = 0; j < 4; j++) {
            words low = pairs[j] & 0x0F0F0F0F, high = pairs[j] >> 4 & 0x0F0F0F0F;
            if (type == KERNELS_Q5_K) {
                low |= (upper[j] >> first & 0x01010101) << 4;
                high |= (upper[j] >> second & 0x01010101) << 4;
            } else if (type == KERNELS_Q6_K) {
                low |= (upper[j] >> 2 * (first % 4) & 0x03030303) << 4;
                high |= (upper[j] >> 2 * (second % 4) & 0x03030303) << 4;
            }
            out->first[4 * half + j] = low;
            out->second[4 * half + j] = high;
        }
    }
}

/// What the products of a block start from: the quants of Q6_K are 32 too large.
INLINE void start_superblock(
    const kernels_type type, const int column_count, const superblock_scales *weights,
    const int16_t *sums, size_t stride, integers products[]
) {
    UNROLL for (int c = 0; c < column_count; c++) {
        products[c] = (integers){0};
        if (type == KERNELS_Q6_K) {
            UNROLL for (int i = 0; i < 8; i++) {
                products[c] = dot_pairs(
                    products[c], weights->pairs[i], load_u32(sums + (size_t)c * stride + 2 * i));
            }
            products[c] = -(products[c] << 5);
        }
    }
}

/// Adds the products of a sub-block, whose quants meet those at `x`.
INLINE void add_subblock(
    const kernels_type type, const int column_count, const words quants[8],
    const superblock_scales *weights, const int sub, const int8_t *x, size_t length,
    integers products[]
) {
    // Of how many words the factor is the same.
    const int run = type == KERNELS_Q6_K ? 4 : 8;
    UNROLL for (int from = 0; from < 8; from += run) {
        integers sums[TILE];
        UNROLL for (int c = 0; c < column_count; c++) {
            sums[c] = (integers){0};
        }
        UNROLL for (int j = from; j < from + run; j++) {
            UNROLL for (int c = 0; c < column_count; c++) {
                sums[c] = dot(
                    sums[c], quants[j], load_u32(x + (size_t)c * length + 32 * sub + 4 * j));
            }
        }
        const integers factor =
            (integers)weights->scales[type == KERNELS_Q6_K ? 2 * sub + from / 4 : sub];
        UNROLL for (int c = 0; c < column_count; c++) {
            products[c] += sums[c] * factor;
        }
    }
}

/// Adds a block to the results: the last steps, in floats.
INLINE void finish_superblock(
    const kernels_type type, const int column_count, const superblock_scales *weights,
    const float *scales, const int16_t *sums, size_t block_count, const integers products[],
    floats results[]
) {
    UNROLL for (int c = 0; c < column_count; c++) {
        const floats scale = all_lanes(scales[(size_t)c * block_count]);
        results[c] = multiply_add(
            __builtin_convertvector(products[c], floats), weights->scale * scale, results[c]);
        if (has_minima(type)) {
            integers minima = {0};
            UNROLL for (int i = 0; i < 4; i++) {
                minima = dot_pairs(
                    minima, weights->pairs[i],
                    load_u32(sums + (size_t)c * block_count * SUPERBLOCK_SUM_COUNT + 16 + 2 * i));
            }
            results[c] = multiply_add(
                __builtin_convertvector(minima, floats), -(weights->minimum * scale), results[c]);
        }
    }
}

/// Adds the products of a block, number `block` of its row, to the results of a tile. Its quants
/// are those of `taken`, or, when that is null, are taken from `rows`.
INLINE void add_superblock(
    const kernels_type type, const int column_count, const superblock_scales *weights,
    const subblock_pair *taken, const row_starts *rows, const span *s, size_t column,
    size_t block, floats results[]
) {
    const size_t block_count = s->length / SUPERBLOCK_LENGTH;
    const size_t place = (s->column + column) * block_count + block;
    const int8_t *x = s->x->superblock_quants + place * SUPERBLOCK_LENGTH;
    const int16_t *sums = s->x->superblock_sums + place * SUPERBLOCK_SUM_COUNT;
    integers products[TILE];
    start_superblock(
        type, column_count, weights, sums, block_count * SUPERBLOCK_SUM_COUNT, products);
    UNROLL for (int pair = 0; pair < 4; pair++) {
        subblock_pair own;
        if (taken == NULL) {
            unpack_subblock_pair(type, rows, pair, &own);
        }
        const subblock_pair *quants = taken == NULL ? &own : taken + pair;
        add_subblock(
            type, column_count, quants->first, weights, first_of_pair(type, pair), x, s->length,
            products);
        add_subblock(
            type, column_count, quants->second, weights, second_of_pair(type, pair), x, s->length,
            products);
    }
    finish_superblock(
        type, column_count, weights, s->x->superblock_scales + place, sums, block_count, products,
        results);
}

/// Few columns: each block is multiplied as soon as it is taken apart.
INLINE void superblock_strip(
    const kernels_type type, const bool is_interleaved, const int column_count, const span *s
) {
    const size_t block_count = s->length / SUPERBLOCK_LENGTH, stride = block_bytes(type);
    row_starts rows = starts_of(s, is_interleaved);
    floats results[TILE];
    UNROLL for (int c = 0; c < column_count; c++) {
        results[c] = (floats){0};
    }
    for (size_t block = 0; block < block_count; block++) {
        prefetch_tile(type, is_interleaved, s->rows + block * stride * LANES, stride * LANES);
        superblock_scales weights;
        unpack_superblock_lanes(type, &rows, &weights);
        add_superblock(type, column_count, &weights, NULL, &rows, s, 0, block, results);
        advance(&rows, stride);
    }
    UNROLL for (int c = 0; c < column_count; c++) {
        write_results(s, (size_t)c, results[c]);
    }
}

INLINE void superblock_tile(
    const kernels_type type, const int column_count, const superblock_scales *weights,
    const subblock_pair *quants, const span *s, size_t column, size_t block, floats sums[]
) {
    floats results[TILE];
    UNROLL for (int c = 0; c < column_count; c++) {
        results[c] = sums[column + (size_t)c];
    }
    add_superblock(type, column_count, weights, quants, NULL, s, column, block, results);
    UNROLL for (int c = 0; c < column_count; c++) {
        sums[column + (size_t)c] = results[c];
    }
}

/// Many columns: a block is taken apart once for all of them; 6 KB in the first cache.
INLINE void superblock_panel(
    const kernels_type type, const bool is_interleaved, size_t column_count, const span *s
) {
    const size_t block_count = s->length / SUPERBLOCK_LENGTH, stride = block_bytes(type);
    row_starts rows = starts_of(s, is_interleaved);
    superblock_scales weights;
    subblock_pair quants[4];
    floats sums[PANEL_COLUMNS_MAX];
    for (size_t c = 0; c < column_count; c++) {
        sums[c] = (floats){0};
    }
    for (size_t block = 0; block < block_count; block++) {
        prefetch_tile(type, is_interleaved, s->rows + block * stride * LANES, stride * LANES);
        unpack_superblock_lanes(type, &rows, &weights);
        UNROLL for (int pair = 0; pair < 4; pair++) {
            unpack_subblock_pair(type, &rows, pair, &quants[pair]);
        }
        advance(&rows, stride);
#define TILE_OF(columns) superblock_tile(type, (columns), &weights, quants, s, column, block, sums)
        FOR_EACH_TILE(column_count, TILE_OF);
#undef TILE_OF
    }
    for (size_t c = 0; c < column_count; c++) {
        write_results(s, c, sums[c]);
    }
}
