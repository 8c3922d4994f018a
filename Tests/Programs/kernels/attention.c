// Digests of the attention kernels: both element types, two spans, blocks out of order.

#include "digests.h"

enum { LENGTH = 40, HEADS = 3, QUERIES = 4, BLOCKS = 10, POSITIONS = 300 };

static void print_type(const kernels_table *table, kernels_type type) {
    enum { BLOCK_FLOATS = 2 * LENGTH * KERNELS_KV_BLOCK };
    static float pool[BLOCKS * BLOCK_FLOATS], row[LENGTH], queries[QUERIES * HEADS * LENGTH];
    static float states[QUERIES * HEADS * (LENGTH + 2)], next[QUERIES * HEADS * (LENGTH + 2)];
    static float scratch[KERNELS_TILE_QUERIES * (KERNELS_SPAN + 2 * LENGTH + 2)], out[LENGTH];
    static const uint32_t blocks[BLOCKS] = {7, 2, 9, 0, 4, 1, 8, 3, 6, 5};
    const size_t width = type == KERNELS_F16 ? 2 : 4;
    const kernels_kv kv = {
        .base = (const uint8_t *)pool,
        .blocks = blocks,
        .block_byte_count = BLOCK_FLOATS * width,
        .head_length = LENGTH,
        .type = type,
    };
    for (size_t t = 0; t < POSITIONS; t++) {
        const size_t inner = t % KERNELS_KV_BLOCK;
        uint8_t *keys = (uint8_t *)pool + blocks[t / KERNELS_KV_BLOCK] * kv.block_byte_count;
        uint8_t *values = keys + LENGTH * KERNELS_KV_BLOCK * width;
        random_floats(row, LENGTH);
        table->store(row, LENGTH, type, true, keys + inner * width);
        random_floats(row, LENGTH);
        table->store(row, LENGTH, type, false, values + inner * LENGTH * width);
    }
    print_digest("store", (int)type, pool, BLOCKS * kv.block_byte_count);
    random_floats(queries, QUERIES * HEADS * LENGTH);
    const kernels_queries asked = {
        .rows = queries,
        .row_stride = HEADS * LENGTH,
        .row_count = QUERIES,
        .head_count = HEADS,
        .position = POSITIONS - QUERIES,
        .scale = 0.158f,
    };
    table->attend(&kv, &asked, 0, 1, scratch, states);
    print_digest("attend", (int)type, states, sizeof states);
    table->attend(&kv, &asked, 1, 1, scratch, next);
    print_digest("attend", (int)type, next, sizeof next);
    for (size_t i = 0; i < QUERIES * HEADS; i++) {
        table->join(states + i * (LENGTH + 2), next + i * (LENGTH + 2), LENGTH);
    }
    print_digest("join", (int)type, states, sizeof states);
    table->finish(states, LENGTH, out);
    print_digest("finish", (int)type, out, sizeof out);
}

void print_attention(const kernels_table *table) {
    print_type(table, KERNELS_F16);
    print_type(table, KERNELS_F32);
}
