"""Talks to a node with the public OpenAI client, as any application would.

usage: openai_chat.py --base-url URL [--unix-socket PATH] [--ca FILE] --api-key KEY --model NAME

Prints one JSON document: what each call gave. Exits with 0 when all of them went as the schema
says; else the first that did not is named on stderr.
"""

import argparse
import json
import ssl
import sys

import openai

try:
    import httpx2 as httpx  # what newer versions of the client stand on
except ImportError:
    import httpx


def client_for(options):
    if options.unix_socket:
        transport = httpx.HTTPTransport(uds=options.unix_socket)
        http = httpx.Client(transport=transport, timeout=600)
    else:
        http = httpx.Client(verify=ssl.create_default_context(cafile=options.ca), timeout=600)
    return openai.OpenAI(
        base_url=options.base_url, api_key=options.api_key, http_client=http, max_retries=0)


def expect(condition, what):
    if not condition:
        print(f"openai client: {what}", file=sys.stderr)
        sys.exit(1)


def refused(call, error, what):
    try:
        call()
    except error as raised:
        return {"status": raised.status_code, "message": raised.message}
    expect(False, f"{what} was not refused with {error.__name__}")


def whole_chat(client, model, messages):
    answer = client.chat.completions.create(
        model=model, messages=messages, temperature=0, max_tokens=24, seed=1)
    choice = answer.choices[0]
    expect(answer.object == "chat.completion", f"object is {answer.object}")
    expect(choice.message.role == "assistant", f"role is {choice.message.role}")
    expect(choice.message.content, "the answer is empty")
    expect(choice.finish_reason in ("stop", "length"), f"reason is {choice.finish_reason}")
    usage = answer.usage
    expect(usage.completion_tokens > 0, "no completion tokens are counted")
    expect(usage.prompt_tokens > 0, "no prompt tokens are counted")
    expect(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, "total is wrong")
    return choice.message.content, choice.finish_reason, usage


def streamed_chat(client, model, messages):
    text, roles, reasons, usage, pieces = "", [], [], None, 0
    stream = client.chat.completions.create(
        model=model, messages=messages, temperature=0, max_tokens=24, seed=1, stream=True,
        stream_options={"include_usage": True})
    for chunk in stream:
        expect(chunk.object == "chat.completion.chunk", f"object is {chunk.object}")
        if chunk.usage:
            expect(not chunk.choices, "the chunk with the usage has choices")
            usage = chunk.usage
            continue
        expect(usage is None, "a chunk came after the usage")
        choice = chunk.choices[0]
        if choice.delta.role:
            roles.append(choice.delta.role)
        if choice.delta.content:
            expect(not reasons, "text came after the finish reason")
            text += choice.delta.content
            pieces += 1
        if choice.finish_reason:
            reasons.append(choice.finish_reason)
    expect(roles == ["assistant"], f"roles are {roles}")
    expect(len(reasons) == 1, f"reasons are {reasons}")
    expect(usage is not None, "include_usage gave no usage")
    return text, reasons[0], usage, pieces


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", default="http://node/v1")
    parser.add_argument("--unix-socket")
    parser.add_argument("--ca")
    parser.add_argument("--api-key", default="none")
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    client = client_for(options)
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Name three colours of the rainbow."},
    ]

    models = [model.id for model in client.models.list()]
    expect(options.model in models, f"{options.model} is not among the models {models}")
    expect(client.models.retrieve(options.model).id == options.model, "retrieve gave another model")

    text, reason, usage = whole_chat(client, options.model, messages)
    streamed, streamed_reason, streamed_usage, pieces = streamed_chat(
        client, options.model, messages)
    expect(streamed == text, f"the stream says {streamed!r}, the whole answer {text!r}")
    expect(streamed_reason == reason, "stream and whole answer end for different reasons")
    expect(streamed_usage == usage, "stream and whole answer count differently")
    expect(pieces > 1, "the stream came in one piece")

    completion = client.completions.create(
        model=options.model, prompt="The capital of France is", temperature=0, max_tokens=8)
    expect(completion.object == "text_completion", f"object is {completion.object}")
    expect(completion.choices[0].text, "the completion is empty")

    missing = refused(
        lambda: client.chat.completions.create(model="no-such-model", messages=messages),
        openai.NotFoundError, "an unknown model")
    tools = refused(
        lambda: client.chat.completions.create(
            model=options.model, messages=messages,
            tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        openai.BadRequestError, "a parameter that is not carried out")
    refusals = {"unknown_model": missing, "unsupported": tools}
    if not options.unix_socket:
        stranger = client.with_options(api_key="wrong")
        refusals["wrong_key"] = refused(
            lambda: stranger.models.list(), openai.AuthenticationError, "a wrong key")

    json.dump(
        {
            "models": models, "text": text, "finish_reason": reason, "pieces": pieces,
            "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
            "completion": completion.choices[0].text, "refusals": refusals,
        }, sys.stdout)
    print()


if __name__ == "__main__":
    main()
