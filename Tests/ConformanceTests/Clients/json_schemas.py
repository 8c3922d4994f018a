"""Random JSON Schemas, and the outside verdict on documents.

make COUNT SEED   prints COUNT schemas, one in a line, the same for the same seed
check FILE        reads lines {"schema": …, "document": "…"}, prints a line for each document
                  that is not valid: its number, the reason, the document
"""

import json
import random
import sys

WORDS = ["name", "id", "kind", "é", "a\"b", "value", "items", "tags", "note", "x y", "left", "right"]
PATTERNS = [
    "^[a-z]+$", "^\\d{3}-\\d{4}$", "[A-Z][a-z]{2,5}", "^(red|green|blue)(-dark)?$", "^\\S{1,8}$",
    "^[^\\x00-\\x1f\"]{2,9}$", "x|yz$", "^\\w+@\\w+\\.(com|org)$", "^[à-ü日本]{1,6}$", "^.{3,12}$",
    "^(?:[01]\\d|2[0-3]):[0-5]\\d$", "^#[0-9a-fA-F]{6}$", "^\\\\?\"[a-c]*\"$", "^\\D{2,4}\\W?$",
]
FORMATS = ["date", "time", "date-time", "uuid", "email", "ipv4"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.definitions = {}

    def document(self):
        if self.r.random() < 0.35:
            names = ["node", "leaf"][: self.r.randint(1, 2)]
            self.definitions = {name: None for name in names}
            for name in names:
                # An object around every reference: something stands between.
                self.definitions[name] = self.object(1)
        schema = self.schema(0)
        if self.definitions:
            if not isinstance(schema, dict):
                schema = {"anyOf": [schema]}
            schema["$defs"] = self.definitions
        return schema

    def schema(self, depth):
        r = self.r
        leaves = [self.string, self.string, self.integer, self.number, self.literal, self.simple]
        inner = [self.object, self.object, self.array, self.any_of, self.one_of, self.all_of]
        if self.definitions and depth > 0:
            leaves.append(self.reference)
        if depth == 0 and r.random() < 0.7:
            return r.choice([self.object, self.array])(depth)
        if depth >= 3 or r.random() < 0.55:
            return r.choice(leaves)(depth)
        return r.choice(inner)(depth)

    def reference(self, depth):
        return {"$ref": "#/$defs/" + self.r.choice(sorted(self.definitions))}

    def simple(self, depth):
        return self.r.choice([
            {"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]},
            {"type": ["integer", "boolean", "array"], "items": {"type": "null"}}, {}, True,
            {"type": "object"}, {"type": "array"},
        ])

    def literal(self, depth):
        values = ["red", "", "日本\n", 1, 12, 1.5, None, True, {"a": [1, "y"]}, [], -7, "re"]
        if self.r.random() < 0.3:
            return {"const": self.r.choice(values)}
        return {"enum": self.r.sample(values, self.r.randint(1, 6))}

    def string(self, depth):
        r = self.r
        schema = {"type": "string"}
        kind = r.random()
        if kind < 0.3:
            schema["pattern"] = r.choice(PATTERNS)
        elif kind < 0.5:
            schema["format"] = r.choice(FORMATS)
        elif kind < 0.8:
            if r.random() < 0.6:
                schema["minLength"] = r.randint(0, 6)
            if r.random() < 0.6:
                schema["maxLength"] = schema.get("minLength", 0) + r.randint(0, 12)
        if "pattern" in schema and r.random() < 0.2:
            schema["maxLength"] = 40
        return schema

    def bound(self, scale):
        r = self.r
        return r.choice([
            0, r.randint(-scale, scale), r.randint(-9, 9), round(r.uniform(-scale, scale), r.randint(1, 5)),
        ])

    def bounds(self, schema, scale):
        r = self.r
        low, high = sorted([self.bound(scale), self.bound(scale)])
        if r.random() < 0.7:
            schema[r.choice(["minimum", "exclusiveMinimum"])] = low
        if r.random() < 0.7:
            schema[r.choice(["maximum", "exclusiveMaximum"])] = high + (1 if low + 1 > high else 0)
        return schema

    def integer(self, depth):
        return self.bounds({"type": "integer"}, self.r.choice([10, 1000, 10**9]))

    def number(self, depth):
        return self.bounds({"type": "number"}, self.r.choice([2, 100, 10**6]))

    def array(self, depth):
        r = self.r
        schema = {"type": "array"}
        if r.random() < 0.3:
            schema["prefixItems"] = [self.schema(depth + 1) for _ in range(r.randint(1, 3))]
        if r.random() < 0.8:
            schema["items"] = self.schema(depth + 1)
        elif "prefixItems" in schema and r.random() < 0.5:
            schema["items"] = False
        if schema.get("items") is not False:
            if r.random() < 0.4:
                schema["minItems"] = r.randint(0, 4)
            if r.random() < 0.5:
                schema["maxItems"] = schema.get("minItems", 0) + r.randint(0, 3)
        return schema

    def object(self, depth):
        r = self.r
        names = r.sample(WORDS, r.randint(0, 5))
        schema = {"type": "object", "properties": {name: self.schema(depth + 1) for name in names}}
        schema["required"] = [
            name for name in names
            if r.random() < 0.5 and "$ref" not in json.dumps(schema["properties"][name])
        ]
        kind = r.random()
        if kind < 0.4:
            schema["additionalProperties"] = False
        elif kind < 0.7:
            schema["additionalProperties"] = self.schema(depth + 1)
        return schema

    def any_of(self, depth):
        return {"anyOf": [self.schema(depth + 1) for _ in range(self.r.randint(1, 4))]}

    def one_of(self, depth):
        r = self.r
        if r.random() < 0.5:
            return {"oneOf": [{"type": "null"}, self.integer(depth), {"type": "string", "maxLength": 5}]}
        branches = []
        for tag in r.sample(["a", "b", "c", "d"], r.randint(2, 3)):
            branch = self.object(depth + 1)
            branch["properties"]["kind"] = {"const": tag}
            branch["required"] = sorted(set(branch["required"] + ["kind"]))
            branches.append(branch)
        return {"oneOf": branches}

    def all_of(self, depth):
        r = self.r
        if r.random() < 0.4:
            return {"allOf": [{"type": "string", "maxLength": 9}, {"minLength": 2}, {"pattern": "^[a-z]"}]}
        if r.random() < 0.5:
            return {"type": "integer", "allOf": [{"minimum": r.randint(-50, 0)}, {"maximum": r.randint(1, 50)}]}
        open_object = self.object(depth + 1)
        open_object.pop("additionalProperties", None)
        more = {"properties": {"extra": self.schema(depth + 1)}, "required": ["extra"]}
        return {"allOf": [open_object, more]}


def make(count, seed):
    for index in range(count):
        schema = Maker(seed * 1_000_003 + index).document()
        print(json.dumps(schema, ensure_ascii=False))


def check(path):
    import jsonschema

    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    for name in FORMATS:
        assert name in checker.checkers, "no checker for the format " + name
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            case = json.loads(line)
            try:
                document = json.loads(case["document"])
                validator = jsonschema.Draft202012Validator(case["schema"], format_checker=checker)
                validator.check_schema(case["schema"])
                error = next(validator.iter_errors(document), None)
                reason = error and error.message
            except ValueError as problem:
                reason = "no JSON: " + str(problem)
            if reason:
                print(number, reason[:200], case["document"][:300], sep="\t")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(int(sys.argv[2]), int(sys.argv[3]))
    else:
        check(sys.argv[2])
