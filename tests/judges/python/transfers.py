"""Uploads and downloads through the SDK: simple, by its helper for big files, planned versions, ranges."""

import io

from box_sdk_gen import (
    CreateFolderParent,
    PreflightFileUploadCheckParent,
    UploadFileAttributes,
    UploadFileAttributesParentField,
    UploadWithPreflightCheckAttributes,
    UploadWithPreflightCheckAttributesParentField,
)
from box_sdk_gen.internal.utils import read_byte_stream

from court import MIB, client, control, equal, noise, refused, run, sha1, stream

BOX = client()
TOP = BOX.folders.create_folder("transfers", CreateFolderParent(id="0"))
BIG_BYTES = 25 * MIB + 12345


def session_of(file_id):
    """The upload session that made the current version of a file, as the emulator has it."""
    return [session for session in control("GET", "sessions") if session["committed"] == file_id][-1]


def a_preflight_finds_what_an_upload_would():
    parent = PreflightFileUploadCheckParent(id=TOP.id)
    free = BOX.uploads.preflight_file_upload_check(name="p.bin", size=100, parent=parent)
    assert free.upload_url.startswith("http"), free.upload_url
    attributes = UploadWithPreflightCheckAttributes(
        name="p.bin", parent=UploadWithPreflightCheckAttributesParentField(id=TOP.id), size=4
    )
    made = BOX.uploads.upload_with_preflight_check(attributes, stream(b"pppp")).entries[0]
    taken = refused(
        409, "item_name_in_use", lambda: BOX.uploads.preflight_file_upload_check(name="p.bin", size=1, parent=parent)
    )
    equal(taken.context_info["conflicts"]["id"], made.id, "who has the name")


def a_wrong_digest_is_refused():
    attributes = UploadFileAttributes(name="d.bin", parent=UploadFileAttributesParentField(id=TOP.id))
    upload = lambda digest: BOX.uploads.upload_file(attributes, stream(b"data"), content_md_5=digest)
    refused(400, "bad_digest", lambda: upload(sha1(b"other")))
    equal(upload(sha1(b"data")).entries[0].size, 4, "the right digest")


def a_big_file_goes_up_in_parts():
    data = noise(BIG_BYTES, 2)
    made = BOX.chunked_uploads.upload_big_file(stream(data), "big.bin", len(data), TOP.id)
    equal((made.size, made.sha_1, made.name), (len(data), sha1(data), "big.bin"), "a big file")
    equal(session_of(made.id)["total_parts"], 4, "parts")
    for first, last in [(0, 0), (8 * MIB - 1, 8 * MIB), (BIG_BYTES - 5, BIG_BYTES - 1), (MIB, 10 * MIB)]:
        got = read_byte_stream(BOX.downloads.download_file(made.id, range=f"bytes={first}-{last}"))
        equal(sha1(got), sha1(data[first : last + 1]), f"bytes {first} to {last}")
    whole = io.BytesIO()
    BOX.downloads.download_file_to_output_stream(made.id, whole)
    equal(sha1(whole.getvalue()), sha1(data), "all bytes")
    url = BOX.downloads.get_download_file_url(made.id)
    assert url.startswith("http") and "/download" in url, url


def a_version_of_a_big_file_sends_only_what_changed():
    data = bytearray(noise(BIG_BYTES, 3))
    made = BOX.chunked_uploads.upload_big_file(stream(data), "planned.bin", len(data), TOP.id)
    data[9 * MIB] ^= 1
    before = sum(r["bytes_in"] for r in control("GET", "requests"))
    after = BOX.chunked_uploads.upload_big_file_version(made.id, stream(data), len(data))
    sent = sum(r["bytes_in"] for r in control("GET", "requests")) - before
    equal((after.id, after.sha_1, after.etag), (made.id, sha1(data), "1"), "a version")
    assert 8 * MIB <= sent < 9 * MIB, f"{sent} bytes were sent for one changed part"
    equal(sha1(read_byte_stream(BOX.downloads.download_file(made.id))), sha1(data), "bytes")


def a_session_by_hand_is_strict():
    data = noise(21 * MIB, 4)
    refused(
        400, "file_size_too_small", lambda: BOX.chunked_uploads.create_file_upload_session(TOP.id, 1000, "small.bin")
    )
    refused(
        409, "item_name_in_use", lambda: BOX.chunked_uploads.create_file_upload_session(TOP.id, len(data), "big.bin")
    )
    session = BOX.chunked_uploads.create_file_upload_session(TOP.id, len(data), "hand.bin")
    parts = BOX.chunked_uploads.get_file_upload_session_parts(session.id)
    equal(parts.entries, [], "no parts")
    part = data[: session.part_size]
    put = lambda digest, span: BOX.chunked_uploads.upload_file_part(session.id, stream(part), digest, span)
    span = f"bytes 0-{session.part_size - 1}/{len(data)}"
    equal(refused(400, "bad_digest", lambda: put("sha=" + "A" * 27 + "=", span)).status_code, 400, "a wrong digest")
    equal(BOX.chunked_uploads.get_file_upload_session_by_id(session.id).num_parts_processed, 0, "nothing stored")
    BOX.chunked_uploads.delete_file_upload_session_by_id(session.id)
    refused(404, "not_found", lambda: BOX.chunked_uploads.get_file_upload_session_by_id(session.id))


if __name__ == "__main__":
    run(
        a_preflight_finds_what_an_upload_would,
        a_wrong_digest_is_refused,
        a_big_file_goes_up_in_parts,
        a_version_of_a_big_file_sends_only_what_changed,
        a_session_by_hand_is_strict,
    )
