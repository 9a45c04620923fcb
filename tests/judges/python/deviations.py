"""Where what is really said differs from Box's API description, one by one, each with its reference.

A reference is a section of API.md, the sheet of facts about Box that this repository's tables name too; `O:` is Box's
description itself, where it contradicts itself.
"""

JSON = "application/json"
ERROR = {"$ref": "#/components/schemas/ClientError"}
INTEGER, TEXT = {"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}


def thing(required, more=None):
    """An object with these properties, all of them required, and perhaps some more."""
    return {"type": "object", "required": list(required), "properties": {**required, **(more or {})}}


def answers(*statuses, schema=None, headers=()):
    one = {"content": {JSON: {"schema": schema}}} if schema else {}
    one["headers"] = {name: {} for name in headers}
    return {str(status): one for status in statuses} | {"default": {"content": {JSON: {"schema": ERROR}}}}


PLANNED = thing({"offset": INTEGER, "size": INTEGER, "sha512": {"type": "string", "pattern": "^[0-9a-f]{128}$"}})
HIT = thing({**PLANNED["properties"], "part_id": TEXT})
FILE_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


def operations(paths):
    """Operations that the description does not have."""
    content = paths["/files/{file_id}/content"]
    # API.md 4.3: the preflight of a version is in guides and SDKs only; it is that of a new file.
    content["options"] = paths["/files/content"]["options"]
    # API.md 5.9: newer than the description.
    paths["/files/upload_sessions/{upload_session_id}/plan"] = {
        "post": {
            "requestBody": {"content": {JSON: {"schema": thing({"parts": {"type": "array", "items": PLANNED}})}}},
            "responses": answers(
                200,
                schema=thing(
                    {
                        "upload_session_id": TEXT,
                        "hits": {"type": "array", "items": HIT},
                        "misses": {"type": "array", "items": PLANNED},
                    }
                ),
            ),
        }
    }
    # API.md 5.7: `log_event`, telemetry of Box's own uploader.
    paths["/files/upload_sessions/{upload_session_id}/log"] = {"post": {"responses": answers(204)}}
    # API.md 6.1 and 6.2: where the redirect of a download leads.
    found = {"200": {**FILE_BYTES, "headers": {"Content-Length": {}}}}
    found["206"] = {**FILE_BYTES, "headers": {"Content-Length": {}, "Content-Range": {}}}
    found["default"] = {"content": {JSON: {"schema": ERROR}}}
    paths["/d/1/{ticket}/download"] = {"get": {"responses": found}, "head": {"responses": found}}
    # API.md 7.4: the realtime server's URL and its three messages.
    message = {"type": "string", "enum": ["new_change", "reconnect", "max_retries"]}
    text = {"name": "stream_position", "in": "query", "schema": {"type": "string"}}
    of_server = [{"name": name, "in": "query", "required": True, "schema": TEXT} for name in ("channel", "stream_type")]
    paths["/subscribe"] = {
        "get": {"parameters": [text, *of_server], "responses": answers(200, schema=thing({"message": message}))}
    }


def amend(document):
    """Changes the description where it is wrong about Box as a whole."""
    operations(document["paths"])
    schemas = document["components"]["schemas"]
    # API.md 1.3: the codes of errors are many more than those listed.
    del schemas["ClientError"]["properties"]["code"]["enum"]
    # API.md 5.9: the sixth URL of a session, and the other digest of a part.
    for node in walk(schemas["UploadSession"]):
        if "list_parts" in node.get("properties", {}):
            node["properties"]["plan"] = node["properties"]["commit"]
    schemas["UploadPart--Mini"]["properties"]["sha512"] = {"type": "string", "pattern": "^[0-9a-f]{128}$"}
    for schema in walk(schemas):
        # API.md 8.3, O:S:File: `required` names a property that is not there: `access` is meant, and may be missing.
        if schema.get("title") == "Shared link" and "accessed" in schema.get("required", []):
            schema["required"].remove("accessed")
        # O:S:File--Full: an item without tags has an empty list; at least one is for requests.
        tags = schema.get("properties", {}).get("tags", {})
        for part in tags.get("allOf", []):
            part.pop("minItems", None)
        # API.md 8.2: a lock without an end has null, and the SDKs know the time as `expires_at` too; `app_type` is null
        # where no application holds the lock.
        if schema.get("title") == "Lock" and "expired_at" in schema.get("properties", {}):
            schema["properties"]["expired_at"]["nullable"] = True
            schema["properties"]["expires_at"] = schema["properties"]["expired_at"]
            schema["properties"]["app_type"]["nullable"] = True


def walk(node):
    if isinstance(node, dict):
        yield node
        children = list(node.values())
    else:
        children = node if isinstance(node, list) else []
    for child in children:
        yield from walk(child)


# A pattern of the fault, and why it is none.
DEVIATIONS = {
    # Uploads.
    r"POST /files/\{file_id\}/content: status 201 .*": "API.md 4.2: 200 described, 201 in practice and in SDK fixtures",
    r"POST /files/\{file_id\}/content: request at the top: \"name\" is a required property": "API.md 4.2: optional",
    r"POST /files/\{file_id\}/content: request has /(content_created_at|parent)": "API.md 4.2, R: rclone's of a new file",
    r"POST /files/content: request has /size": "API.md 4.3, PY: the Python SDK repeats what the preflight had",
    r"POST /files(/\{file_id\})?/content: query has upload_session_id": "API.md 4.3: of a preflight's upload_url",
    r"OPTIONS /files/(\{file_id\}/)?content: answer 409 at context_info/conflicts: .*": "API.md 1.5: an object of an upload",
    r"POST /files/upload_sessions/\{upload_session_id\}/commit: request has /attributes": "API.md 5.5: guides, SDKs, rclone",
    # Metadata.
    r"GET /(files|folders)/.*/metadata/.*: status 200 .*": "API.md 8.5: the description says 201 of a read",
    r"GET /(files|folders)/.*/metadata: answer 200 has /entries\[\]/.*": "API.md 8.5: instances come whole",
    r".*/metadata/\{scope\}/\{template_key\}: answer 4\d\d has /(help_url|status|type|context_info)": "API.md 1.3: one form",
    # Sign-in.
    r"POST /authorize: is not an operation": "API.md 2.1: the form is between Box and its own page",
    r"POST /oauth2/revoke: request .*'?\"?grant_type.*": "API.md 2.3: no such property; no SDK sends it",
    r"POST /oauth2/token: request has /redirect_uri": "API.md 2.1: that of the page may be repeated",
    r"GET /authorize: 400 with a body of type application/json": "API.md 2.1: errors as those of the token URL",
    # Fields that were asked for, in place of the usual ones.
    r"(GET|POST) /(files|folders)/\{\w+\}(/trash)?: answer 20\d has /(permissions|lock|version_number)": "API.md 3.3: fields",
    r"(GET|POST) /(files|folders)/\{\w+\}(/trash)?: answer 20\d at the top: .* is a required property": "API.md 3.3: fields",
    # Clients.
    r"OPTIONS /events: query has stream_type": "API.md 7.4: Box's Python SDK sends it too",
    r".*: query \w+=(True|False) is not boolean": "API.md 0, PY: the Python SDK writes booleans so, and Box takes them",
    r"PUT /files/\{file_id\}: request has /content_(modified|created)_at": "API.md 3.4: rclone has relied on it for years",
}
