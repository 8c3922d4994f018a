"""Renders chat templates with Jinja2, set up as the renderer of the models' makers sets it up.

usage: jinja_render.py REQUEST.json

The request is {"templates": [SOURCE, ...], "conversations": [{"variables": {...}, "now": SECONDS or
null}, ...]}; the answer, on stdout, has for each template a list with for each conversation
{"text": TEXT} or {"error": MESSAGE}.
"""

import datetime
import json
import sys

import jinja2
import jinja2.nodes
import jinja2.sandbox
from jinja2.ext import Extension


class Generation(Extension):
    """The tag that marks what the assistant wrote; it means nothing for the text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.If(jinja2.nodes.Const(True), body, [], []).set_lineno(line)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
        sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def make_environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True,
        extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment


def render(template, conversation):
    variables = dict(conversation["variables"])
    now = conversation.get("now")
    if now is not None:
        date = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
        variables["strftime_now"] = date.strftime
    try:
        return {"text": template.render(**variables)}
    except Exception as error:  # noqa: BLE001: whatever stops the outside renderer is an answer
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    environment = make_environment()
    answers = []
    for source in request["templates"]:
        try:
            template = environment.from_string(source)
        except Exception as error:  # noqa: BLE001
            answers.append(
                [{"error": f"{type(error).__name__}: {error}"}] * len(request["conversations"]))
            continue
        answers.append([render(template, one) for one in request["conversations"]])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
