//! Which id each name has after what programs did: one row for each rule of DESIGN.md section 6, name memory. Nothing but the trace and
//! the clock decides.

use crate::base::{AttemptId, BootClock, BoxId, Ino, Sha1Digest, Timestamp};
use crate::tree::{
    AttemptKind, Attr, Finish, Lookup, NewAttempt, NewNode, NodeKind, Presence, Remote, RenameHow, Rights, StoredStamp,
    Tree,
};

/// A tree, a clock, and as much of Box as gives ids.
struct Desk {
    tree: Tree,
    seconds: u64,
    /// Creations that have not been answered.
    flying: Vec<(String, AttemptId)>,
}

impl Desk {
    fn new() -> Desk {
        let tree = Tree::in_memory().unwrap();
        tree.plant_root("0", Attr { mode: 0o755, ..Attr::default() }).unwrap();
        let listing = tree.begin_listing().unwrap();
        tree.end_listing(Ino::ROOT, listing, Timestamp::default(), 10).unwrap();
        let desk = Desk { tree, seconds: 1_000, flying: Vec::new() };
        desk.set_clock();
        desk
    }

    fn set_clock(&self) {
        self.tree.set_boot_clock(BootClock(self.seconds * 1000));
    }

    fn now(&self) -> Timestamp {
        Timestamp::new(1_700_000_000 + i64::try_from(self.seconds).unwrap(), 0)
    }

    fn ino(&self, name: &str) -> Ino {
        match self.tree.child(Ino::ROOT, name).unwrap() {
            Lookup::Found(node) => node.ino,
            other => panic!("'{name}': {other:?}"),
        }
    }

    fn remote(&self, id: &str, name: &str, bytes: &str) -> Remote {
        Remote {
            id: BoxId::file(id),
            parent: Some("0".to_owned()),
            name: name.to_owned(),
            version: Some(format!("{id}-{bytes}")),
            etag: Some("0".to_owned()),
            sequence: Some(self.seconds),
            sha1: Some(Sha1Digest::of(bytes.as_bytes())),
            size: bytes.len() as u64,
            created: Some(self.now()),
            modified: Some(self.now()),
            trashed: false,
            rights: Rights::default(),
            lock: None,
            url: None,
            public: false,
        }
    }

    /// Writes `bytes` and closes.
    fn write(&self, name: &str, bytes: &str) {
        let ino = self.ino(name);
        let (row, _) = self.tree.fresh_content(ino, self.now()).unwrap();
        let stamp = StoredStamp { size: bytes.len() as u64, mtime_ns: 1, ctime_ns: 1 };
        self.tree.closed(ino, row.id, stamp, stamp.size, self.now(), self.now()).unwrap();
        self.tree.sealed(ino, row.id, stamp, Sha1Digest::of(bytes.as_bytes()), false).unwrap();
    }

    fn sends(&mut self, name: &str) {
        let node = self.tree.node(self.ino(name)).unwrap();
        let sha1 = node.content.and_then(|id| self.tree.content(id).unwrap()).and_then(|row| row.sha1());
        let call = NewAttempt {
            ino: node.ino,
            kind: AttemptKind::UploadNew,
            target: None,
            parent: Some("0".to_owned()),
            name: Some(name.to_owned()),
            base_version: None,
            sha1,
            generation: Some(node.generation),
            mtime_secs: Some(node.attr.mtime.secs),
        };
        let attempt = self.tree.begin_attempt(&call, self.now()).unwrap().unwrap();
        self.flying.push((name.to_owned(), attempt.id));
    }

    fn answers(&mut self, name: &str, id: &str, bytes: &str) {
        let at = self.flying.iter().position(|(sent, _)| sent == name).unwrap();
        let (_, attempt) = self.flying.remove(at);
        let answer = Finish::Answered(Box::new(self.remote(id, name, bytes)));
        self.tree.settle_attempt(attempt, &answer, self.now()).unwrap();
    }

    /// Box carries the deletion of the item out.
    fn deletes(&self, id: &str) {
        let node = self.tree.by_item(&BoxId::file(id)).unwrap().unwrap();
        let call = NewAttempt {
            ino: node.ino,
            kind: AttemptKind::Delete,
            target: Some(BoxId::file(id)),
            parent: None,
            name: None,
            base_version: None,
            sha1: None,
            generation: None,
            mtime_secs: None,
        };
        let attempt = self.tree.begin_attempt(&call, self.now()).unwrap().unwrap();
        self.tree.settle_attempt(attempt.id, &Finish::Deleted, self.now()).unwrap();
    }

    fn run(&mut self, script: &str) {
        for step in script.split("; ") {
            let words: Vec<&str> = step.split(' ').collect();
            self.step(&words);
            self.seconds += 1;
            self.set_clock();
        }
    }

    fn step(&mut self, words: &[&str]) {
        let root = Ino::ROOT;
        let rename = |desk: &Desk, a: &str, b: &str, how| {
            desk.tree.rename(root, a, root, b, how, desk.now()).unwrap();
        };
        match *words {
            // Somebody else's file, or one from long ago.
            ["old", name, id] => {
                let item = self.remote(id, name, id);
                self.tree.learn(&item, self.now(), |_| false, self.now()).unwrap();
            }
            ["create", name] => {
                let new =
                    NewNode { parent: root, name, kind: NodeKind::File, mode: 0o644, uid: 0, gid: 0, target: None };
                self.tree.create(&new, self.now()).unwrap();
            }
            ["write", name, bytes] => self.write(name, bytes),
            ["sends", name] => self.sends(name),
            ["answers", name, id, bytes] => self.answers(name, id, bytes),
            ["deletes", id] => self.deletes(id),
            ["mv", a, b] => rename(self, a, b, RenameHow::Replace),
            ["swap", a, b] => rename(self, a, b, RenameHow::Exchange),
            ["rm", name] => drop(self.tree.unlink(root, name, self.now()).unwrap()),
            ["wait", seconds] => self.seconds += seconds.parse::<u64>().unwrap(),
            _ => panic!("no such step: {words:?}"),
        }
    }

    /// `name=id` for each file, `-` where it has none, `*` where its bytes are to be sent; then `!id` for what is to be deleted.
    fn state(&self) -> String {
        let nodes = self.tree.every_node().unwrap();
        let files = nodes.iter().filter(|n| n.is_file());
        let mut told: Vec<String> = files
            .filter_map(|node| match (node.presence, &node.box_id) {
                (Presence::Deleted, id) => id.as_ref().map(|id| format!("~!{id}")),
                (Presence::Here, id) => {
                    let star = if node.content_dirty() { "*" } else { "" };
                    Some(format!("{}={}{star}", node.name, id.as_deref().unwrap_or("-")))
                }
            })
            .collect();
        told.sort();
        told.join(" ").replace("~!", "!")
    }
}

/// What programs and Box do, and which name has which id then.
const TABLE: &[(&str, &str)] = &[
    // Rename-over: the id of the name stays, whatever came over it.
    ("old doc 1; create tmp; write tmp new; mv tmp doc", "doc=1*"),
    ("old doc 1; create tmp; write tmp new; sends tmp; answers tmp 2 new; mv tmp doc", "doc=1* !2"),
    ("old doc 1; create tmp; write tmp new; sends tmp; mv tmp doc; answers tmp 2 new", "doc=1* !2"),
    ("old doc 1; old other 2; mv other doc", "doc=1* !2"),
    ("old doc 1; create tmp; write tmp 1; mv tmp doc", "doc=1"),
    // An old file that takes the name of one that was only just made keeps its own.
    ("old other 2; create doc; write doc x; sends doc; answers doc 3 x; mv other doc", "doc=2 !3"),
    // The old file is moved away, deleted, or made a backup of, and another comes to the name.
    ("old doc 1; mv doc doc~; create doc; write doc new", "doc=1* doc~=-*"),
    ("old doc 1; mv doc doc~; create doc; write doc new; rm doc~", "doc=1*"),
    ("old doc 1; rm doc; create doc; write doc new", "doc=1*"),
    ("old doc 1; rm doc; create doc; write doc 1", "doc=1"),
    ("old doc 1; create tmp; write tmp new; mv doc doc~; mv tmp doc; rm doc~", "doc=1*"),
    ("old doc 1; create tmp; write tmp new; sends tmp; answers tmp 2 new; rm doc; mv tmp doc", "doc=1* !2"),
    (
        "old doc 1; create tmp; write tmp new; sends tmp; answers tmp 2 new; mv doc doc~; mv tmp doc",
        "doc=1* doc~=-* !2",
    ),
    // What was moved away comes back: nothing has happened.
    ("old doc 1; mv doc doc~; create doc; rm doc; mv doc~ doc", "doc=1"),
    ("old doc 1; mv doc doc~; mv doc~ doc", "doc=1"),
    // A lock file that was made again, and a save that was given up: the document has its id.
    ("create l; write l x; mv l doc; sends doc; answers doc 3 x; create l; rm l", "doc=3"),
    ("create l; write l x; sends l; answers l 3 x; mv l doc; create l; write l y; mv l doc", "doc=3*"),
    ("old doc 1; mv doc doc~; create doc; rm doc", "doc~=1"),
    // A temporary name that is used again and again has no say in it.
    (
        "old doc 1; create l; write l a; sends l; answers l 3 a; mv l doc; create l; write l b; mv l doc; create l; write l c; mv l doc",
        "doc=1* !3",
    ),
    // Old files that only change their names keep their ids.
    ("old doc 1; old other 2; mv doc doc.bak; mv other doc", "doc.bak=1 doc=2"),
    ("old a 1; old b 2; swap a b", "a=2 b=1"),
    ("old doc 1; create tmp; write tmp new; swap tmp doc; rm tmp", "doc=1*"),
    // Half a minute between two steps, measured between them, is the limit.
    ("old doc 1; mv doc doc~; wait 27; create doc", "doc=1* doc~=-*"),
    ("old doc 1; mv doc doc~; wait 31; create doc", "doc=-* doc~=1"),
    ("old doc 1; rm doc; wait 31; create doc", "doc=-* !1"),
    // Ten minutes after its birth a file is not a step of a save.
    ("old doc 1; create b; write b b; sends b; answers b 2 b; wait 601; mv doc doc~; mv b doc", "doc=2 doc~=1"),
    // A name remembers its last holder only.
    ("old doc 1; old b 2; mv doc x; mv b doc; rm doc; create doc", "doc=2* x=1"),
    ("old doc 1; mv doc a; create tmp; write tmp new; mv tmp a; create doc", "a=1* doc=-*"),
    // A creation that is on its way is an id already.
    ("create doc; write doc x; sends doc; mv doc doc~; create doc; answers doc 5 x", "doc=5* doc~=-*"),
    ("create doc; write doc x; sends doc; rm doc; create doc; write doc y; answers doc 5 x", "doc=5*"),
    // Box has deleted it already: it is to be restored.
    ("old doc 1; rm doc; deletes 1; create doc; write doc new", "doc=1*"),
    // And a temporary file is one still when that was restored.
    (
        "create doc; write doc a; sends doc; answers doc 1 a; create t; write t b; sends t; answers t 3 b; rm t; deletes 3; \
         create t; write t c; mv t doc",
        "doc=1* !3",
    ),
    // A save that keeps a backup, and one that deletes first.
    ("old doc 1; mv doc doc~; create doc; write doc a; rm doc; create doc", "doc=1* doc~=-*"),
    // What a temporary file took from the document comes home with it.
    ("create t; write t a; sends t; answers t 1 a; mv t doc; create t; write t b; swap t doc; rm t", "doc=1*"),
];

#[test]
fn the_id_follows_the_name() {
    for (script, expected) in TABLE {
        let mut desk = Desk::new();
        desk.run(script);
        assert_eq!(desk.state(), *expected, "after: {script}");
    }
}

#[test]
fn a_deleted_file_stays_in_box_while_its_name_remembers_it() {
    let mut desk = Desk::new();
    desk.run("old doc 1; rm doc");
    let ino = desk.tree.by_item(&BoxId::file("1")).unwrap().unwrap().ino;
    let held = desk.tree.due_of(ino).unwrap().unwrap();
    assert!(held.since(desk.now()) >= super::REMEMBERED - std::time::Duration::from_secs(2), "{held}");
    desk.tree.resume(desk.now()).unwrap();
    assert_eq!(desk.tree.due_of(ino).unwrap(), Some(held), "a start does not cut it short");
    desk.tree.hurry(desk.now()).unwrap();
    assert_eq!(desk.tree.due_of(ino).unwrap(), Some(desk.now()), "whoever waits does");
}

#[test]
fn what_lay_open_to_everybody_is_not_restored_for_other_bytes() {
    let mut desk = Desk::new();
    let shared = Remote { public: true, ..desk.remote("1", "doc", "1") };
    desk.tree.learn(&shared, desk.now(), |_| false, desk.now()).unwrap();
    desk.run("rm doc; deletes 1; create doc; write doc private");
    assert_eq!(desk.state(), "doc=-*");
}
