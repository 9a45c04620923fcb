//! One test for each row of the planner's table (DESIGN.md section 6), and for what comes before it.

use super::*;
use crate::base::{AttemptId, Sha1Digest, Timestamp};
use crate::tree::{
    Attr, Base, ContentRow, NewAttempt, Origin, ParentView, Place, Presence, Remote, Rights, StoredStamp,
};

fn node(kind: NodeKind) -> Node {
    Node {
        ino: Ino(7),
        kind,
        parent: Ino(1),
        name: "plan.txt".to_owned(),
        presence: Presence::Here,
        attr: Attr { size: 3, mtime: Timestamp::new(100, 5), ..Attr::default() },
        content: None,
        generation: 0,
        unsealed: false,
        box_id: None,
        base: None,
        complete: true,
        changed_at: Timestamp::default(),
        dirty_since: Some(Timestamp::default()),
        hold: None,
        failures: 0,
        time_refused: None,
        identity: None,
        born_at: None,
    }
}

fn picture(node: Node) -> Picture {
    Picture {
        node,
        parent: ParentView { ino: Ino(1), id: Some("0".to_owned()), deleted: false },
        remote: None,
        content: None,
        attempts: Vec::new(),
        slot: None,
        inside: Inside::Nothing,
        name_wanted: false,
        needed: false,
    }
}

/// A file that Box has as version `v1`, clean.
fn synced() -> Picture {
    let mut node = node(NodeKind::File);
    node.box_id = Some("11".to_owned());
    node.base = Some(Base {
        parent: "0".to_owned(),
        name: node.name.clone(),
        version: Some("v1".to_owned()),
        sha1: Some(Sha1Digest::of(b"old")),
        generation: Some(0),
        mtime_secs: 100,
    });
    let remote = remote(&node);
    Picture { remote: Some(remote), ..picture(node) }
}

fn remote(node: &Node) -> Remote {
    Remote {
        id: BoxId::file("11"),
        parent: Some("0".to_owned()),
        name: node.name.clone(),
        version: Some("v1".to_owned()),
        etag: Some("4".to_owned()),
        sequence: Some(9),
        sha1: Some(Sha1Digest::of(b"old")),
        size: 3,
        created: None,
        modified: None,
        trashed: false,
        rights: Rights::default(),
        lock: None,
        url: None,
        public: false,
    }
}

fn with_bytes(mut picture: Picture, state: ContentState) -> Picture {
    picture.node.content = Some(ContentId(5));
    picture.node.unsealed = state == ContentState::Writable;
    picture.node.generation = 1;
    picture.content = Some(ContentRow {
        id: ContentId(5),
        ino: picture.node.ino,
        place: Place::Spool,
        state,
        origin: None,
        ranges: None,
        size: 3,
        smallest: 0,
        stamp: Some(StoredStamp { size: 3, mtime_ns: 1, ctime_ns: 1 }),
        durable: true,
        boot: String::new(),
    });
    picture
}

fn sealed() -> ContentState {
    ContentState::Sealed { sha1: Sha1Digest::of(b"new") }
}

fn next(picture: &Picture) -> Plan {
    plan(picture, OpenState::default(), FolderMemory::default())
}

fn deleted(mut picture: Picture) -> Picture {
    picture.node.presence = Presence::Deleted;
    picture
}

#[test]
fn a_clean_node_needs_nothing() {
    assert_eq!(next(&synced()), Plan::Clean);
}

#[test]
fn a_deleted_file_in_box_is_deleted_with_if_match() {
    let expected = Call::Delete { item: BoxId::file("11"), recursive: false, if_match: Some("4".to_owned()) };
    assert_eq!(next(&deleted(synced())), Plan::Call(expected));
}

#[test]
fn a_deleted_node_that_was_never_in_box_is_forgotten_once_it_is_closed() {
    let gone = deleted(picture(node(NodeKind::File)));
    assert_eq!(next(&gone), Plan::Forget);
    let open = OpenState { handles: true, ..OpenState::default() };
    assert_eq!(plan(&gone, open, FolderMemory::default()), Plan::Wait(Wait::StillOpen));
}

fn deleted_folder(inside: Inside) -> Picture {
    let mut folder = node(NodeKind::Folder);
    folder.box_id = Some("22".to_owned());
    Picture { inside, ..deleted(picture(folder)) }
}

#[test]
fn a_deleted_folder_goes_recursively_only_after_a_fresh_listing_of_deleted_files() {
    let delete = |recursive| Plan::Call(Call::Delete { item: BoxId::folder("22"), recursive, if_match: None });
    let listed = FolderMemory { listed: true, ..FolderMemory::default() };
    let one_by_one = FolderMemory { listed: true, one_by_one: true, ..FolderMemory::default() };
    for (inside, memory, expected) in [
        (Inside::Nothing, FolderMemory::default(), delete(false)),
        (Inside::Folders, FolderMemory::default(), Plan::Wait(Wait::ChildrenFirst)),
        (Inside::DeletedFiles, FolderMemory::default(), Plan::List(Ino(7))),
        (Inside::DeletedFiles, listed, delete(true)),
        (Inside::DeletedFiles, one_by_one, Plan::Wait(Wait::ChildrenFirst)),
        (Inside::Leaving, one_by_one, Plan::Wait(Wait::ChildrenFirst)),
        (Inside::Strangers, FolderMemory::default(), Plan::List(Ino(7))),
        (Inside::Strangers, listed, Plan::OneByOne),
        (Inside::Strangers, one_by_one, Plan::Undelete),
    ] {
        assert_eq!(plan(&deleted_folder(inside), OpenState::default(), memory), expected, "{inside:?} {memory:?}");
    }
}

#[test]
fn a_deleted_folder_gives_its_name_to_where_what_is_in_it_moves() {
    let mut folder = deleted_folder(Inside::Leaving);
    folder.name_wanted = true;
    folder.node.base = Some(Base { parent: "0".to_owned(), name: folder.node.name.clone(), ..Base::default() });
    let Plan::Call(Call::Update { item, name: Some(name), parent: None, .. }) = next(&folder) else {
        panic!("{:?}", next(&folder))
    };
    assert_eq!(item, BoxId::folder("22"));
    folder.node.base = Some(Base { parent: "0".to_owned(), name, ..Base::default() });
    assert!(matches!(next(&folder), Plan::Wait(Wait::NameHeld { .. })), "once");
}

#[test]
fn a_deleted_file_in_a_deleted_folder_waits_for_the_folder() {
    let mut file = deleted(synced());
    file.parent.deleted = true;
    assert_eq!(next(&file), Plan::Wait(Wait::ParentWillGo));
    let memory = FolderMemory { parent_one_by_one: true, ..FolderMemory::default() };
    assert!(matches!(plan(&file, OpenState::default(), memory), Plan::Call(Call::Delete { .. })));
}

#[test]
fn a_new_folder_is_created_once_its_parent_is_in_box() {
    let mut folder = picture(node(NodeKind::Folder));
    let expected = Call::CreateFolder { parent: "0".to_owned(), name: "plan.txt".to_owned() };
    assert_eq!(next(&folder), Plan::Call(expected));
    folder.parent.id = None;
    assert_eq!(next(&folder), Plan::Wait(Wait::ParentNotInBox));
}

#[test]
fn a_new_file_is_sealed_and_then_uploaded_with_its_times() {
    let open = with_bytes(picture(node(NodeKind::File)), ContentState::Writable);
    assert_eq!(next(&open), Plan::Seal(ContentId(5)));
    let Plan::Call(Call::Upload(upload)) = next(&with_bytes(picture(node(NodeKind::File)), sealed())) else {
        panic!("not an upload")
    };
    assert_eq!(upload.target, Target::New { parent: "0".to_owned(), name: "plan.txt".to_owned() });
    assert_eq!((upload.sha1, upload.generation, upload.modified), (Sha1Digest::of(b"new"), 1, Timestamp::new(100, 5)));
}

#[test]
fn a_backup_does_not_keep_the_name_that_another_mount_gave_it_for_a_moment() {
    let mut backup = with_bytes(picture(node(NodeKind::File)), sealed());
    backup.node.name = "plan.txt.boxfs-swap-99".to_owned();
    assert!(matches!(next(&backup), Plan::Call(Call::Upload(_))), "a program may give any name");
    backup.node.identity = Some(-3);
    assert_eq!(next(&backup), Plan::Unpark);
}

#[test]
fn bytes_that_are_written_or_not_here_wait() {
    let file = with_bytes(picture(node(NodeKind::File)), ContentState::Writable);
    let writing = OpenState { handles: true, writers: true, pushed: Pushed::No };
    assert_eq!(plan(&file, writing, FolderMemory::default()), Plan::Wait(Wait::OpenForWriting));
    let mut partial = file.clone();
    if let Some(content) = partial.content.as_mut() {
        content.ranges = Some(Vec::new());
    }
    assert_eq!(next(&partial), Plan::Complete(ContentId(5)));
    let pushed = OpenState { pushed: Pushed::Unsealed, ..writing };
    assert_eq!(plan(&file, pushed, FolderMemory::default()), Plan::SealOpen(ContentId(5)));
    let mut older = with_bytes(picture(node(NodeKind::File)), sealed());
    older.node.unsealed = true;
    assert_eq!(plan(&older, pushed, FolderMemory::default()), Plan::SealOpen(ContentId(5)), "bytes of before");
    let sent = OpenState { pushed: Pushed::Sealed, ..writing };
    assert!(matches!(plan(&older, sent, FolderMemory::default()), Plan::Call(Call::Upload(_))));
}

#[test]
fn new_bytes_of_a_known_file_are_a_version_tied_to_the_one_they_came_from() {
    let mut changed = with_bytes(synced(), sealed());
    changed.node.name = "renamed.txt".to_owned();
    let Plan::Call(Call::Upload(upload)) = next(&changed) else { panic!("not an upload") };
    let expected = Target::Version {
        file_id: "11".to_owned(),
        rename: Some("renamed.txt".to_owned()),
        if_match: Some("4".to_owned()),
        base_version: Some("v1".to_owned()),
    };
    assert_eq!(upload.target, expected);
}

#[test]
fn a_move_goes_before_the_bytes_since_it_cannot_travel_along() {
    let mut changed = with_bytes(synced(), sealed());
    changed.parent.id = Some("33".to_owned());
    let Plan::Call(Call::Update { parent, name, modified, .. }) = next(&changed) else { panic!("not a move") };
    assert_eq!((parent.as_deref(), name, modified), (Some("33"), None, None));
}

#[test]
fn somebody_elses_version_makes_a_conflict_and_never_an_upload() {
    let mut changed = with_bytes(synced(), sealed());
    if let Some(remote) = changed.remote.as_mut() {
        remote.version = Some("v2".to_owned());
        remote.sha1 = Some(Sha1Digest::of(b"theirs"));
    }
    assert_eq!(next(&changed), Plan::Split);
}

#[test]
fn somebody_elses_version_with_the_bytes_of_base_or_of_here_is_no_conflict() {
    for same in [b"old", b"new"] {
        let mut changed = with_bytes(synced(), sealed());
        if let Some(remote) = changed.remote.as_mut() {
            remote.version = Some("v2".to_owned());
            remote.sha1 = Some(Sha1Digest::of(same));
        }
        assert_eq!(next(&changed), Plan::Rebase);
    }
}

#[test]
fn what_was_edited_here_and_trashed_there_is_restored_before_its_bytes_go() {
    let mut changed = with_bytes(synced(), sealed());
    changed.node.name = "renamed.txt".to_owned();
    if let Some(remote) = changed.remote.as_mut() {
        remote.trashed = true;
    }
    let item = BoxId::file("11");
    let expected = Call::Restore { item, name: "renamed.txt".to_owned(), parent: "0".to_owned() };
    assert_eq!(next(&changed), Plan::Call(expected.clone()));
    if let Some(content) = changed.content.as_mut() {
        content.ranges = Some(Vec::new());
    }
    assert_eq!(next(&changed), Plan::Call(expected), "what is missing can be fetched only out of the trash");
    let lost = attempt(AttemptKind::Restore, Some(BoxId::file("11")), AttemptState::Unknown);
    changed.attempts = vec![lost];
    assert_eq!(next(&changed), Plan::Look(BoxId::file("11")));
}

#[test]
fn name_and_parent_and_time_go_in_one_call() {
    let mut moved = synced();
    moved.node.name = "b".to_owned();
    moved.parent.id = Some("33".to_owned());
    moved.node.attr.mtime = Timestamp::new(200, 0);
    let expected = Call::Update {
        item: BoxId::file("11"),
        name: Some("b".to_owned()),
        parent: Some("33".to_owned()),
        modified: Some(Timestamp::new(200, 0)),
        if_match: Some("4".to_owned()),
    };
    assert_eq!(next(&moved), Plan::Call(expected));
}

#[test]
fn a_time_that_box_refused_for_this_version_is_not_sent_again() {
    let mut touched = synced();
    touched.node.attr.mtime = Timestamp::new(200, 0);
    assert!(matches!(next(&touched), Plan::Call(Call::Update { .. })));
    touched.node.time_refused = Some("v1".to_owned());
    assert_eq!(next(&touched), Plan::Clean);
}

#[test]
fn a_fraction_of_a_second_is_no_difference() {
    let mut touched = synced();
    touched.node.attr.mtime = Timestamp::new(100, 999);
    assert_eq!(next(&touched), Plan::Clean);
}

#[test]
fn a_name_that_box_still_gives_to_another_is_waited_for_and_a_cycle_is_broken() {
    let mut wanted = synced();
    wanted.node.name = "b".to_owned();
    let mut other = node(NodeKind::File);
    other.ino = Ino(8);
    other.presence = Presence::Deleted;
    let holder = |node: Option<Node>, in_cycle| Some(SlotHolder { item: BoxId::file("12"), node, in_cycle });
    wanted.slot = holder(Some(other.clone()), false);
    assert!(matches!(next(&wanted), Plan::Wait(Wait::NameHeld { .. })));
    wanted.slot = holder(None, false);
    assert_eq!(next(&wanted), Plan::Look(BoxId::file("12")));
    other.presence = Presence::Here;
    wanted.slot = holder(Some(other), true);
    let Plan::Call(Call::Update { name: Some(name), .. }) = next(&wanted) else { panic!("no step aside") };
    assert!(name.starts_with("b.boxfs-swap-"));
    // There it waits, unless somebody else gives the item another name meanwhile.
    wanted.node.base.as_mut().unwrap().name.clone_from(&name);
    wanted.remote.as_mut().unwrap().name.clone_from(&name);
    assert!(matches!(next(&wanted), Plan::Wait(Wait::NameHeld { .. })));
    wanted.remote.as_mut().unwrap().name = "plan.txt".to_owned();
    assert_eq!(next(&wanted), rename_to(&name));
}

fn rename_to(name: &str) -> Plan {
    let name = Some(name.to_owned());
    Plan::Call(Call::Update { item: BoxId::file("11"), name, parent: None, modified: None, if_match: None })
}

fn attempt(kind: AttemptKind, target: Option<BoxId>, state: AttemptState) -> Attempt {
    Attempt {
        id: AttemptId(1),
        state,
        sent_at: Timestamp::default(),
        call: NewAttempt {
            ino: Ino(7),
            kind,
            target,
            parent: Some("0".to_owned()),
            name: Some("plan.txt".to_owned()),
            base_version: None,
            sha1: Some(Sha1Digest::of(b"new")),
            generation: Some(1),
            mtime_secs: None,
        },
    }
}

#[test]
fn nothing_is_sent_while_a_call_is_on_its_way() {
    let mut file = deleted(synced());
    file.attempts = vec![attempt(AttemptKind::Delete, Some(BoxId::file("11")), AttemptState::Sent)];
    assert_eq!(next(&file), Plan::Wait(Wait::InFlight));
}

#[test]
fn a_lost_call_is_found_out_about_before_anything_else() {
    let mut file = deleted(synced());
    file.attempts = vec![attempt(AttemptKind::Delete, Some(BoxId::file("11")), AttemptState::Unknown)];
    assert_eq!(next(&file), Plan::Look(BoxId::file("11")));

    let mut new = with_bytes(picture(node(NodeKind::File)), sealed());
    let lost = attempt(AttemptKind::UploadNew, None, AttemptState::Unknown);
    new.attempts = vec![lost.clone()];
    assert!(matches!(next(&new), Plan::Repeat(again, Call::Upload(_)) if *again == lost));

    let mut other_bytes = with_bytes(picture(node(NodeKind::File)), ContentState::Writable);
    other_bytes.attempts = vec![lost.clone()];
    assert_eq!(next(&other_bytes), Plan::FindOut(Box::new(lost), "0".to_owned()));
}

#[test]
fn a_deleted_file_that_somebody_changed_or_moved_comes_back() {
    let mut changed = deleted(synced());
    let mut moved = changed.clone();
    if let Some(remote) = changed.remote.as_mut() {
        remote.version = Some("v2".to_owned());
    }
    assert_eq!(next(&changed), Plan::ComeBack);
    if let Some(remote) = moved.remote.as_mut() {
        remote.parent = Some("5".to_owned());
    }
    assert_eq!(next(&moved), Plan::ComeBack);
}

#[test]
fn what_only_the_user_can_free_is_left_alone() {
    let mut held = with_bytes(synced(), sealed());
    held.node.hold = Some(Hold::Interrupted);
    assert_eq!(next(&held), Plan::Wait(Wait::Held(Hold::Interrupted)));
    held.node.hold = Some(Hold::Retrying { reason: "it was busy".to_owned() });
    assert!(matches!(next(&held), Plan::Call(_)));
    held.node.hold = Some(Hold::LocalOnly);
    assert_eq!(next(&held), Plan::Wait(Wait::LocalOnly));
}

#[test]
fn a_backup_whose_bytes_are_a_version_is_copied_in_box() {
    let mut backup = with_bytes(picture(node(NodeKind::File)), ContentState::Clean);
    if let Some(content) = backup.content.as_mut() {
        content.origin = Some(Origin {
            file_id: "11".to_owned(),
            version: "v1".to_owned(),
            sha1: Some(Sha1Digest::of(b"old")),
            size: 3,
        });
        // Not a byte of it has to be here.
        content.ranges = Some(Vec::new());
    }
    let Plan::Call(Call::Copy { file_id, version, name, .. }) = next(&backup) else { panic!("not a copy") };
    assert_eq!((file_id.as_str(), version.as_str(), name.as_str()), ("11", "v1", "plan.txt"));
}
