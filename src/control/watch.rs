//! Changes as they are applied, for a client that watches: the engine's words, turned into replies.

use super::protocol::{Change, Progress, Reply};
use crate::sync::{self, Engine, MadeIn, NodeKind, Seen, What};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a sign of life goes out while nothing changes: below what a client takes for a hang.
const STILL_HERE_EVERY: Duration = Duration::from_secs(10);

/// Tells the changes at or below `top` until the client goes, or the mount.
pub(super) async fn watch(engine: &Engine, top: &str, reply: &mpsc::Sender<Reply>) -> Reply {
    let mut watching = engine.watch();
    loop {
        // The first one says that from here on nothing is missed.
        let alive = Reply::Progress(Progress { online: engine.reach().trouble.is_none(), ..Progress::default() });
        if reply.send(alive).await.is_err() {
            return Reply::Done;
        }
        while let Ok(seen) = tokio::time::timeout(STILL_HERE_EVERY, watching.next()).await {
            let told = match seen {
                None => return Reply::Done,
                Some(Seen::Missed(count)) => Reply::Missed { count },
                Some(Seen::Change { change, by }) if concerns(&change, top) => Reply::Change(in_words(change, by)),
                Some(Seen::Change { .. }) => continue,
            };
            // A client that reads slowly makes this wait; what it misses meanwhile is counted.
            if reply.send(told).await.is_err() {
                return Reply::Done;
            }
        }
    }
}

fn concerns(change: &sync::Change, top: &str) -> bool {
    let below = |path: &str| {
        top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(&change.path) || matches!(&change.what, What::Moved { from } if below(from))
}

fn in_words(change: sync::Change, by: Option<String>) -> Change {
    let (what, from) = match change.what {
        What::Created => ("created", None),
        What::Edited => ("edited", None),
        What::Moved { from } => ("moved", Some(from)),
        What::Deleted => ("deleted", None),
    };
    let kind = match change.kind {
        NodeKind::File | NodeKind::Symlink => "file",
        NodeKind::Folder => "folder",
        NodeKind::WebLink => "bookmark",
    };
    let made_in = match change.made_in {
        MadeIn::Box => "box",
        MadeIn::Mount => "mount",
    };
    Change {
        at: change.at.to_rfc3339(),
        what: what.to_owned(),
        kind: kind.to_owned(),
        path: change.path,
        from,
        made_in: made_in.to_owned(),
        by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn change(path: &str, what: What) -> sync::Change {
        let at = Timestamp::default();
        sync::Change { at, what, kind: NodeKind::File, path: path.to_owned(), item: None, made_in: MadeIn::Box }
    }

    #[test]
    fn a_watcher_of_a_folder_sees_what_comes_goes_and_changes_there() {
        let edited = |path| concerns(&change(path, What::Edited), "docs");
        assert!(edited("docs/a") && edited("docs") && !edited("docs2/a") && !edited("other"));
        assert!(concerns(&change("other/a", What::Moved { from: "docs/a".to_owned() }), "docs"));
        assert!(concerns(&change("anything", What::Deleted), ""));
    }

    #[test]
    fn the_line_has_the_names_that_scripts_rely_on() {
        let moved = change("b", What::Moved { from: "a".to_owned() });
        let line = serde_json::to_value(in_words(moved, Some("ann@example.com".to_owned()))).unwrap();
        let expected = serde_json::json!({"at": "1970-01-01T00:00:00Z", "what": "moved", "kind": "file", "path": "b",
            "from": "a", "made_in": "box", "by": "ann@example.com"});
        assert_eq!(line, expected);
    }
}
