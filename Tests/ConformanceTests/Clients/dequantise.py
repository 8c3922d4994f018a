"""Turns blocks of quantised weights into floats with the gguf package.

usage: dequantise.py TYPE FILE

TYPE is ggml's name; the file holds whole blocks. The floats go to stdout, 32 bits each, in the
byte order of the machine.
"""

import sys

import gguf
import numpy


def main():
    name, path = sys.argv[1:]
    kind = gguf.GGMLQuantizationType[name]
    data = numpy.fromfile(path, dtype=numpy.uint8)
    if name in ("F16", "F32"):
        data = data.view(numpy.float16 if name == "F16" else numpy.float32)
    with numpy.errstate(all="ignore"):
        floats = gguf.quants.dequantize(data.reshape(1, -1), kind)
    sys.stdout.buffer.write(floats.astype(numpy.float32).tobytes())


if __name__ == "__main__":
    main()
