"""Asks a node for embeddings with the public OpenAI client.

usage: openai_embed.py --base-url URL --ca FILE --api-key KEY --model NAME --decoder NAME
                       --directory DIR --program SWIFTLET --data DIR

The model is the encoder of --directory; --data is the node's. Reports as openai_chat.py does.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy
import openai

import bert_reference
from openai_chat import expect, make_client, refused, run

CHECKS = []
TEXTS = ["A cat sits on the mat.", "A kitten is sitting on a rug.", "Stocks fell on Tuesday.",
         "Äther, naïve café; 東京"]


def check(sentence):
    def add(function):
        CHECKS.append((sentence, function))
        return function
    return add


class Node:
    """A client, the model to use with it, and the reference for that model."""

    def __init__(self, options):
        self.options = options
        self.client = make_client(options)
        directory = pathlib.Path(options.directory)
        self.tokenizer = bert_reference.make_tokenizer(directory)
        self.bert = bert_reference.Bert(directory)

    def create(self, texts, **changes):
        return self.client.embeddings.create(
            **({"model": self.options.model, "input": texts} | changes))

    def vectors(self, texts, **changes):
        answer = self.create(texts, **changes)
        expect([item.index for item in answer.data] == list(range(len(answer.data))), "order")
        return numpy.array([item.embedding for item in answer.data])

    def ids(self, text):
        return self.tokenizer.encode(text).ids

    def command(self, *arguments):
        done = subprocess.run(
            [self.options.program, *arguments, "--data", self.options.data],
            capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


@check("each text has its vector of length 1, in order")
def _(node):
    vectors = node.vectors(TEXTS)
    expect(vectors.shape == (len(TEXTS), 384), f"shape {vectors.shape}")
    expect(abs(numpy.linalg.norm(vectors, axis=1) - 1).max() < 1e-6, "other lengths")
    cosines = vectors @ vectors.T
    expect(cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2], f"cosines {cosines}")


@check("the vectors are those of BERT in double precision")
def _(node):
    expected = numpy.array([node.bert.vector(node.ids(text)) for text in TEXTS])
    error = abs(node.vectors(TEXTS) - expected).max()
    expect(error < 1e-5, f"an element is off by {error}")


@check("float and base64 are the same bits")
def _(node):
    # Without the parameter the client asks for base64.
    numbers = node.vectors(TEXTS, encoding_format="float").astype(numpy.float32)
    bits = node.vectors(TEXTS).astype(numpy.float32)
    expect((numbers.view(numpy.uint32) == bits.view(numpy.uint32)).all(), "other bits")


@check("a text alone has the vector that it has among others")
def _(node):
    together = node.vectors(TEXTS * 40)
    for index, text in enumerate(TEXTS):
        alone = node.vectors(text)
        for first in range(index, len(together), len(TEXTS)):
            expect((alone[0] == together[first]).all(), f"text {first} is another")


@check("token ids have the vector of their text")
def _(node):
    expected = node.vectors(TEXTS)
    lists = [node.ids(text) for text in TEXTS]
    expect((node.vectors(lists) == expected).all(), "lists of ids give others")
    expect((node.vectors(lists[0]) == expected[:1]).all(), "one list of ids gives another")


@check("usage counts the tokens, special ones included")
def _(node):
    usage = node.create(TEXTS).usage
    count = sum(len(node.ids(text)) for text in TEXTS)
    expect(usage.prompt_tokens == usage.total_tokens == count, f"{usage}, not {count}")


@check("dimensions gives the first elements, of length 1 again")
def _(node):
    whole, part = node.vectors(TEXTS), node.vectors(TEXTS, dimensions=64)
    expect(part.shape == (len(TEXTS), 64), f"shape {part.shape}")
    expected = whole[:, :64] / numpy.linalg.norm(whole[:, :64], axis=1, keepdims=True)
    expect(abs(part - expected).max() < 1e-6, "other elements")


@check("too many dimensions are a BadRequestError naming the limit")
def _(node):
    error = refused(lambda: node.create(TEXTS, dimensions=385), openai.BadRequestError)
    expect(error.param == "dimensions" and "384" in error.message, error.message)


@check("a text that is too long is a BadRequestError naming the limit")
def _(node):
    long = "cat " * 600
    error = refused(lambda: node.create([TEXTS[0], long]), openai.BadRequestError)
    expect(error.code == "context_length_exceeded", f"code {error.code}")
    expect("602" in error.message and "512" in error.message, error.message)


@check("an id that is no token is a BadRequestError naming it")
def _(node):
    error = refused(lambda: node.create([101, 30522, 102]), openai.BadRequestError)
    expect(error.param == "input" and "30522" in error.message, error.message)
    refused(lambda: node.create([-1]), openai.BadRequestError)


@check("no text, an empty one and a mixture are BadRequestErrors")
def _(node):
    for texts in ([], "", ["a", ""], ["a", 1], [[]], [["a"]], ["a"] * 2049):
        error = refused(lambda: node.create(texts), openai.BadRequestError)
        expect(error.param == "input", f"{error.message}")


@check("an unknown model is a NotFoundError")
def _(node):
    refused(lambda: node.create(TEXTS, model="nobody"), openai.NotFoundError)


@check("an unknown parameter is a BadRequestError naming it")
def _(node):
    error = refused(
        lambda: node.create(TEXTS, extra_body={"dimension": 3}), openai.BadRequestError)
    expect("dimension" in error.message, error.message)


@check("an encoder stands in the list of models")
def _(node):
    names = [model.id for model in node.client.models.list()]
    expect(node.options.model in names, f"{names}")
    expect(node.client.models.retrieve(node.options.model).id == node.options.model, "other id")


@check("a decoder gives vectors of its embedding length")
def _(node):
    vectors = node.vectors(TEXTS, model=node.options.decoder)
    expect(vectors.shape == (len(TEXTS), 576), f"shape {vectors.shape}")
    expect(abs(numpy.linalg.norm(vectors, axis=1) - 1).max() < 1e-6, "other lengths")
    alone = node.vectors(TEXTS[2], model=node.options.decoder)
    expect((alone[0] == vectors[2]).all(), "another vector alone")


@check("an encoder answers no chat and cannot be deployed")
def _(node):
    refused(
        lambda: node.client.chat.completions.create(
            model=node.options.model, messages=[{"role": "user", "content": "Hello"}]),
        openai.APIStatusError)
    code, _, complaint = node.command("model", "deploy", node.options.model, "--stages", "1")
    expect(code != 0 and "/v1/embeddings" in complaint, f"{code}: {complaint}")


@check("a file that was changed on the disk is refused until it was added again")
def _(node):
    _, listed, _ = node.command("model", "list", "--json")
    digest = next(
        model["digest"] for model in json.loads(listed)["models"]
        if model["name"] == node.options.model)
    path = next(pathlib.Path(node.options.data, "artifacts").rglob(digest))
    copy = path.with_name("good.gguf")
    copy.write_bytes(path.read_bytes())
    path.chmod(0o600)
    expected = node.vectors(TEXTS)
    with open(path, "r+b") as file:
        file.seek(-1000, 2)
        byte = file.read(1)[0]
        file.seek(-1000, 2)
        file.write(bytes([byte ^ 1]))
    refused(lambda: node.create(TEXTS), openai.PermissionDeniedError)
    # What is damaged is of no use to anybody, and makes room for a good copy.
    expect(not path.exists(), "the damaged file is there")
    code, _, complaint = node.command(
        "model", "add", str(copy), "--name", node.options.model, "--license", "Apache-2.0")
    expect(code == 0, complaint)
    expect((node.vectors(TEXTS) == expected).all(), "other vectors afterwards")


@check("a licence that the policy no longer takes is refused")
def _(node):
    code, _, complaint = node.command("policy", "set", "CC0-1.0")
    expect(code == 0, complaint)
    error = refused(lambda: node.create(TEXTS), openai.PermissionDeniedError)
    expect("Apache-2.0" in error.message, error.message)


def main():
    parser = argparse.ArgumentParser()
    for name in ("base-url", "ca", "api-key", "model", "decoder", "directory", "program", "data"):
        parser.add_argument("--" + name, required=True)
    node = Node(parser.parse_args())
    json.dump([run(sentence, function, node) for sentence, function in CHECKS], sys.stdout)


if __name__ == "__main__":
    main()
