"""Writes tiny random models of each architecture and type of weights as GGUF files.

usage: tiny_models.py FOLDER SEED...

Each kind of model below is written once for each seed. On stdout: a JSON list of {"name": TEXT,
"path": PATH, "prompts": [[ID, ...], ...]}.

A random model means nothing, so its scale is free. Two things make its greedy text a good
comparison. First, few tokens stand near the top: the rows of the output matrix have very different
lengths (log-normal), so that the choice is mostly clear. Second, the layers decide: what they add
to the stream is larger than the embedding that enters it.
"""

import json
import pathlib
import sys

import gguf
import numpy

TYPES = gguf.GGMLQuantizationType
ROPE = gguf.RopeScalingType
VOCABULARY = 96
SPECIAL_COUNT = 3
EMBEDDING = 256
FEED_FORWARD = 512
HEADS, HEADS_KV = 8, 2
LAYERS = 2
CONTEXT = 256
PROMPT_COUNT = 8

# The types of weights; a new one is a line here.
WEIGHT_TYPES = [TYPES.F32, TYPES.F16, TYPES.BF16, TYPES.Q8_0, TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0,
                TYPES.Q5_1, TYPES.Q4_K, TYPES.Q5_K, TYPES.Q6_K]

# The K types: bytes of quants in a block, and the deviation of the weights in units of d (that
# of evenly spread quants times the mean scale).
SUPERBLOCKS = {TYPES.Q4_K: (128, 221), TYPES.Q5_K: (160, 443), TYPES.Q6_K: (192, 887)}
MIDDLES = {TYPES.Q4_K: 7.5, TYPES.Q5_K: 15.5}


def kinds():
    """(name, architecture, type, options) of each model."""
    for kind in WEIGHT_TYPES:
        for architecture in ["llama", "qwen2", "qwen3"]:
            yield f"{architecture} {kind.name}", architecture, kind, {}
    yarn = {"scaling": ROPE.YARN, "factor": 4.0, "original": 32}
    for architecture in ["llama", "qwen2", "qwen3"]:
        yield f"{architecture} yarn", architecture, TYPES.F32, yarn
    yield "llama linear", "llama", TYPES.F32, {"scaling": ROPE.LINEAR, "factor": 4.0}
    yield "llama factors", "llama", TYPES.F32, {"has_factors": True}
    yield "llama biases", "llama", TYPES.F32, {"has_biases": True}
    yield "llama tied", "llama", TYPES.F32, {"is_tied": True}
    yield "llama attn_factor", "llama", TYPES.F32, dict(yarn, attention_factor=1.5)


class Model:
    def __init__(self, path, architecture, kind, chance, options):
        self.writer = gguf.GGUFWriter(path, architecture)
        self.kind = kind
        self.chance = chance
        self.head_length = 64 if architecture == "qwen3" else EMBEDDING // HEADS
        self.has_head_norms = architecture == "qwen3"
        self.has_biases = architecture == "qwen2" or options.get("has_biases", False)
        self.add_keys(options)
        self.add_vocabulary()
        self.add_tensors(options)

    def add_keys(self, options):
        writer = self.writer
        writer.add_block_count(LAYERS)
        writer.add_context_length(CONTEXT)
        writer.add_embedding_length(EMBEDDING)
        writer.add_feed_forward_length(FEED_FORWARD)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(HEADS_KV)
        writer.add_key_length(self.head_length)
        writer.add_value_length(self.head_length)
        writer.add_rope_dimension_count(self.head_length)
        writer.add_layer_norm_rms_eps(1e-5)
        # A low base, so that pairs of all speeds turn within the few tokens of a test.
        writer.add_rope_freq_base(100.0)
        if "scaling" in options:
            writer.add_rope_scaling_type(options["scaling"])
            writer.add_rope_scaling_factor(options["factor"])
        if "original" in options:
            writer.add_rope_scaling_orig_ctx_len(options["original"])
        if "attention_factor" in options:
            writer.add_rope_scaling_attn_factors(options["attention_factor"])

    def add_vocabulary(self):
        """A vocabulary that no text ever meets; but llama.cpp's server wants one."""
        plain_count = VOCABULARY - SPECIAL_COUNT
        tokens = ["<unk>", "<s>", "</s>"] + [f"t{number}" for number in range(plain_count)]
        kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
        self.writer.add_tokenizer_model("llama")
        self.writer.add_token_list(tokens)
        self.writer.add_token_scores([0.0] * VOCABULARY)
        self.writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * plain_count)

    def add_tensors(self, options):
        width = EMBEDDING
        queries, keys = HEADS * self.head_length, HEADS_KV * self.head_length
        is_tied = options.get("is_tied", False)
        # The lengths of the rows that make logits.
        spread = numpy.exp(self.chance.normal(0, 1, VOCABULARY))[:, None]
        # Nothing makes a special token likely: no text ends before its time.
        spread[:SPECIAL_COUNT] = 0
        self.add_matrix("token_embd", VOCABULARY, width, spread if is_tied else 1)
        for layer in range(LAYERS):
            name = f"blk.{layer}."
            self.add_norm(name + "attn_norm", width)
            # Sharp attention: scores with a deviation of about 3.
            self.add_matrix(name + "attn_q", queries, width, 3 if not self.has_head_norms else 1)
            self.add_matrix(name + "attn_k", keys, width)
            self.add_matrix(name + "attn_v", keys, width)
            if self.has_biases:
                self.add_vector(name + "attn_q.bias", self.chance.normal(0, 1, queries))
                self.add_vector(name + "attn_k.bias", self.chance.normal(0, 1, keys))
                self.add_vector(name + "attn_v.bias", self.chance.normal(0, 0.5, keys))
            if self.has_head_norms:
                self.add_norm(name + "attn_q_norm", self.head_length, 3)
                self.add_norm(name + "attn_k_norm", self.head_length)
            self.add_matrix(name + "attn_output", width, queries, 4)
            self.add_norm(name + "ffn_norm", width)
            self.add_matrix(name + "ffn_gate", FEED_FORWARD, width)
            self.add_matrix(name + "ffn_up", FEED_FORWARD, width)
            self.add_matrix(name + "ffn_down", width, FEED_FORWARD, 4)
        self.add_norm("output_norm", width)
        if not is_tied:
            self.add_matrix("output", VOCABULARY, width, spread)
        if options.get("has_factors", False):
            factors = numpy.linspace(1, 8, self.head_length // 2)
            self.add_vector("rope_freqs.weight", factors)

    def add_matrix(self, name, outputs, inputs, scale=1):
        deviations = numpy.broadcast_to(scale / inputs**0.5, (outputs, 1))
        if self.kind in SUPERBLOCKS:
            packed = self.superblocks(inputs, deviations)
        else:
            weights = self.chance.normal(0, 1, (outputs, inputs)) * deviations
            packed = gguf.quantize(weights.astype(numpy.float32), self.kind)
        self.writer.add_tensor(name + ".weight", packed, raw_dtype=self.kind)

    def superblocks(self, inputs, deviations):
        """Random blocks of the K types, which the package reads and does not make: evenly spread
        quants, scales from 32 to 63, each minimum the middle quant times its scale."""
        outputs = deviations.shape[0]
        quants, step = SUPERBLOCKS[self.kind]
        scale = (deviations / step).astype(numpy.float16)
        count = inputs // 256
        parts = self.chance.integers(32, 64, (outputs, count, 8))
        if self.kind == TYPES.Q6_K:
            signs = self.chance.choice([-1, 1], (outputs, count, 16))
            scales = (numpy.repeat(parts, 2, axis=2) * signs).astype(numpy.int8).view(numpy.uint8)
            heads = []
        else:
            low, high = parts[..., :4], parts[..., 4:]
            word = low & 63 | high >> 4 << 6
            scales = numpy.concatenate([word, word, high & 15 | (high & 15) << 4], axis=2)
            minimum = (scale.astype(numpy.float32) * MIDDLES[self.kind]).astype(numpy.float16)
            heads = [scale, minimum]
        def spread(half):
            return numpy.repeat(half.view(numpy.uint8).reshape(outputs, 1, 2), count, axis=1)
        random = self.chance.integers(0, 256, (outputs, count, quants))
        if self.kind == TYPES.Q6_K:
            blocks = [random, scales, spread(scale)]
        else:
            blocks = [spread(half) for half in heads] + [scales, random]
        packed = numpy.concatenate([part.astype(numpy.uint8) for part in blocks], axis=2)
        return packed.reshape(outputs, -1)

    def add_norm(self, name, count, scale=1):
        self.add_vector(name + ".weight", scale * self.chance.uniform(0.7, 1.3, count))

    def add_vector(self, name, values):
        self.writer.add_tensor(name, values.astype(numpy.float32))

    def write(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    answers = []
    for seed in map(int, sys.argv[2:]):
        for number, (name, architecture, kind, options) in enumerate(kinds()):
            chance = numpy.random.Generator(numpy.random.PCG64([seed, number]))
            path = folder / f"{name.replace(' ', '-')}-{seed}.gguf"
            Model(str(path), architecture, kind, chance, options).write()
            prompts = chance.integers(SPECIAL_COUNT, VOCABULARY, (PROMPT_COUNT, 12)).tolist()
            answers.append({"name": f"{name}, seed {seed}", "path": str(path), "prompts": prompts})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
