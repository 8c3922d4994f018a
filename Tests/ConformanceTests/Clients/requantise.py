"""Writes a GGUF file again with its matrices in another type.

usage: requantise.py MODEL.gguf OUTPUT.gguf TYPE

Weights are dequantised by the package gguf and quantised by ggml. A matrix whose rows are not
whole blocks of the type gets the type that llama.cpp gives it then (llama-quant.cpp).
"""

import sys

import gguf
import numpy

import llama_library

TYPES = gguf.GGMLQuantizationType
FALLBACKS = {TYPES.Q4_K: TYPES.Q5_0, TYPES.Q5_K: TYPES.Q5_1, TYPES.Q6_K: TYPES.Q8_0}


def type_for(kind, length):
    block = gguf.GGML_QUANT_SIZES[kind][0]
    return kind if length % block == 0 else FALLBACKS[kind]


def packed(rows, kind):
    if kind == TYPES.F32:
        return rows
    if kind == TYPES.F16:
        return rows.astype(numpy.float16)
    return llama_library.quantise(rows, kind.value)


def main():
    source, target, name = sys.argv[1:]
    wanted = TYPES[name]
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner = field.types[1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        # numpy's order: the length of a row comes last.
        shape = [int(count) for count in reversed(tensor.shape)]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        values = numpy.ascontiguousarray(values, numpy.float32)
        if len(shape) == 1:
            writer.add_tensor(tensor.name, values)
            continue
        kind = type_for(wanted, shape[-1])
        writer.add_tensor(tensor.name, packed(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
