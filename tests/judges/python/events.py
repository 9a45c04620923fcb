"""Events through the SDK: what happened, positions, and its EventStream over the long poll."""

import threading

from box_sdk_gen import (
    CreateFolderParent,
    GetEventsStreamType,
    GetEventStreamQueryParams,
    GetEventStreamQueryParamsStreamTypeField,
    UploadFileAttributes,
    UploadFileAttributesParentField,
)

from court import client, equal, eventually, run, stream

BOX = client()
CHANGES = GetEventsStreamType.CHANGES


def position():
    return str(BOX.events.get_events(stream_type=CHANGES, stream_position="now").next_stream_position)


def file_in(parent, name):
    attributes = UploadFileAttributes(name=name, parent=UploadFileAttributesParentField(id=parent))
    return BOX.uploads.upload_file(attributes, stream(b"event")).entries[0]


def every_change_is_told():
    at = position()
    top = BOX.folders.create_folder("events", CreateFolderParent(id="0"))
    made = file_in(top.id, "e.txt")
    BOX.files.update_file_by_id(made.id, name="f.txt")
    BOX.files.delete_file_by_id(made.id)
    BOX.trashed_files.restore_file_from_trash(made.id)
    BOX.folders.delete_folder_by_id(top.id, recursive=True)
    told, seen = [], set()
    while True:
        page = BOX.events.get_events(stream_type=CHANGES, stream_position=at, limit=2)
        news = [event for event in page.entries if event.event_id not in seen]
        if not news:
            break
        seen.update(event.event_id for event in news)
        told += [(event.event_type, event.source.id) for event in news]
        at = str(page.next_stream_position)
    wanted = [
        ("ITEM_CREATE", top.id),
        ("ITEM_UPLOAD", made.id),
        ("ITEM_RENAME", made.id),
        ("ITEM_TRASH", made.id),
        ("ITEM_UNDELETE_VIA_TRASH", made.id),
        ("ITEM_TRASH", top.id),
    ]
    equal(sorted(told), sorted(wanted), "events")


def the_long_poll_is_announced():
    servers = BOX.events.get_events_with_long_polling()
    equal(len(servers.entries), 1, "servers")
    server = servers.entries[0]
    equal(server.type, "realtime_server", "type")
    assert server.url.startswith("http") and int(server.max_retries) > 0 and server.retry_timeout > 0, server


def the_event_stream_tells_what_happens_meanwhile():
    told = []
    kind = GetEventStreamQueryParamsStreamTypeField.CHANGES
    events = BOX.events.get_event_stream(
        query_params=GetEventStreamQueryParams(stream_type=kind, stream_position=position())
    )

    def listen():
        for event in events:
            told.append((event.event_type, getattr(event.source, "name", None)))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for n in range(5):
        name = f"stream {n}"
        top = BOX.folders.create_folder(name, CreateFolderParent(id="0"))
        eventually(lambda: ("ITEM_CREATE", name) in told, 20, f"the event of '{name}'")
        file_in(top.id, f"in {n}")
        eventually(lambda: ("ITEM_UPLOAD", f"in {n}") in told, 20, f"the event of 'in {n}'")
    events.stop()
    # The poll that hangs ends with the next change.
    BOX.folders.create_folder("the last", CreateFolderParent(id="0"))
    listener.join(20)
    assert not listener.is_alive(), "the stream did not stop"
    equal(len(told), 10, "each event once")


if __name__ == "__main__":
    run(
        every_change_is_told,
        the_long_poll_is_announced,
        the_event_stream_tells_what_happens_meanwhile,
    )
