"""Checks recorded calls against Box's API description.

    validate.py DESCRIPTION DIRECTORY

DIRECTORY holds what emulators wrote down of their traffic. Each answer must have a status, headers and a body that the
description knows. Each request of a client must have parameters, headers and a body that it knows; of a client other
than boxfs, which may be wrong on purpose, those that are answered. What differs on purpose is in `deviations`, with its
reference; anything else is a failure. A call that looks like one before it, values included but for ids, names, times
and digests, is counted and not checked again.
"""

import collections
import json
import os
import pathlib
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import parse_qsl

from deviations import DEVIATIONS, amend
from openapi import Description, json_schema, split

MOST_SHOWN = 60
# What its `User-Agent` begins with.
OURS = "boxfs"
# Characters, as Box counts them (API.md 3.5).
LONGEST_NAME = 255


def content(described, kind):
    """The schema that a request or an answer has for a content type."""
    for name, media in (described.get("content") or {}).items():
        if name.split(";")[0] == kind:
            return media.get("schema")
    return None


def kind_of(headers):
    return headers.get("content-type", "").split(";")[0].strip()


def answer_faults(description, operations, call):
    status, text = str(call["status"]), call["answer"]
    described = [op["responses"].get(status) for op in operations if status in op["responses"]]
    if not described:
        if call["status"] < 400:
            yield f"status {status} is not one of the operation's"
            return
        described = [op["responses"]["default"] for op in operations if "default" in op["responses"]]
    for name in described[0].get("headers", {}) if described else ():
        if name.lower() not in call["answer_headers"]:
            yield f"answer {status} lacks the header {name}"
    # `None` is the bytes of a file.
    if text == "":
        return
    kind = kind_of(call["answer_headers"])
    schemas = [content(one, kind) for one in described]
    schemas = [json_schema(schema) for schema in schemas if schema]
    if not schemas:
        yield f"{status} with a body of type {kind}"
        return
    if "json" in kind:
        yield from body_faults(description, schemas, json.loads(text), f"answer {status}")


def body_faults(description, schemas, value, what):
    tried = [description.errors(schema, value) for schema in schemas]
    if all(tried):
        yield f"{what} {min(tried, key=len)[0]}"
    for name in sorted(set(description.strangers({"anyOf": schemas}, value))):
        yield f"{what} has {name}"


def parameters_of(operations, place):
    return [[p for p in op.get("parameters", []) if p["in"] == place] for op in operations]


def lacking(operations, place, sent):
    """The parameters that each of the operations needs and the call has not."""
    needed = [{p["name"] for p in some if p.get("required")} for some in parameters_of(operations, place)]
    missing = [need - sent for need in needed]
    return sorted(missing[0]) if all(missing) else []


def request_faults(description, operations, call, query):
    parameters = {p["name"]: p for some in parameters_of(operations, "query") for p in some}
    for name, value in query:
        if name not in parameters:
            yield f"query has {name}"
        elif not fits(parameters[name]["schema"], value):
            yield f"query {name}={value} is not {parameters[name]['schema'].get('type')}"
    for name in lacking(operations, "query", {name for name, _ in query}):
        yield f"query lacks {name}"
    for name in lacking(operations, "header", set(call["headers"])):
        yield f"request lacks the header {name}"
    yield from request_body_faults(description, operations, call)


def request_body_faults(description, operations, call):
    kind, text = kind_of(call["headers"]), call["request"]
    if text is None and kind in ("", "application/octet-stream"):
        return
    schemas = [content(op.get("requestBody") or {}, kind) for op in operations]
    if kind == "multipart/form-data":
        # The file's part is bytes; the other is JSON.
        schemas = [schema and schema["properties"]["attributes"] for schema in schemas]
        kind = "application/json"
    schemas = [json_schema(schema) for schema in schemas if schema]
    if not text:
        return
    if not schemas:
        yield f"request with a body of type {kind}"
    elif "json" in kind:
        yield from body_faults(description, schemas, json.loads(text), "request")
    elif kind == "application/x-www-form-urlencoded":
        yield from body_faults(description, schemas, dict(parse_qsl(text)), "request")


def fits(schema, value):
    kind = schema.get("type")
    if kind == "integer":
        return re.fullmatch(r"-?\d+", value) is not None
    if kind == "boolean":
        return value in ("true", "false")
    return "enum" not in schema or value in schema["enum"]


def too_long_a_name(call):
    """Whether a test of the API client's wants Box's refusal of a name that no file system lets through to it."""
    if (call["status"], call["method"], split(call["path"])[0]) != (400, "POST", "/folders"):
        return False
    name, code = json.loads(call["request"])["name"], json.loads(call["answer"])["code"]
    return code == "item_name_too_long" and len(name) > LONGEST_NAME


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
    agent = call["headers"].get("user-agent", "")
    judged = agent.startswith(OURS) and not too_long_a_name(call)
    if judged or (agent and call["status"] < 400):
        for fault in request_faults(description, operations, call, query):
            yield name, fault


PLAIN = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "time Z"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"), "time"),
    (re.compile(r"[1-9]\d*"), "number"),
    (re.compile(r"[0-9a-f]{40}"), "sha1"),
    (re.compile(r"[0-9a-f]{128}"), "sha512"),
    (re.compile(r"[0-9A-F]{8,32}"), "id"),
    (re.compile(r"https?://.*"), "url"),
]
# Free text.
NAMES = {"name", "file_name", "description", "request_id", "message", "login", "access_token", "refresh_token", "event_id"}
NAMES |= {"part_id", "uploader_display_name", "upload_token", "next_marker", "extension"}


def looks(value, name=""):
    """A value without what differs from call to call and means nothing to a schema."""
    if isinstance(value, dict):
        return tuple(sorted((key, looks(child, key)) for key, child in value.items()))
    if isinstance(value, list):
        return frozenset(looks(child, name) for child in value)
    if isinstance(value, str):
        if name in NAMES:
            return ("text", bool(value), len(value) > 255)
        return next((kind for pattern, kind in PLAIN if pattern.fullmatch(value)), value)
    if isinstance(value, bool) or value is None:
        return value
    return (type(value).__name__, value > 0)


def look_of(call):
    """What two calls have in common that are checked once."""
    path, query = split(call["path"])
    place = re.sub(r"/([0-9A-F]{32}|\d+|[0-9a-f]+-[0-9a-f]+-[0-9a-f]{40}|[A-Za-z0-9]{32})(?=/|$)", "/ID", path)
    asked = tuple(sorted((name, looks(value)) for name, value in query if name != "fields"))
    fields = tuple(value for name, value in query if name == "fields")
    heads = [(tuple(sorted(call[side])), kind_of(call[side])) for side in ("headers", "answer_headers")]
    bodies = []
    for text, (_, kind) in zip((call["request"], call["answer"]), heads):
        try:
            bodies.append(looks(json.loads(text)) if text and kind != "application/x-www-form-urlencoded" else text)
        except ValueError:
            bodies.append(text)
    agent = call["headers"].get("user-agent", "")
    return (call["method"], place, asked, fields, agent, call["status"], call["made_up"], *heads, *bodies)


def check(document, files):
    """What is wrong with the calls in some files: how often each, with a sample, and how many calls there were."""
    with open(document, encoding="utf-8") as file:
        described = json.load(file)
    amend(described)
    description = Description(described)
    found, samples, calls, seen, used = collections.Counter(), {}, 0, {}, collections.Counter()
    operations = collections.Counter()
    for path in files:
        for line in open(path, encoding="utf-8"):
            call = json.loads(line)
            calls += 1
            look = look_of(call)
            if look not in seen:
                seen[look] = [f"{name}: {fault}" for name, fault in faults(description, call)]
                template, _ = description.find(call["method"], split(call["path"])[0])
                operations[f"{call['method']} {template} {call['status']}"] += 1
            for text in seen[look]:
                known = next((known for known in DEVIATIONS if re.fullmatch(known, text)), None)
                if known:
                    used[known] += 1
                else:
                    found[text] += 1
                    samples.setdefault(text, call)
    return found, samples, calls, len(seen), used, operations


def main(document, directory):
    files = sorted(pathlib.Path(directory).glob("*.jsonl"), key=lambda file: -file.stat().st_size)
    workers = min(os.cpu_count() or 1, max(1, len(files)))
    shares = [files[at::workers] for at in range(workers)]
    found, used, operations = collections.Counter(), collections.Counter(), collections.Counter()
    samples, calls, looks_seen = {}, 0, 0
    with ProcessPoolExecutor(workers) as pool:
        for some in pool.map(check, [document] * workers, shares):
            found += some[0]
            samples = {**some[1], **samples}
            calls += some[2]
            looks_seen += some[3]
            used += some[4]
            operations += some[5]
    print(
        f"{calls} calls, {looks_seen} that differ, {len(operations)} pairs of operation and status;"
        f" deviations seen: {len(used)} of {len(DEVIATIONS)}"
    )
    for text, times in found.most_common(MOST_SHOWN):
        print(f"{times:6} {text}")
        call = samples[text]
        agent = call["headers"].get("user-agent")
        print(f"       {agent} {call['path']} {str(call['request'])[:150]} -> {str(call['answer'])[:300]}")
    return 1 if found or calls == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
