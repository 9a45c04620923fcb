"""The SDK's own retries, provoked by the emulator's faults: 429, 500, 202, closed connections, expired tokens."""

import time

from box_sdk_gen import (
    BoxAPIError,
    CreateFolderParent,
    UploadFileAttributes,
    UploadFileAttributesParentField,
)
from box_sdk_gen.internal.utils import read_byte_stream

from court import MIB, client, client_of, control, equal, impatient, noise, run, sha1, stream
from sign_in import signed_in

BOX = client(retries=impatient())
TOP = BOX.folders.create_folder("retries", CreateFolderParent(id="0"))


class Faults:
    """A script of faults for as long as the block runs; afterwards each must have happened."""

    def __init__(self, *rules):
        self.rules = list(rules)

    def __enter__(self):
        control("PUT", "faults", {"seed": 1, "rules": self.rules})
        self.before = len(control("GET", "requests"))
        return self

    def __exit__(self, *_):
        control("DELETE", "faults")

    def seen(self, method, path):
        """Statuses of the calls to a path since the block began."""
        requests = control("GET", "requests")[self.before :]
        return [r["status"] for r in requests if r["method"] == method and path in r["path"]]


def answer(method, path, status, times, retry_after=None, code=None, kind="answer"):
    made_up = {"kind": kind, "status": status}
    if retry_after is not None:
        made_up["retry_after"] = retry_after
    if code is not None:
        made_up["code"] = code
    return {"method": method, "path": path, "times": times, "do": made_up}


def upload(name, data):
    attributes = UploadFileAttributes(name=name, parent=UploadFileAttributesParentField(id=TOP.id))
    return BOX.uploads.upload_file(attributes, stream(data)).entries[0]


def a_429_is_waited_out():
    with Faults(answer("GET", "/2.0/users/me*", 429, 1, retry_after=2, code="rate_limit_exceeded")) as faults:
        started = time.monotonic()
        BOX.users.get_user_me()
        assert time.monotonic() - started >= 2, "Retry-After was not waited for"
        equal(faults.seen("GET", "/2.0/users/me"), [429, 200], "calls")


def a_500_is_asked_again():
    with Faults(answer("GET", "/2.0/folders/*", 500, 2), answer("PUT", "/2.0/folders/*", 503, 1)) as faults:
        BOX.folders.get_folder_by_id(TOP.id)
        equal(faults.seen("GET", "/2.0/folders/"), [500, 500, 200], "reads")
        BOX.folders.update_folder_by_id(TOP.id, description="told twice")
        equal(faults.seen("PUT", "/2.0/folders/"), [503, 200], "writes")


def five_failures_are_an_error():
    with Faults(answer("GET", "/2.0/users/me*", 502, 10)) as faults:
        try:
            BOX.users.get_user_me()
        except BoxAPIError as error:
            equal(error.response_info.status_code, 502, "the error")
        else:
            raise AssertionError("no error")
        equal(faults.seen("GET", "/2.0/users/me"), [502] * 5, "calls")


def an_upload_is_sent_again():
    data = noise(300_000, 5)
    with Faults(answer("POST", "/api/2.0/files/content*", 500, 1)) as faults:
        equal(upload("again.bin", data).sha_1, sha1(data), "an upload")
        equal(faults.seen("POST", "/api/2.0/files/content"), [500, 201], "calls")


def an_upload_that_was_stored_and_failed_is_told():
    data = noise(1000, 6)
    with Faults(answer("POST", "/api/2.0/files/content*", 500, 1, kind="answer_after")):
        try:
            upload("stored.bin", data)
        except BoxAPIError as error:
            info = error.response_info
        else:
            raise AssertionError("stored twice under one name")
    equal((info.status_code, info.code), (409, "item_name_in_use"), "the second try")
    equal(info.context_info["conflicts"]["sha1"], sha1(data), "what the first try left")


def a_closed_connection_is_opened_again():
    rule = {"method": "GET", "path": "/2.0/folders/*", "times": 1, "do": {"kind": "close_before"}}
    with Faults(rule) as faults:
        BOX.folders.get_folder_by_id(TOP.id)
        equal(faults.seen("GET", "/2.0/folders/")[-1], 200, "calls")


def a_download_that_is_not_ready_is_asked_again():
    data = noise(50_000, 7)
    made = upload("later.bin", data)
    path = f"/2.0/files/{made.id}/content*"
    with Faults(answer("GET", path, 202, 2, retry_after=1)) as faults:
        equal(read_byte_stream(BOX.downloads.download_file(made.id)), data, "bytes")
        equal(faults.seen("GET", f"/2.0/files/{made.id}/content"), [202, 202, 302], "calls")


def parts_and_commits_are_sent_again():
    data = noise(21 * MIB, 8)
    with Faults(
        answer("PUT", "/api/2.0/files/upload_sessions/*", 500, 1),
        answer("POST", "/api/2.0/files/upload_sessions/*/commit*", 202, 3, retry_after=1),
    ) as faults:
        made = BOX.chunked_uploads.upload_big_file(stream(data), "parts.bin", len(data), TOP.id)
        equal(made.sha_1, sha1(data), "a big file")
        equal(faults.seen("PUT", "/upload_sessions/"), [500, 200, 200, 200], "parts")
        equal(faults.seen("POST", "/commit"), [202, 202, 202, 201], "commits")


def a_token_that_expires_in_the_middle_is_refreshed():
    data = noise(21 * MIB, 9)
    auth, _ = signed_in()
    box = client_of(auth, impatient())
    rule = {"method": "PUT", "path": "*/upload_sessions/*", "nth": 2, "do": {"kind": "expire_token"}}
    with Faults(rule) as faults:
        made = box.chunked_uploads.upload_big_file(stream(data), "expired.bin", len(data), TOP.id)
        equal(made.sha_1, sha1(data), "a big file")
        equal(faults.seen("PUT", "/upload_sessions/"), [200, 401, 200, 200], "parts")


if __name__ == "__main__":
    run(
        a_429_is_waited_out,
        a_500_is_asked_again,
        five_failures_are_an_error,
        an_upload_is_sent_again,
        an_upload_that_was_stored_and_failed_is_told,
        a_closed_connection_is_opened_again,
        a_download_that_is_not_ready_is_asked_again,
        parts_and_commits_are_sent_again,
        a_token_that_expires_in_the_middle_is_refreshed,
    )
