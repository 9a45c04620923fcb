"""Where what is really said differs from Box's API description. The references are to Box's guides and SDKs."""


def amend(document):
    """Changes the description where it is wrong about Box as a whole."""
    schemas = document["components"]["schemas"]
    # The codes of errors are many more than those listed; the list is not exhaustive (guide "common errors").
    del schemas["ClientError"]["properties"]["code"]["enum"]
    for schema in walk(schemas):
        # `required` names a property that is not there: `access` is what is meant, and it may be missing.
        if schema.get("title") == "Shared link" and "accessed" in schema.get("required", []):
            schema["required"].remove("accessed")
        # An item without tags has an empty list; at least one is for requests.
        tags = schema.get("properties", {}).get("tags", {})
        for part in tags.get("allOf", []):
            part.pop("minItems", None)
        # A lock without an end has null, and the SDKs know the time as `expires_at` too.
        if schema.get("title") == "Lock" and "expired_at" in schema.get("properties", {}):
            schema["properties"]["expired_at"]["nullable"] = True
            schema["properties"]["expires_at"] = schema["properties"]["expired_at"]
            # Answers have null where no application holds the lock.
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
    r"POST /files/\{file_id\}/content: status 201 .*": "200 in the description, 201 in practice and in SDK fixtures",
    r"POST /files(/\{file_id\})?/content: query has upload_session_id": "of the upload_url that a preflight answers",
    r"OPTIONS /files/\d+/content: is not an operation": "preflight of a version: in guides and SDKs only",
    r"POST /files/upload_sessions/\w+/plan: is not an operation": "newer than the description; in the SDKs since 10.14",
    r".* answer 20\d has /session_endpoints/plan": "newer than the description; in the SDKs since 10.14",
    r"OPTIONS /files/content: answer 409 at context_info/conflicts: .*": "an object in practice, of an upload",
    r"POST /files/upload_sessions/\{upload_session_id\}/commit: request has /attributes": "in guides, SDKs and rclone",
    # Metadata.
    r"GET /(files|folders)/.*/metadata/.*: status 200 .*": "the description says 201 of a read",
    r"GET /(files|folders)/.*/metadata: answer 200 has /entries\[\]/.*": "instances come whole",
    r".*/metadata/\{scope\}/\{template_key\}: answer 4\d\d has /(help_url|status|type|context_info)": "errors have one form everywhere",
    # Sign-in.
    r"POST /authorize: is not an operation": "what the sign-in page's form sends is between Box and its own page",
    r"POST /oauth2/revoke: request .*'?\"?grant_type.*": "a required property that no SDK sends and that means nothing",
    r"GET /authorize: 400 with a body of type application/json": "Box shows a page; what is wrong is told as by the token URL",
    # Fields that were asked for, in place of the usual ones.
    r"(GET|POST) /(files|folders)/\{\w+\}(/trash)?: answer 20\d has /(permissions|lock|version_number)": "any field may be asked for",
    r"GET /(files|folders)/\{\w+\}/trash: answer 200 at the top: .* is a required property": "not among the fields asked for",
    r"PUT /files/upload_sessions/\{upload_session_id\}: answer 200 has /part/sha512": "of parts that were sent with SHA-512",
    # Clients.
    r".*: query \w+=(True|False) is not boolean": "the Python SDK writes booleans so, and Box takes them",
    r"PUT /files/\{file_id\}: request has /content_(modified|created)_at": "not described; rclone has relied on it for years",
}
