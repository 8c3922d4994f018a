"""Writes the logits of llama.cpp for every position of some texts, and the rows between layers.

usage: llama_logits.py MODEL.gguf REQUEST.json FOLDER

The request is {"windows": [[ID, ...], ...], "threads": N, "plain": BOOL, "layers": BOOL,
"rope_base": NUMBER}; only the windows must be there. Each window is computed for itself. With
"plain", keys and values are of 32 bits and attention is exact, else the library's defaults hold.
"rope_base" puts in an error on purpose. FOLDER gets `logits-N` for window N: 32-bit floats,
little-endian, (positions, vocabulary); with "layers" also `layer-N` and `norm`, (positions,
embedding), what each layer and the last norm gave, of the last window.
"""

import json
import os
import pathlib
import sys

from llama_library import Context


def main():
    model, request, folder = sys.argv[1:]
    with open(request, encoding="utf-8") as file:
        request = json.load(file)
    folder = pathlib.Path(folder)
    windows = request["windows"]

    def wants(name):
        return name == "result_norm" or name.startswith("l_out-")

    def write(name, values):
        values.astype("<f4").tofile(folder / name.replace("l_out", "layer").replace("result_", ""))

    context = Context(
        model, max(map(len, windows)), threads=request.get("threads", 1),
        is_plain=request.get("plain", False), rope_base=request.get("rope_base", 0.0), wants=wants,
        observe=write if request.get("layers", False) else None)
    for index, window in enumerate(windows):
        write(f"logits-{index}", context.logits(window))
    # The files are written; the library's threads need no orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()
