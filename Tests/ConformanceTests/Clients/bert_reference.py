"""The outside reference of the embeddings: Hugging Face's tokenizers, and BERT written in numpy.

usage: bert_reference.py DIRECTORY REQUEST.json

The request is {"fuzz": {"seed": N, "count": N}, "texts": [TEXT, ...]}; the answer, on stdout, is
{"strings": [TEXT, ...], "ids": [[ID, ...], ...], "vectors": [[NUMBER, ...], ...]}: invented
strings with their token ids, and the vector of each text, in double precision throughout.
"""

import json
import math
import pathlib
import random
import sys

import numpy
import safetensors.numpy
import tokenizers


def make_tokenizer(directory):
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # A user's "[SEP]" is text.
    tokenizer.encode_special_tokens = True
    return tokenizer


# Where scripts, marks, signs and things that nobody sees lie close together.
BLOCKS = [
    (0x00, 0x7F), (0x20, 0x7E), (0x61, 0x7A), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x5FF),
    (0x600, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1AB0, 0x1DFF),
    (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF), (0x2E00, 0x2E7F), (0x3000, 0x30FF),
    (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAFF),
    (0xFB00, 0xFFFF), (0x10000, 0x11FFF), (0x1D000, 0x1D2FF), (0x1F000, 0x1FAFF),
    (0x20000, 0x2FA1F), (0xE0000, 0xE01FF), (0x0, 0x10FFFF)]
WORDS = [
    "unaffable", "Café", "naïve", "Ünïcödé", "don't", "3.14", "e-mail", "ΣΊΣΥΦΟΣ", "İstanbul",
    "straße", "東京", "한국어", "Việt Nam", "हिन्दी", "العربية", "[SEP]", "[MASK]", "##ing", "👩‍👩‍👧",
    "a" * 99, "b" * 100, "c" * 101, "e\u0301", "q\u0323\u0307", "ﬁ", "Ǆ", "\u1e9b\u0323"]


def scalar(chance):
    while True:
        low, high = chance.choice(BLOCKS)
        code = chance.randint(low, high)
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def invent(chance):
    parts = []
    for _ in range(chance.randint(0, 24)):
        kind = chance.random()
        if kind < 0.3:
            parts.append(chance.choice(WORDS))
        elif kind < 0.5:
            parts.append(chance.choice([" ", "  ", "\n", "\t", "\u00a0", ". ", ", ", "-"]))
        else:
            parts.append("".join(scalar(chance) for _ in range(chance.randint(1, 6))))
    return "".join(parts)


class Bert:
    """arXiv 1810.04805; pooling and norm as sentence-transformers' all-MiniLM-L6-v2 has them."""

    def __init__(self, directory):
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        tensors = safetensors.numpy.load_file(str(directory / "model.safetensors"))
        self.tensors = {name: tensor.astype(numpy.float64) for name, tensor in tensors.items()}
        self.layer_count = config["num_hidden_layers"]
        self.head_count = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.erf = numpy.vectorize(math.erf)

    def dense(self, name, x):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, name, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = numpy.sqrt((centred ** 2).mean(axis=-1, keepdims=True) + self.epsilon)
        weight, bias = self.tensors[name + ".weight"], self.tensors[name + ".bias"]
        return centred / scale * weight + bias

    def attention(self, name, x):
        length = x.shape[1] // self.head_count
        query, key, value = (
            self.dense(name + part, x).reshape(-1, self.head_count, length).transpose(1, 0, 2)
            for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(length)
        weights = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ value).transpose(1, 0, 2).reshape(x.shape)

    def vector(self, ids):
        table = "embeddings.%s_embeddings.weight"
        x = self.tensors[table % "word"][ids] + self.tensors[table % "token_type"][0]
        x = self.norm("embeddings.LayerNorm", x + self.tensors[table % "position"][:len(ids)])
        for index in range(self.layer_count):
            layer = "encoder.layer.%d." % index
            attended = self.attention(layer + "attention.self.", x)
            attended = self.dense(layer + "attention.output.dense", attended)
            x = self.norm(layer + "attention.output.LayerNorm", x + attended)
            inner = self.dense(layer + "intermediate.dense", x)
            inner = inner * 0.5 * (1 + self.erf(inner / math.sqrt(2)))
            x = self.norm(
                layer + "output.LayerNorm", x + self.dense(layer + "output.dense", inner))
        mean = x.mean(axis=0)
        return mean / numpy.linalg.norm(mean)


def main():
    directory, path = pathlib.Path(sys.argv[1]), sys.argv[2]
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    tokenizer, bert = make_tokenizer(directory), Bert(directory)
    chance = random.Random(request["fuzz"]["seed"])
    strings = [invent(chance) for _ in range(request["fuzz"]["count"])]
    json.dump({
        "strings": strings,
        "ids": [tokenizer.encode(string).ids for string in strings],
        "vectors": [
            list(bert.vector(tokenizer.encode(text).ids)) for text in request["texts"]],
    }, sys.stdout)


if __name__ == "__main__":
    main()
