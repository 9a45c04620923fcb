"""The life of folders and files through the SDK: names, moves, copies, versions, trash, links, locks, metadata."""

import datetime

from box_sdk_gen import (
    AddShareLinkToFileSharedLink,
    AddShareLinkToFileSharedLinkAccessField,
    CopyFileParent,
    CopyFolderParent,
    CreateCollaborationAccessibleBy,
    CreateCollaborationItem,
    CreateFileMetadataByIdScope,
    CreateFolderLockFolder,
    CreateFolderLockLockedOperations,
    CreateFolderParent,
    CreateWebLinkParent,
    CreateZipDownloadItems,
    GetFileMetadataByIdScope,
    RestoreFileFromTrashParent,
    UpdateFileByIdLock,
    UpdateFileByIdParent,
    UpdateFileMetadataByIdRequestBody,
    UpdateFolderByIdParent,
    UploadFileAttributes,
    UploadFileAttributesParentField,
    UploadFileVersionAttributes,
)
from box_sdk_gen.internal.utils import create_null, read_byte_stream

from court import COURT, client, equal, eventually, noise, refused, run, sha1, stream

BOX = client()
OTHER = client(COURT["other_token"])


def folder(name, parent="0"):
    return BOX.folders.create_folder(name, CreateFolderParent(id=parent))


def file(name, data, parent, box=BOX):
    attributes = UploadFileAttributes(name=name, parent=UploadFileAttributesParentField(id=parent))
    return box.uploads.upload_file(attributes, stream(data)).entries[0]


def version(id, name, data, box=BOX, if_match=None):
    attributes = UploadFileVersionAttributes(name=name)
    return box.uploads.upload_file_version(id, attributes, stream(data), if_match=if_match).entries[0]


def content(id, **more):
    return read_byte_stream(BOX.downloads.download_file(id, **more))


def names(id):
    return sorted(entry.name for entry in BOX.folders.get_folder_items(id, limit=1000).entries)


def a_folder_lives_and_dies():
    top = folder("life of folders")
    equal((top.type, top.parent.id, top.item_status, top.etag), ("folder", "0", "active", "0"), "a folder")
    below = folder("below", top.id)
    taken = refused(409, "item_name_in_use", lambda: folder("BELOW", top.id))
    conflicts = taken.context_info["conflicts"]
    equal(conflicts[0]["id"], below.id, "who has the name")
    refused(400, "item_name_invalid", lambda: folder("a/b", top.id))
    refused(404, "not_found", lambda: folder("x", "987654321"))
    renamed = BOX.folders.update_folder_by_id(below.id, name="under", description="told")
    equal((renamed.name, renamed.description, renamed.etag), ("under", "told", "1"), "renamed")
    aside = folder("aside", top.id)
    moved = BOX.folders.update_folder_by_id(below.id, parent=UpdateFolderByIdParent(id=aside.id))
    equal([entry.id for entry in moved.path_collection.entries], ["0", top.id, aside.id], "path")
    parent = UpdateFolderByIdParent(id=below.id)
    refused(400, "cyclical_folder_structure", lambda: BOX.folders.update_folder_by_id(aside.id, parent=parent))
    refused(400, "folder_not_empty", lambda: BOX.folders.delete_folder_by_id(top.id))
    refused(412, "precondition_failed", lambda: BOX.folders.delete_folder_by_id(below.id, if_match="0"))
    BOX.folders.delete_folder_by_id(top.id, recursive=True)
    refused(404, "trashed", lambda: BOX.folders.get_folder_by_id(top.id))


def a_listing_comes_in_pages():
    top = folder("pages")
    wanted = [f"entry {n:02}" for n in range(7)]
    for name in wanted:
        folder(name, top.id)
    file("a file", b"x", top.id)
    found, marker = [], None
    while True:
        page = BOX.folders.get_folder_items(top.id, usemarker=True, marker=marker, limit=3)
        found += [entry.name for entry in page.entries]
        marker = page.next_marker
        if not marker:
            break
    equal(sorted(found), sorted(wanted + ["a file"]), "by marker")
    page = BOX.folders.get_folder_items(top.id, offset=6, limit=3, fields=["name", "size", "permissions"])
    equal((page.total_count, page.offset, page.limit), (8, 6, 3), "by offset")
    equal([entry.name for entry in page.entries], ["entry 06", "a file"], "folders come first")
    assert page.entries[1].permissions.can_download, "permissions were asked for"


def a_file_lives_and_dies():
    top = folder("life of files")
    data = noise(70_000, 1)
    made = file("one.bin", data, top.id)
    equal((made.size, made.sha_1, made.etag), (len(data), sha1(data), "0"), "a file")
    equal(content(made.id), data, "bytes")
    equal(content(made.id, range="bytes=1000-1999"), data[1000:2000], "a range")
    equal(content(made.id, range="bytes=69990-"), data[69990:], "an open range")
    taken = refused(409, "item_name_in_use", lambda: file("ONE.bin", b"", top.id))
    equal(taken.context_info["conflicts"]["sha1"], sha1(data), "who has the name")
    renamed = BOX.files.update_file_by_id(made.id, name="two.bin", if_match="0")
    equal((renamed.name, renamed.etag), ("two.bin", "1"), "renamed")
    refused(412, "precondition_failed", lambda: BOX.files.update_file_by_id(made.id, name="x", if_match="0"))
    aside = folder("aside", top.id)
    moved = BOX.files.update_file_by_id(made.id, parent=UpdateFileByIdParent(id=aside.id), name="three.bin")
    equal((moved.parent.id, moved.name), (aside.id, "three.bin"), "moved")
    equal(names(top.id), ["aside"], "left behind")
    full = BOX.files.get_file_by_id(made.id, fields=["name", "permissions", "version_number", "extension"])
    equal((full.name, full.version_number, full.extension), ("three.bin", "1", "bin"), "fields")
    empty = file("empty", b"", top.id)
    equal((empty.size, content(empty.id)), (0, b""), "no bytes")
    BOX.files.delete_file_by_id(made.id)
    refused(404, "trashed", lambda: BOX.files.get_file_by_id(made.id))


def versions_are_kept_promoted_and_deleted():
    top = folder("versions")
    texts = [b"first", b"the second", b"and the third"]
    made = file("v.txt", texts[0], top.id)
    first = made.file_version.id
    after = version(made.id, "v.txt", texts[1], if_match=made.etag)
    refused(412, "precondition_failed", lambda: version(made.id, "v.txt", b"late", if_match=made.etag))
    last = version(made.id, "v.txt", texts[2])
    equal((last.id, last.etag), (made.id, "2"), "the same file")
    past = BOX.file_versions.get_file_versions(made.id)
    equal([entry.id for entry in past.entries], [after.file_version.id, first], "past versions")
    equal(content(made.id, version=first), texts[0], "bytes of a past version")
    one = BOX.file_versions.get_file_version_by_id(made.id, first)
    equal((one.sha_1, one.size), (sha1(texts[0]), len(texts[0])), "a past version")
    top_again = BOX.file_versions.promote_file_version(made.id, id=first, type="file_version")
    assert top_again.id not in (first, last.file_version.id), "promotion makes a version"
    equal((top_again.sha_1, content(made.id)), (sha1(texts[0]), texts[0]), "promoted")
    BOX.file_versions.delete_file_version_by_id(made.id, after.file_version.id)
    left = [entry.id for entry in BOX.file_versions.get_file_versions(made.id).entries if entry.trashed_at is None]
    assert after.file_version.id not in left, left
    BOX.file_versions.update_file_version_by_id(made.id, after.file_version.id, trashed_at=create_null())
    back = [entry.id for entry in BOX.file_versions.get_file_versions(made.id).entries if entry.trashed_at is None]
    assert after.file_version.id in back, back


def copies_are_other_items():
    top = folder("copies")
    source = folder("source", top.id)
    made = file("c.txt", b"copy me", source.id)
    refused(409, "item_name_in_use", lambda: BOX.files.copy_file(made.id, CopyFileParent(id=source.id)))
    copied = BOX.files.copy_file(made.id, CopyFileParent(id=top.id), name="d.txt")
    assert copied.id != made.id and copied.sha_1 == made.sha_1, copied
    whole = BOX.folders.copy_folder(source.id, CopyFolderParent(id=top.id), name="target")
    inside = BOX.folders.get_folder_items(whole.id).entries
    equal([entry.name for entry in inside], ["c.txt"], "the copy of a folder")
    equal(content(inside[0].id), b"copy me", "the copy of a file in it")


def the_trash_gives_back_and_forgets():
    top = folder("trash")
    made, other = file("t.txt", b"trash me", top.id), file("u.txt", b"and me", top.id)
    BOX.files.delete_file_by_id(made.id)
    BOX.files.delete_file_by_id(other.id)
    trashed = BOX.trashed_files.get_trashed_file_by_id(made.id)
    equal((trashed.item_status, trashed.name), ("trashed", "t.txt"), "in the trash")
    listed = [entry.id for entry in BOX.trashed_items.get_trashed_items(limit=1000).entries]
    assert made.id in listed and other.id in listed, listed
    file("t.txt", b"another", top.id)
    refused(409, "item_name_in_use", lambda: BOX.trashed_files.restore_file_from_trash(made.id))
    parent = RestoreFileFromTrashParent(id=top.id)
    back = BOX.trashed_files.restore_file_from_trash(made.id, name="back.txt", parent=parent)
    equal((back.id, back.name, back.item_status), (made.id, "back.txt", "active"), "restored")
    equal(content(made.id), b"trash me", "restored bytes")
    BOX.trashed_files.delete_trashed_file_by_id(other.id)
    refused(404, "not_found", lambda: BOX.files.get_file_by_id(other.id))
    refused(404, "not_trashed", lambda: BOX.trashed_files.delete_trashed_file_by_id(made.id))
    BOX.folders.delete_folder_by_id(top.id, recursive=True)
    restored = BOX.trashed_folders.restore_folder_from_trash(top.id)
    equal((restored.id, names(top.id)), (top.id, ["back.txt", "t.txt"]), "a folder comes back with all in it")


def a_shared_link_opens_a_file_to_others():
    top = folder("links")
    made = file("s.txt", b"share me", top.id)
    refused(404, "not_found", lambda: OTHER.files.get_file_by_id(made.id))
    wanted = AddShareLinkToFileSharedLink(access=AddShareLinkToFileSharedLinkAccessField.OPEN, password="Secret123@")
    shared = BOX.shared_links_files.add_share_link_to_file(made.id, "shared_link", shared_link=wanted).shared_link
    equal((shared.access, shared.is_password_enabled), ("open", True), "a link")
    key = f"shared_link={shared.url}&shared_link_password=Secret123@"
    found = OTHER.shared_links_files.find_file_for_shared_link(key)
    equal((found.id, found.type), (made.id, "file"), "found by its link")
    got = OTHER.downloads.download_file(made.id, boxapi=key)
    equal(read_byte_stream(got), b"share me", "bytes by the link")
    gone = BOX.shared_links_files.remove_shared_link_from_file(made.id, "shared_link", shared_link=create_null())
    equal(gone.shared_link, None, "no link")
    refused(404, "not_found", lambda: OTHER.shared_links_files.find_file_for_shared_link(key))


def a_lock_keeps_others_out():
    top = folder("locks")
    who = CreateCollaborationAccessibleBy(type="user", id=OTHER.users.get_user_me().id)
    BOX.user_collaborations.create_collaboration(CreateCollaborationItem(type="folder", id=top.id), who, "editor")
    made = file("l.txt", b"mine", top.id)
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(hours=1)
    lock = UpdateFileByIdLock(access="lock", expires_at=until, is_download_prevented=False)
    locked = BOX.files.update_file_by_id(made.id, lock=lock, fields=["lock"]).lock
    equal((locked.type, locked.created_by.id), ("lock", BOX.users.get_user_me().id), "a lock")
    refused(403, "access_denied_item_locked", lambda: version(made.id, "l.txt", b"theirs", OTHER))
    refused(403, "access_denied_item_locked", lambda: OTHER.files.update_file_by_id(made.id, name="x"))
    version(made.id, "l.txt", b"mine again")
    free = BOX.files.update_file_by_id(made.id, lock=create_null(), fields=["lock"])
    equal(free.lock, None, "no lock")
    version(made.id, "l.txt", b"theirs", OTHER)


def a_folder_lock_keeps_the_owner_from_a_mistake():
    top = folder("folder locks")
    operations = CreateFolderLockLockedOperations(move=True, delete=True)
    lock = BOX.folder_locks.create_folder_lock(
        CreateFolderLockFolder(type="folder", id=top.id), locked_operations=operations
    )
    equal([entry.id for entry in BOX.folder_locks.get_folder_locks(top.id).entries], [lock.id], "locks")
    refused(403, "access_denied_insufficient_permissions", lambda: BOX.folders.delete_folder_by_id(top.id))
    BOX.folder_locks.delete_folder_lock_by_id(lock.id)
    BOX.folders.delete_folder_by_id(top.id)


def a_viewer_may_look_and_not_touch():
    top = folder("viewers")
    made = file("look.txt", b"look", top.id)
    who = CreateCollaborationAccessibleBy(type="user", login=OTHER.users.get_user_me().login)
    item = CreateCollaborationItem(type="folder", id=top.id)
    collaboration = BOX.user_collaborations.create_collaboration(item, who, "viewer")
    may = OTHER.files.get_file_by_id(made.id, fields=["permissions"]).permissions
    equal((may.can_download, may.can_upload, may.can_rename), (True, False, False), "a viewer's permissions")
    denied = "access_denied_insufficient_permissions"
    refused(403, denied, lambda: version(made.id, "look.txt", b"touch", OTHER))
    assert "viewers" in [entry.name for entry in OTHER.folders.get_folder_items("0").entries]
    BOX.user_collaborations.update_collaboration_by_id(collaboration.id, role="editor")
    version(made.id, "look.txt", b"touch", OTHER)
    BOX.user_collaborations.delete_collaboration_by_id(collaboration.id)
    refused(404, "not_found", lambda: OTHER.files.get_file_by_id(made.id))


def metadata_is_kept_beside_a_file():
    made = file("m.txt", b"m", folder("metadata").id)
    scope, template = CreateFileMetadataByIdScope.GLOBAL, "properties"
    BOX.file_metadata.create_file_metadata_by_id(made.id, scope, template, {"color": "red", "a/b~c": "odd"})
    twice = "tuple_already_exists"
    refused(409, twice, lambda: BOX.file_metadata.create_file_metadata_by_id(made.id, scope, template, {"a": "b"}))
    change = UpdateFileMetadataByIdRequestBody(op="replace", path="/color", value="blue")
    remove = UpdateFileMetadataByIdRequestBody(op="remove", path="/a~1b~0c")
    BOX.file_metadata.update_file_metadata_by_id(made.id, scope, template, [change, remove])
    got = BOX.file_metadata.get_file_metadata_by_id(made.id, GetFileMetadataByIdScope.GLOBAL, template)
    equal((got.extra_data, got.parent), ({"color": "blue"}, f"file_{made.id}"), "an instance")
    equal(len(BOX.file_metadata.get_file_metadata(made.id).entries), 1, "instances")
    BOX.file_metadata.delete_file_metadata_by_id(made.id, scope, template)
    missing = lambda: BOX.file_metadata.get_file_metadata_by_id(made.id, scope, template)
    refused(404, "instance_not_found", missing)


def search_thumbnails_archives_and_web_links_work():
    top = folder("others")
    made = file("needle in the hay.txt", b"found", top.id)
    hits = lambda: BOX.search.search_for_content(query="needle", ancestor_folder_ids=[top.id], type="file").entries
    equal([hit.id for hit in eventually(hits, 10, "a hit")], [made.id], "search by name")
    picture = read_byte_stream(BOX.files.get_file_thumbnail_by_id(made.id, "png"))
    assert picture.startswith(b"\x89PNG"), picture[:8]
    items = [CreateZipDownloadItems(type="file", id=made.id)]
    archive = BOX.zip_downloads.create_zip_download(items, download_file_name="all")
    packed = read_byte_stream(BOX.zip_downloads.get_zip_download_content(archive.download_url))
    assert packed.startswith(b"PK"), packed[:4]
    equal(BOX.zip_downloads.get_zip_download_status(archive.status_url).state, "succeeded", "an archive's state")
    link = BOX.web_links.create_web_link("https://example.com/", CreateWebLinkParent(id=top.id), name="link")
    equal(BOX.web_links.update_web_link_by_id(link.id, name="other").name, "other", "a web link")
    BOX.web_links.delete_web_link_by_id(link.id)


if __name__ == "__main__":
    run(
        a_folder_lives_and_dies,
        a_listing_comes_in_pages,
        a_file_lives_and_dies,
        versions_are_kept_promoted_and_deleted,
        copies_are_other_items,
        the_trash_gives_back_and_forgets,
        a_shared_link_opens_a_file_to_others,
        a_lock_keeps_others_out,
        a_folder_lock_keeps_the_owner_from_a_mistake,
        a_viewer_may_look_and_not_touch,
        metadata_is_kept_beside_a_file,
        search_thumbnails_archives_and_web_links_work,
    )
