"""Talks to a node with the public OpenAI client, as any application would.

usage: openai_chat.py --base-url URL --ca FILE --api-key KEY --model NAME --context-length N

Makes each check of CHECKS on its own and prints a JSON list of {"check": TEXT, "ok": BOOL,
"detail": TEXT}. Exits with 0 when it could make them all, whatever they gave.
"""

import argparse
import concurrent.futures
import json
import math
import re
import ssl
import sys
import traceback
from typing import Literal

import openai
import pydantic

CHECKS = []
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Name three colours of the rainbow."},
]
FRANCE = "The capital of France is"
# The continuation that llama.cpp gives for these 19 tokens.
FRANCE_CONTINUED = (
    " Paris.\n\nThe United States has a population of approximately 321 million people.")


def check(sentence):
    def add(function):
        CHECKS.append((sentence, function))
        return function
    return add


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def make_client(options, **changes):
    ca, key = changes.get("ca", options.ca), changes.get("key", options.api_key)
    context = ssl.create_default_context(cafile=ca)
    http = openai.DefaultHttpxClient(verify=context, timeout=120)
    return openai.OpenAI(
        base_url=options.base_url, api_key=key, http_client=http, max_retries=0)


class Node:
    """A client, and the model to use with it."""

    def __init__(self, options):
        self.options = options
        self.model = options.model
        self.client = make_client(options)

    def chat(self, **changes):
        request = {
            "model": self.model, "messages": MESSAGES, "temperature": 0, "max_tokens": 24}
        return self.client.chat.completions.create(**(request | changes))

    def text(self, **changes):
        return self.chat(**changes).choices[0].message.content


def refused(call, error):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"not refused with {error.__name__}")


class Stream:
    """What a streamed chat gave, put together again."""

    def __init__(self, chunks):
        self.text, self.roles, self.reasons = "", [], []
        self.usage, self.piece_count, self.ids = None, 0, set()
        for chunk in chunks:
            expect(chunk.object == "chat.completion.chunk", f"object is {chunk.object}")
            expect(self.usage is None, "a chunk came after the usage")
            self.ids.add(chunk.id)
            if chunk.usage:
                expect(not chunk.choices, "the chunk with the usage has choices")
                self.usage = chunk.usage
                continue
            choice = chunk.choices[0]
            if choice.delta.role:
                self.roles.append(choice.delta.role)
            if choice.delta.content:
                expect(not self.reasons, "text came after the finish reason")
                self.text += choice.delta.content
                self.piece_count += 1
            if choice.finish_reason:
                self.reasons.append(choice.finish_reason)


@check("models.list names the deployed model, models.retrieve gives it")
def _(node):
    names = [model.id for model in node.client.models.list()]
    expect(names == [node.model], f"the models are {names}")
    expect(node.client.models.retrieve(node.model).id == node.model, "retrieve gave another")
    refused(lambda: node.client.models.retrieve("no-such-model"), openai.NotFoundError)


@check("a chat gives one assistant message")
def _(node):
    answer = node.chat()
    expect(answer.object == "chat.completion", f"object is {answer.object}")
    expect(answer.model == node.model, f"model is {answer.model}")
    expect(len(answer.choices) == 1, f"{len(answer.choices)} choices")
    message = answer.choices[0].message
    expect(message.role == "assistant", f"role is {message.role}")
    expect(message.content.strip(), "the answer is empty")
    expect("<|im_" not in message.content, f"control tokens in {message.content!r}")


@check("a streamed chat says the same as a whole one, in pieces")
def _(node):
    whole = node.chat().choices[0]
    stream = Stream(node.chat(stream=True))
    expect(stream.text == whole.message.content, f"{stream.text!r}, {whole.message.content!r}")
    expect(stream.reasons == [whole.finish_reason], f"{stream.reasons}, {whole.finish_reason}")
    expect(stream.roles == ["assistant"], f"roles are {stream.roles}")
    expect(stream.piece_count > 1, "the stream came in one piece")
    expect(len(stream.ids) == 1, f"one stream has the ids {stream.ids}")
    expect(stream.usage is None, "there is usage that nobody asked for")


@check("usage counts the tokens, the same in a stream that includes it")
def _(node):
    usage = node.chat(max_tokens=7).usage
    expect(usage.prompt_tokens > 10, f"{usage.prompt_tokens} prompt tokens")
    expect(usage.completion_tokens == 7, f"{usage.completion_tokens} completion tokens")
    expect(usage.total_tokens == usage.prompt_tokens + 7, f"{usage.total_tokens} in all")
    stream = Stream(node.chat(
        max_tokens=7, stream=True, stream_options={"include_usage": True}))
    expect(stream.usage == usage, f"the stream counts {stream.usage}, the whole {usage}")


@check("max_tokens and max_completion_tokens end a chat with the reason length")
def _(node):
    long = node.text(max_tokens=12)
    for name in ["max_tokens", "max_completion_tokens"]:
        request = {"max_tokens": openai.omit} | {name: 4}
        answer = node.chat(**request)
        choice = answer.choices[0]
        expect(choice.finish_reason == "length", f"{name}: reason is {choice.finish_reason}")
        expect(answer.usage.completion_tokens == 4, f"{name}: {answer.usage}")
        expect(long.startswith(choice.message.content), f"{choice.message.content!r}, {long!r}")


@check("a chat that the model ends itself has the reason stop")
def _(node):
    # Recorded from llama.cpp.
    answer = node.chat(
        messages=[{"role": "user", "content": "What is 2+2?"}], max_tokens=40)
    expect(answer.choices[0].finish_reason == "stop", f"{answer.choices[0].finish_reason}")
    text = answer.choices[0].message.content
    expect(text == "The answer to this classic math problem is 4.", repr(text))


@check("stop ends the text before the stop string, whole and streamed")
def _(node):
    whole = node.text()
    stop = whole.split()[3]
    before = whole[:whole.index(stop)]
    expect(before.strip(), f"nothing before {stop!r} in {whole!r}")
    choice = node.chat(stop=["never said", stop]).choices[0]
    expect(choice.message.content == before, f"{choice.message.content!r}, not {before!r}")
    expect(choice.finish_reason == "stop", f"reason is {choice.finish_reason}")
    stream = Stream(node.chat(stop=stop, stream=True))
    expect(stream.text == before, f"streamed {stream.text!r}, not {before!r}")
    expect(stream.reasons == ["stop"], f"streamed reasons are {stream.reasons}")


@check("the seed decides what a temperature draws")
def _(node):
    texts = [node.text(temperature=1.2, seed=seed) for seed in (1, 1, 2, 3)]
    expect(texts[0] == texts[1], f"one seed, two texts: {texts[:2]}")
    expect(len(set(texts)) > 1, f"three seeds, one text: {texts[0]!r}")
    expect(node.text(seed=1) == node.text(seed=2), "a seed changes the text at temperature 0")


class Colour(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    name: str = pydantic.Field(max_length=24)
    kind: Literal["warm", "cold"]
    brightness: int
    likes: list[bool] = pydantic.Field(min_length=1, max_length=3)


@check("response_format json_schema gives JSON that validates, at any temperature")
def _(node):
    schema = Colour.model_json_schema()
    for settings in [
        {"temperature": 0}, {"temperature": 1.5, "seed": 5}, {"temperature": 2, "seed": 6},
    ]:
        answer = node.chat(
            max_tokens=160, response_format={
                "type": "json_schema",
                "json_schema": {"name": "colour", "strict": True, "schema": schema}}, **settings)
        text = answer.choices[0].message.content
        expect(answer.choices[0].finish_reason == "stop", f"{settings}: unfinished {text!r}")
        Colour.model_validate(json.loads(text))


@check("chat.completions.parse gives the class that was asked for")
def _(node):
    answer = node.client.chat.completions.parse(
        model=node.model, messages=MESSAGES, temperature=0, max_tokens=160,
        response_format=Colour)
    expect(isinstance(answer.choices[0].message.parsed, Colour), "nothing was parsed")


@check("a schema that cannot be kept is a BadRequestError naming the keyword")
def _(node):
    schema = {
        "type": "object", "properties": {"a": {"type": "integer", "multipleOf": 3}},
        "required": ["a"], "additionalProperties": False}
    error = refused(
        lambda: node.chat(response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
        openai.BadRequestError)
    expect("multipleOf" in error.message, error.message)


@check("response_format json_object gives a JSON object")
def _(node):
    for seed in range(3):
        answer = node.chat(
            max_tokens=60, temperature=1, seed=seed, response_format={"type": "json_object"})
        text = answer.choices[0].message.content
        expect(answer.choices[0].finish_reason == "stop", f"unfinished {text!r}")
        expect(isinstance(json.loads(text), dict), repr(text))


@check("logprobs say how likely each token was, whole and streamed")
def _(node):
    settings = {"logprobs": True, "top_logprobs": 3, "max_tokens": 8}
    answer = node.chat(**settings)
    entries = answer.choices[0].logprobs.content
    text = b"".join(bytes(entry.bytes) for entry in entries).decode()
    expect(answer.choices[0].message.content.startswith(text), f"the tokens say {text!r}")
    for entry in entries:
        # Greedy: the chosen one is the likeliest.
        expect(entry.logprob == entry.top_logprobs[0].logprob, f"{entry}")
        falling = [top.logprob for top in entry.top_logprobs]
        expect(len(falling) == 3 and falling == sorted(falling, reverse=True), f"{falling}")
        expect(sum(math.exp(value) for value in falling) <= 1.0001, f"{falling}")
    streamed = []
    for chunk in node.chat(stream=True, **settings):
        if chunk.choices and chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.content
    expect([e.logprob for e in streamed] == [e.logprob for e in entries], "streamed others")


@check("logit_bias and penalties change what comes")
def _(node):
    forced = node.chat(max_tokens=8, logprobs=True, logit_bias={"300": 100})
    tokens = {entry.token for entry in forced.choices[0].logprobs.content}
    expect(len(tokens) == 1, f"beside the favoured token came {tokens}")
    banned = node.chat(max_tokens=8, logprobs=True, logit_bias={"300": 100, "301": -100})
    expect(banned.choices[0].message.content == forced.choices[0].message.content, "a ban matters")
    loop = {"model": node.model, "prompt": "a b a b a b a b a b", "temperature": 0, "max_tokens": 24}
    same = node.client.completions.create(**loop).choices[0].text
    other = node.client.completions.create(**loop, frequency_penalty=2, presence_penalty=2)
    expect(other.choices[0].text != same, f"both times {same!r}")


@check("a regular expression bounds the text")
def _(node):
    answer = node.chat(max_tokens=30, temperature=1, extra_body={
        "regex": r"(red|green|blue) #[0-9a-f]{6}"})
    text = answer.choices[0].message.content
    expect(re.fullmatch(r"(red|green|blue) #[0-9a-f]{6}", text), repr(text))


@check("a wrong key is an AuthenticationError")
def _(node):
    stranger = make_client(node.options, key="wrong")
    for call in [
        stranger.models.list,
        lambda: stranger.chat.completions.create(model=node.model, messages=MESSAGES),
    ]:
        error = refused(call, openai.AuthenticationError)
        expect(error.code == "invalid_api_key", f"code is {error.code}")


@check("a client that does not trust the mesh's root is not connected")
def _(node):
    refused(make_client(node.options, ca=None).models.list, openai.APIConnectionError)


@check("an unknown model is a NotFoundError, whole and streamed")
def _(node):
    for stream in [False, True]:
        error = refused(
            lambda: node.chat(model="no-such-model", stream=stream), openai.NotFoundError)
        expect("no-such-model" in error.message, error.message)
        expect(error.code == "model_not_found", f"code is {error.code}")


@check("an over-long prompt is a BadRequestError naming the limit")
def _(node):
    long = [{"role": "user", "content": "word " * (node.options.context_length + 1)}]
    for stream in [False, True]:
        error = refused(lambda: node.chat(messages=long, stream=stream), openai.BadRequestError)
        expect(str(node.options.context_length) in error.message, error.message)
        expect(error.code == "context_length_exceeded", f"code is {error.code}")


@check("a parameter that is not carried out is a BadRequestError naming it")
def _(node):
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    for name, value in [("tools", [tool]), ("n", 2), ("logit_bias", {"5": 101})]:
        error = refused(lambda: node.chat(**{name: value}), openai.BadRequestError)
        expect(error.param == name, f"param is {error.param}, not {name}")
    error = refused(lambda: node.chat(temperature=-1), openai.BadRequestError)
    expect("temperature" in error.message, error.message)


@check("completions continue a raw prompt as llama.cpp does, whole and streamed")
def _(node):
    request = {"model": node.model, "prompt": FRANCE, "temperature": 0, "max_tokens": 19}
    answer = node.client.completions.create(**request)
    expect(answer.object == "text_completion", f"object is {answer.object}")
    expect(answer.choices[0].text == FRANCE_CONTINUED, repr(answer.choices[0].text))
    expect(answer.usage.prompt_tokens == 5, f"{answer.usage.prompt_tokens} prompt tokens")
    expect(answer.usage.completion_tokens == 19, f"{answer.usage.completion_tokens} tokens")
    stream = node.client.completions.create(**request, stream=True)
    text = "".join(chunk.choices[0].text for chunk in stream)
    expect(text == FRANCE_CONTINUED, f"streamed {text!r}")


@check("two chats at once say what each says alone")
def _(node):
    other = [{"role": "user", "content": "Write a sentence about the sea."}]
    alone = [node.text(), node.text(messages=other)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(node.text), pool.submit(node.text, messages=other)]
        together = [task.result() for task in tasks]
    expect(together == alone, f"{together}, alone {alone}")


@check("a stream that the client leaves does not hold up the next chat")
def _(node):
    expected = node.text(max_tokens=4)
    stream = node.chat(stream=True, max_tokens=2000, messages=[
        {"role": "user", "content": "Count from one to one thousand in words."}])
    for _, _ in zip(range(3), stream):
        pass
    stream.close()
    expect(node.text(max_tokens=4, timeout=20) == expected, "another text afterwards")


def run(sentence, function, node):
    try:
        function(node)
        return {"check": sentence, "ok": True, "detail": ""}
    except Exception as error:  # The report says whatever went wrong, and goes on.
        traceback.print_exc()
        return {"check": sentence, "ok": False, "detail": f"{type(error).__name__}: {error}"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--context-length", type=int, required=True)
    node = Node(parser.parse_args())
    json.dump([run(sentence, function, node) for sentence, function in CHECKS], sys.stdout)


if __name__ == "__main__":
    main()
