"""Writes an encoder as a GGUF file and asks llama.cpp for its vectors of some tokens.

usage: bert_gguf.py DIRECTORY OUTPUT.gguf TYPE REQUEST.json

The directory is as sentence-transformers writes it, its vocabulary in BERT's own order; TYPE is
F32, F16 or Q8_0, of the layers' matrices. The request is [[ID, ...], ...], for llama.cpp takes
"[SEP]" in a text for the separator; the answer, on stdout, is [[NUMBER, ...], ...].
"""

import json
import os
import pathlib
import sys

import gguf
import numpy
import safetensors.numpy
import xllamacpp

NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER_NAMES = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k",
    "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
}


def gguf_name(name):
    stem, _, part = name.rpartition(".")
    if stem in NAMES:
        return NAMES[stem] + "." + part
    if stem.startswith("encoder.layer."):
        layer, _, rest = stem.removeprefix("encoder.layer.").partition(".")
        return f"blk.{layer}.{LAYER_NAMES[rest]}.{part}"
    return None


def is_control(word):
    return len(word) > 1 and word.startswith("[") and word.endswith("]")


def gguf_piece(word):
    if is_control(word):
        return word
    return word[2:] if word.startswith("##") else "\u2581" + word


def write(directory, path, type_name):
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    words = (directory / "vocab.txt").read_text(encoding="utf-8").split("\n")
    words = words[:config["vocab_size"]]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([gguf_piece(word).encode() for word in words])
    writer.add_token_types([3 if is_control(word) else 1 for word in words])
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    tensors = safetensors.numpy.load_file(str(directory / "model.safetensors"))
    for name, tensor in tensors.items():
        name, tensor = gguf_name(name), tensor.astype(numpy.float32)
        if name is None:
            continue
        if type_name != "F32" and tensor.ndim == 2 and name.startswith("blk."):
            kind = gguf.GGMLQuantizationType[type_name]
            writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def embed(path, lists):
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.embedding = True
    params.warmup = False
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    answer = xllamacpp.Server(params).handle_embeddings({"input": lists, "model": "encoder"})
    items = sorted(answer["data"], key=lambda item: item["index"])
    return [item["embedding"] for item in items]


def main():
    directory, path, type_name, request = sys.argv[1:]
    with open(request, encoding="utf-8") as file:
        lists = json.load(file)
    write(pathlib.Path(directory), path, type_name)
    # The library writes its log to stdout as well: the answer gets a stream of its own.
    answer_stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(embed(path, lists), answer_stream)
    answer_stream.flush()


if __name__ == "__main__":
    main()
