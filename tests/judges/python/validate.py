"""Checks recorded calls against Box's API description.

    validate.py DESCRIPTION DIRECTORY

DIRECTORY holds what emulators wrote down of their traffic. Each answer must have a status and a body that the
description knows; each request of a client must have parameters and a body that it knows, unless the answer refuses it.
What differs on purpose is in `deviations`, with its reason; anything else is a failure.
"""

import collections
import json
import pathlib
import re
import sys
from urllib.parse import parse_qsl

from deviations import DEVIATIONS, amend
from openapi import Description, json_schema, split

MOST_SHOWN = 60


def content(described, kind):
    """The schema that a request or an answer has for a content type."""
    for name, media in (described.get("content") or {}).items():
        if name.split(";")[0] == (kind or "").split(";")[0].strip():
            return media.get("schema")
    return None


def answer_faults(description, operations, call):
    status, text = str(call["status"]), call["answer"]
    described = [op["responses"].get(status) for op in operations if status in op["responses"]]
    if not described:
        if call["status"] < 400:
            yield f"status {status} is not one of the operation's"
            return
        described = [op["responses"]["default"] for op in operations if "default" in op["responses"]]
    if not text:
        return
    schemas = [content(one, call["answer_type"]) for one in described]
    schemas = [json_schema(schema) for schema in schemas if schema]
    if not schemas:
        yield f"{status} with a body of type {call['answer_type']}"
        return
    if "json" in (call["answer_type"] or ""):
        yield from body_faults(description, schemas, json.loads(text), f"answer {status}")


def body_faults(description, schemas, value, what):
    tried = [description.errors(schema, value) for schema in schemas]
    if all(tried):
        yield f"{what} {min(tried, key=len)[0]}"
    for name in sorted(set(description.strangers({"anyOf": schemas}, value))):
        yield f"{what} has {name}"


def request_faults(description, operations, call, query):
    parameters = {p["name"]: p for op in operations for p in op.get("parameters", []) if p["in"] == "query"}
    for name, value in query:
        if name not in parameters:
            yield f"query has {name}"
        elif not fits(parameters[name]["schema"], value):
            yield f"query {name}={value} is not {parameters[name]['schema'].get('type')}"
    needed = [{p["name"] for p in op.get("parameters", []) if p["in"] == "query" and p.get("required")} for op in operations]
    sent = {name for name, _ in query}
    if all(need - sent for need in needed):
        yield f"query lacks {sorted(needed[0] - sent)}"
    if not call["request"]:
        return
    kind = (call["request_type"] or "").split(";")[0]
    schemas = [content(op.get("requestBody") or {}, kind) for op in operations]
    schemas = [json_schema(schema) for schema in schemas if schema]
    if not schemas:
        yield f"request with a body of type {kind}"
    elif "json" in kind:
        yield from body_faults(description, schemas, json.loads(call["request"]), "request")
    elif kind == "application/x-www-form-urlencoded":
        yield from body_faults(description, schemas, dict(parse_qsl(call["request"])), "request")


def fits(schema, value):
    kind = schema.get("type")
    if kind == "integer":
        return re.fullmatch(r"-?\d+", value) is not None
    if kind == "boolean":
        return value in ("true", "false")
    return "enum" not in schema or value in schema["enum"]


def faults(description, call):
    path, query = split(call["path"])
    template, operations = description.find(call["method"], path)
    name = f"{call['method']} {template or path}"
    if not operations:
        if call["status"] not in (404, 405):
            yield name, "is not an operation"
        return
    if not call["made_up"]:
        for fault in answer_faults(description, operations, call):
            yield name, fault
    # Tests that speak bare HTTP name no agent, and send what no client would.
    if call["status"] < 400 and call["agent"]:
        for fault in request_faults(description, operations, call, query):
            yield name, fault


def main(document, directory):
    with open(document, encoding="utf-8") as file:
        described = json.load(file)
    amend(described)
    description = Description(described)
    found, used, calls = collections.Counter(), collections.Counter(), 0
    samples = {}
    for file in sorted(pathlib.Path(directory).glob("*.jsonl")):
        for line in file.open(encoding="utf-8"):
            call = json.loads(line)
            calls += 1
            for name, fault in faults(description, call):
                text = f"{name}: {fault}"
                for known, reason in DEVIATIONS.items():
                    if re.fullmatch(known, text):
                        used[known] += 1
                        break
                else:
                    found[text] += 1
                    samples.setdefault(text, call)
    print(f"{calls} calls; deviations seen: {len(used)} of {len(DEVIATIONS)}")
    for text, times in found.most_common(MOST_SHOWN):
        print(f"{times:6} {text}")
        call = samples[text]
        print(f"       {call['agent']} {call['path']} {str(call['request'])[:150]} -> {str(call['answer'])[:300]}")
    return 1 if found or calls == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
