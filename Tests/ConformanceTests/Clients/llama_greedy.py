"""Continues prompts greedily with llama.cpp, for a comparison token by token.

usage: llama_greedy.py MODEL.gguf REQUEST.json

The request is {"token_count": N, "prompts": [[ID, ...], ...], "plain": BOOL,
"models": [PATH, ...]}. With "models", prompt i goes to model i, and MODEL.gguf is not read. With
"plain", llama.cpp keeps keys and values in 32 bits and does without flash attention, whose sums
are of 16 bits. The answer, on stdout, is a list of {"tokens": [ID, ...], "margins": [NUMBER, ...],
"finish_reason": "stop" | "length"}. Token ids go in and come out, so that neither a tokenizer nor
a template stands between the two engines. A margin is how far, in nats, the second choice lay
behind the token that was taken.
"""

import json
import os
import sys

import xllamacpp


def make_server(model, is_plain):
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 1024
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    if is_plain:
        params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
        params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    return xllamacpp.Server(params)


def greedy(server, prompt, token_count):
    answer = server.handle_completions({
        "prompt": prompt, "n_predict": token_count, "temperature": 0, "repeat_penalty": 1,
        "cache_prompt": False, "logprobs": 2, "stream": False})
    choice = answer["choices"][0]
    steps = choice["logprobs"]["content"]
    margins = [
        step["top_logprobs"][0]["logprob"] - step["top_logprobs"][1]["logprob"] for step in steps]
    return {
        "tokens": [step["id"] for step in steps], "margins": margins,
        "finish_reason": choice["finish_reason"]}


def main():
    model, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    # The library writes its log to stdout as well: the answer gets a stream of its own.
    answer_stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prompts, is_plain = request["prompts"], request.get("plain", False)
    results = []
    if "models" in request:
        loaded = None
        for model, prompt in zip(request["models"], prompts, strict=True):
            if model != loaded:
                server, loaded = make_server(model, is_plain), model
            results.append(greedy(server, prompt, request["token_count"]))
    else:
        server = make_server(model, is_plain)
        results = [greedy(server, prompt, request["token_count"]) for prompt in prompts]
    json.dump(results, answer_stream)
    answer_stream.flush()


if __name__ == "__main__":
    main()
