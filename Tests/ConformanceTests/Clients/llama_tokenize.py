"""Tokenises texts with llama.cpp, by vocabularies in small models that it writes itself.

usage: llama_tokenize.py MODEL.gguf REQUEST.json

MODEL.gguf lends its words. The request is {"folder": PATH, "texts": [TEXT, ...], "vocabularies":
[{"words": "model" | "pairs" | "pieces", "pre": NAME or null}, ...]}; the answer, on stdout, has for
each vocabulary {"model": PATH, "plain": [[ID, ...], ...], "special": [[ID, ...], ...]}: the ids of
each text without and with control tokens parsed. A vocabulary of "pairs" has a token for every two
bytes, and merges in a shuffled order, so that a text that is cut elsewhere has other tokens.
"pieces" is the kind of SentencePiece.
"""

import json
import os
import random
import sys
import urllib.request

import gguf
import numpy
import xllamacpp

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
SPECIAL = [("<|im_start|>", CONTROL), ("<|im_end|>", CONTROL), ("<|u|>", USER_DEFINED),
           ("@@@", USER_DEFINED), ("<|im_end|><|im_end|>", CONTROL)]


def alphabet():
    """The characters in which byte-level vocabularies write bytes, by byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in kept]
    return [chr(byte if byte in kept else 256 + rest.index(byte)) for byte in range(256)]


def pairs():
    letters = alphabet()
    joined = [(left, right) for left in letters for right in letters]
    random.Random(7).shuffle(joined)
    tokens = letters + [left + right for left, right in joined]
    types = [NORMAL] * len(tokens) + [kind for _, kind in SPECIAL]
    merges = [left + " " + right for left, right in joined]
    return tokens + [text for text, _ in SPECIAL], types, merges


def strings(reader, key):
    field = reader.fields[key]
    return [bytes(field.parts[index]).decode("utf-8") for index in field.data]


def model_words(reader):
    types = reader.fields["tokenizer.ggml.token_type"]
    return (strings(reader, "tokenizer.ggml.tokens"),
            [int(types.parts[index][0]) for index in types.data],
            strings(reader, "tokenizer.ggml.merges"))


def pieces(reader):
    """The words of a byte-level vocabulary as SentencePiece would write them."""
    byte_of = {letter: byte for byte, letter in enumerate(alphabet())}
    texts = {}
    tokens, types, _ = model_words(reader)
    for token, kind in zip(tokens, types):
        if kind != NORMAL:
            continue
        try:
            text = bytes(byte_of[letter] for letter in token).decode("utf-8")
        except UnicodeDecodeError:
            continue
        # llama.cpp reads words up to their first zero.
        if "\0" not in text:
            texts.setdefault(text.replace(" ", "\u2581"))
    head = [("<|unknown|>", UNKNOWN), ("<|begin|>", CONTROL), ("<|end|>", CONTROL)]
    head += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    words = head + [(text, NORMAL) for text in texts] + SPECIAL[:4]
    # Whole numbers: each score has many tokens, so that ties are met, too.
    scores = [-float(index // 3) for index in range(len(words))]
    return [text for text, _ in words], [kind for _, kind in words], scores


def write_model(path, vocabulary, reader):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    if vocabulary["words"] == "pieces":
        tokens, types, scores = pieces(reader)
        writer.add_tokenizer_model("llama")
        writer.add_token_scores(scores)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        if "add_space_prefix" in vocabulary:
            writer.add_add_space_prefix(vocabulary["add_space_prefix"])
    else:
        tokens, types, merges = (
            pairs() if vocabulary["words"] == "pairs" else model_words(reader))
        writer.add_tokenizer_model("gpt2")
        if vocabulary["pre"] is not None:
            writer.add_tokenizer_pre(vocabulary["pre"])
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_vocab_size(len(tokens))
    ones = numpy.ones(32, dtype=numpy.float32)
    square = numpy.zeros((32, 32), dtype=numpy.float32)
    writer.add_tensor("token_embd.weight", numpy.zeros((len(tokens), 32), dtype=numpy.float16))
    writer.add_tensor("output_norm.weight", ones)
    for name in ["attn_norm", "ffn_norm"]:
        writer.add_tensor(f"blk.0.{name}.weight", ones)
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]:
        writer.add_tensor(f"blk.0.{name}.weight", square)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_server(path):
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 64
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    return xllamacpp.Server(params)


def tokenize(server, text, is_special):
    body = json.dumps({"content": text, "add_special": False, "parse_special": is_special})
    request = urllib.request.Request(
        server.listening_address + "/tokenize", body.encode("utf-8"),
        {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["tokens"]


def main():
    model, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    # The library writes its log to stdout as well: the answer gets a stream of its own.
    answer_stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    reader = gguf.GGUFReader(model)
    results = []
    for index, vocabulary in enumerate(request["vocabularies"]):
        path = os.path.join(request["folder"], f"{index}.gguf")
        write_model(path, vocabulary, reader)
        server = make_server(path)
        results.append({
            "model": path,
            "plain": [tokenize(server, text, False) for text in request["texts"]],
            "special": [tokenize(server, text, True) for text in request["texts"]]})
        del server
    json.dump(results, answer_stream)
    answer_stream.flush()


if __name__ == "__main__":
    main()
