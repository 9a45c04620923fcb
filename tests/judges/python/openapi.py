"""Box's API description as something to check calls against: operations, parameters, bodies, unknown properties."""

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs

ROOT = "urn:box"


class Description:
    """The operations of an OpenAPI 3.0 document."""

    def __init__(self, document):
        self.components = json_schema(document["components"])
        self.registry = jsonschema_rs.Registry([(ROOT, {"components": self.components})])
        self.validators = {}
        self.operations = {}
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if isinstance(operation, dict) and "responses" in operation:
                    bare = path.split("#")[0]
                    self.operations.setdefault((method.upper(), bare), []).append(operation)
        # Literal segments before parameters.
        self.templates = sorted({path for _, path in self.operations}, key=lambda path: path.count("{"))
        self.patterns = [(template, pattern(template)) for template in self.templates]

    def find(self, method, path):
        """The template and the operations of a call; several share a path where Box tells them apart by their body."""
        for template, regex in self.patterns:
            if regex.fullmatch(path) and (method, template) in self.operations:
                return template, self.operations[method, template]
        return None, []

    def errors(self, schema, value):
        """What is wrong with a value, empty where nothing is."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self.validators:
            absolute = json.loads(key.replace('"#/components', f'"{ROOT}#/components'))
            self.validators[key] = jsonschema_rs.validator_for(absolute, registry=self.registry)
        found = [(list(error.instance_path), error.message) for error in self.validators[key].iter_errors(value)]
        return [f"at {'/'.join(map(str, path)) or 'the top'}: {message}" for path, message in found]

    def strangers(self, schema, value, at=""):
        """Properties of a value that its schema does not name."""
        names, open_ended, items = self.named(schema, set())
        found = []
        if isinstance(value, dict) and not open_ended:
            for name, child in value.items():
                if name not in names:
                    found.append(f"{at}/{name}")
                elif isinstance(child, (dict, list)):
                    found += self.strangers({"anyOf": names[name]}, child, f"{at}/{name}")
        elif isinstance(value, list) and items:
            for child in value:
                found += self.strangers({"anyOf": items}, child, f"{at}[]")
        return found

    def named(self, schema, seen):
        """The properties that a schema names, whether it takes any, and the schemas of its items."""
        names, items = {}, []
        open_ended = bool(schema.get("additionalProperties"))
        reference = schema.get("$ref")
        parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, [])]
        if reference and reference not in seen:
            target = self.components
            for step in reference.split("#/components/")[1].split("/"):
                target = target[step]
            parts.append(target)
            seen = seen | {reference}
        for name, child in schema.get("properties", {}).items():
            names.setdefault(name, []).append(child)
        if "items" in schema:
            items.append(schema["items"])
        for part in parts:
            more, more_open, more_items = self.named(part, seen)
            for name, children in more.items():
                names.setdefault(name, []).extend(children)
            items += more_items
            open_ended |= more_open
        plain = schema.get("type") in ("object", ["object", "null"])
        if plain and not names and not parts and not items:
            open_ended = True
        return names, open_ended, items


def pattern(template):
    pieces = re.split(r"\{[^}]*\}", template)
    return re.compile("[^/]+".join(map(re.escape, pieces)))


def json_schema(node):
    """OpenAPI 3.0's dialect as JSON Schema: `nullable`, and alternatives that may overlap, as Box's do."""
    if isinstance(node, list):
        return [json_schema(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {key: json_schema(child) for key, child in node.items() if key not in ("example", "discriminator")}
    if isinstance(node.get("oneOf"), list):
        node["anyOf"] = node.pop("oneOf") + node.get("anyOf", [])
    # Said of one part of a whole, it is meant of the whole.
    parts = [part for part in node.get("allOf", []) if part == {"anyOf": [{}, {"type": "null"}]}]
    if node.pop("nullable", False) is True or parts:
        if isinstance(node.get("type"), str):
            node["type"] = [node["type"], "null"]
            if "enum" in node:
                node["enum"] = [*node["enum"], None]
            # A null is none of the rest.
            if "allOf" in node or "anyOf" in node:
                node = {"anyOf": [node, {"type": "null"}]}
        else:
            node = {"anyOf": [node, {"type": "null"}]}
    return node


def split(target):
    """A request target as the path that Box's description has, and its query."""
    parts = urlsplit(target)
    path = re.sub(r"/+", "/", unquote(parts.path)).rstrip("/")
    for prefix in ("/api/2.0", "/2.0", "/api"):
        if path.startswith(prefix + "/"):
            path = path[len(prefix) :]
            break
    if path == "/oauth2/authorize":
        path = "/authorize"
    return path, parse_qsl(parts.query, keep_blank_values=True)
