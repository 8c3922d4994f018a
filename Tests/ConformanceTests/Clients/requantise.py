"""Writes a GGUF file of the architecture llama again with its matrices in another type.

usage: requantise.py MODEL.gguf OUTPUT.gguf TYPE [padded]

Weights are dequantised by the package gguf and quantised by ggml. A matrix whose rows are not
whole blocks of the type gets the type that llama.cpp gives it then (llama-quant.cpp). With "padded" the model is made
wider with zeros, so that its rows are whole blocks of 256, and computes the same: more elements of
the embedding, all zero; more heads of keys with their queries, all zero, read by nobody. The norm
divides by the root of a mean over more elements, which its weight and its epsilon make good.
"""

import math
import sys

import gguf
import numpy

import llama_library

TYPES = gguf.GGMLQuantizationType
BLOCK = 256
FALLBACKS = {TYPES.Q4_K: TYPES.Q5_0, TYPES.Q5_K: TYPES.Q5_1, TYPES.Q6_K: TYPES.Q8_0}


def type_for(wanted, length):
    block = gguf.GGML_QUANT_SIZES[wanted][0]
    return wanted if length % block == 0 else FALLBACKS[wanted]


def packed(rows, kind):
    if kind == TYPES.F32:
        return rows
    if kind == TYPES.F16:
        return rows.astype(numpy.float16)
    return llama_library.quantise(rows, kind.value)


class Padding:
    """The wider shape: old lengths of rows and columns, and keys of the file, with new ones."""

    def __init__(self, fields, is_padded):
        width, heads, heads_kv = (
            fields["llama." + name].contents() for name in
            ("embedding_length", "attention.head_count", "attention.head_count_kv"))
        length = width // heads
        wider_kv = heads_kv
        if is_padded:
            while heads // heads_kv * wider_kv * length % BLOCK:
                wider_kv += 1
        wider = heads // heads_kv * wider_kv * length
        self.norm_factor = math.sqrt(width / wider)
        self.lengths = {width: wider, heads_kv * length: wider_kv * length}
        epsilon = "llama.attention.layer_norm_rms_epsilon"
        self.keys = {
            "llama.embedding_length": wider,
            "llama.attention.head_count": heads // heads_kv * wider_kv,
            "llama.attention.head_count_kv": wider_kv,
            epsilon: fields[epsilon].contents() * width / wider,
        }

    def pad(self, values):
        wider = [self.lengths.get(count, count) for count in values.shape]
        values = numpy.pad(
            values, [(0, new - old) for old, new in zip(values.shape, wider, strict=True)])
        return values * numpy.float32(self.norm_factor) if values.ndim == 1 else values


def main():
    source, target, name, *options = sys.argv[1:]
    wanted = TYPES[name]
    reader = gguf.GGUFReader(source)
    padding = Padding(reader.fields, options == ["padded"])
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner = field.types[1] if len(field.types) > 1 else None
        value = padding.keys.get(field.name, field.contents())
        writer.add_key_value(field.name, value, field.types[0], inner)
    for tensor in reader.tensors:
        # numpy's order: the length of a row comes last.
        shape = [int(count) for count in reversed(tensor.shape)]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        values = padding.pad(numpy.ascontiguousarray(values, numpy.float32))
        if len(shape) == 1:
            writer.add_tensor(tensor.name, values)
        else:
            kind = type_for(wanted, values.shape[-1])
            writer.add_tensor(tensor.name, packed(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
