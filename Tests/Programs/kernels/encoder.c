// Digests of the kernels of encoders.

#include "digests.h"

void print_encoder(const kernels_encoder_table *table) {
    enum { LENGTH = 77, COUNT = 50, STRIDE = 48, HEAD_LENGTH = 21 };
    static float x[LENGTH], weight[LENGTH], bias[LENGTH], out[LENGTH];
    static float q[HEAD_LENGTH], keys[COUNT * STRIDE], values[COUNT * STRIDE], scores[COUNT];
    random_floats(x, LENGTH);
    random_floats(weight, LENGTH);
    random_floats(bias, LENGTH);
    table->normalise_layer(x, weight, bias, LENGTH, 1e-5f, out);
    print_digest("normalise_layer", 0, out, sizeof out);
    table->add(bias, LENGTH, x);
    print_digest("add", 0, x, sizeof x);
    table->gelu(LENGTH, x);
    print_digest("gelu", 0, x, sizeof x);
    random_floats(q, HEAD_LENGTH);
    random_floats(keys, COUNT * STRIDE);
    random_floats(values, COUNT * STRIDE);
    table->attend_all(q, keys, values, COUNT, STRIDE, HEAD_LENGTH, 0.2f, scores, out);
    print_digest("attend_all", 0, out, HEAD_LENGTH * sizeof *out);
}
