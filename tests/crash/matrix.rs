//! Every crash point of docs/on-disk.md, with each kind of work that passes it.

use crate::scene::Found::{Interrupted, Kept, Promised, Undone};
use crate::scene::{Left, NOTHING, crash};
use crate::stories::*;
use crate::support::Mode;

/// A session of which boxfs never learned: it dies by itself.
const ONE_SESSION: Left = Left { sessions: 1, ..NOTHING };
/// Bytes that belonged to nothing any more.
const ONE_RESCUED: Left = Left { rescued: 1, ..NOTHING };

/// The name of a test, the point and which of its passings, what is done, what the next start finds, and what stays.
macro_rules! points {
    (
        in_both_modes { $($name:ident: $point:literal $nth:literal $story:ident $found:ident $left:ident;)+ }
        in_one_mode { $($name1:ident: $point1:literal $nth1:literal $story1:ident $found1:ident $left1:ident;)+ }
    ) => {
        /// The points that have a test.
        pub const POINTS: &[&str] = &[$($point,)+ $($point1,)+];
        $(fn $name(mode: Mode) {
            crash(mode, $point, $nth, &$story, $found, $left);
        })+
        in_both_modes!($($name),+);
        mod engine {
            use super::*;
            $(#[test]
            fn $name1() {
                crash(Mode::Copying, $point1, $nth1, &$story1, $found1, $left1);
            })+
        }
    };
}

points! {
    in_both_modes {
        a_file_named_and_not_made: "create.noted" 1 NEW_FILE Interrupted NOTHING;
        a_file_made_and_not_answered: "create.made" 1 NEW_FILE Interrupted NOTHING;
        a_file_about_to_be_emptied: "empty.noted" 1 NEW_VERSION Interrupted NOTHING;
        a_file_emptied_and_not_answered: "empty.made" 1 NEW_VERSION Interrupted NOTHING;
        a_file_noted_as_writable: "write.begun" 1 CHANGED_IN_PLACE Undone NOTHING;
        a_file_moved_to_the_spool: "write.spooled" 1 CHANGED_IN_PLACE Undone NOTHING;
        a_file_about_to_be_closed: "flush.leaving" 1 NEW_FILE Interrupted NOTHING;
        a_version_about_to_be_closed: "flush.leaving" 1 NEW_VERSION Interrupted NOTHING;
        a_file_closed_and_not_answered: "flush.stamped" 1 NEW_FILE Kept NOTHING;
        a_version_closed_and_not_answered: "flush.stamped" 1 NEW_VERSION Kept NOTHING;
        a_large_file_closed_and_not_answered: "flush.stamped" 1 NEW_LARGE_FILE Kept NOTHING;
        a_file_deleted_and_not_answered: "unlink.noted" 1 DELETED Kept NOTHING;
    }
    in_one_mode {
        a_seal_synced_for_a_file: "seal.synced" 1 NEW_FILE Promised NOTHING;
        a_seal_synced_for_a_large_version: "seal.synced" 1 NEW_LARGE_VERSION Promised NOTHING;
        a_seal_recorded_for_a_file: "seal.recorded" 1 NEW_FILE Promised NOTHING;
        a_seal_recorded_for_a_version: "seal.recorded" 1 NEW_VERSION Promised NOTHING;
        a_seal_recorded_for_a_large_file: "seal.recorded" 1 NEW_LARGE_FILE Promised NOTHING;
        an_attempt_to_upload_noted: "call.attempted" 1 NEW_FILE Promised NOTHING;
        an_attempt_to_upload_a_version_noted: "call.attempted" 1 NEW_VERSION Promised NOTHING;
        an_attempt_to_make_a_folder_noted: "call.attempted" 1 NEW_FOLDER Promised NOTHING;
        an_attempt_to_rename_noted: "call.attempted" 1 RENAMED Promised NOTHING;
        an_attempt_to_delete_noted: "call.attempted" 1 DELETED Promised NOTHING;
        a_folder_leaving: "folder.leaving" 1 FOLDER_WITH_FILE Promised NOTHING;
        a_folder_made_by_box: "folder.answered" 1 NEW_FOLDER Promised NOTHING;
        a_folder_made_by_box_for_a_file: "folder.answered" 1 FOLDER_WITH_FILE Promised NOTHING;
        an_upload_leaving: "upload.leaving" 1 NEW_FILE Promised NOTHING;
        an_upload_of_a_version_leaving: "upload.leaving" 1 NEW_VERSION Promised NOTHING;
        an_upload_answered: "upload.answered" 1 NEW_FILE Promised NOTHING;
        an_upload_of_a_version_answered: "upload.answered" 1 NEW_VERSION Promised NOTHING;
        an_upload_of_a_large_file_answered: "upload.answered" 1 NEW_LARGE_FILE Promised NOTHING;
        an_upload_into_a_folder_answered: "upload.answered" 1 FOLDER_WITH_FILE Promised NOTHING;
        an_upload_beside_a_conflict_answered: "upload.answered" 1 CONFLICT Promised NOTHING;
        a_rename_leaving: "update.leaving" 1 RENAMED Promised NOTHING;
        a_rename_answered: "update.answered" 1 RENAMED Promised NOTHING;
        a_move_of_a_folder_answered: "update.answered" 1 MOVED_FOLDER Promised NOTHING;
        a_delete_leaving: "delete.leaving" 1 DELETED Promised NOTHING;
        a_delete_answered: "delete.answered" 1 DELETED Promised NOTHING;
        a_delete_of_a_folder_answered: "delete.answered" 1 DELETED_FOLDER Promised NOTHING;
        a_copy_leaving: "copy.leaving" 1 SAVED_WITH_BACKUP Promised NOTHING;
        a_copy_answered: "copy.answered" 1 SAVED_WITH_BACKUP Promised NOTHING;
        a_restore_from_the_trash_leaving: "restore.leaving" 1 EDITED_IN_TRASH Promised NOTHING;
        a_restore_from_the_trash_answered: "restore.answered" 1 EDITED_IN_TRASH Promised NOTHING;
        an_upload_whose_answer_was_lost: "call.unknown" 1 LOST_ANSWER Promised NOTHING;
        an_upload_settled: "call.settled" 1 NEW_FILE Promised NOTHING;
        an_upload_of_a_large_version_settled: "call.settled" 1 NEW_LARGE_VERSION Promised NOTHING;
        a_folder_settled: "call.settled" 1 FOLDER_WITH_FILE Promised NOTHING;
        a_rename_settled: "call.settled" 1 RENAMED Promised NOTHING;
        a_delete_settled: "call.settled" 1 DELETED Promised NOTHING;
        a_session_opened_and_not_noted: "session.created" 1 NEW_LARGE_FILE Promised ONE_SESSION;
        a_session_for_a_version_opened_and_not_noted: "session.created" 1 NEW_LARGE_VERSION Promised ONE_SESSION;
        a_session_noted: "session.recorded" 1 NEW_LARGE_FILE Promised NOTHING;
        a_session_for_a_version_noted: "session.recorded" 1 NEW_LARGE_VERSION Promised NOTHING;
        the_first_part_leaving: "part.leaving" 1 NEW_LARGE_FILE Promised NOTHING;
        the_last_part_leaving: "part.leaving" 4 NEW_LARGE_FILE Promised NOTHING;
        the_first_part_answered: "part.answered" 1 NEW_LARGE_FILE Promised NOTHING;
        the_third_part_of_a_version_answered: "part.answered" 3 NEW_LARGE_VERSION Promised NOTHING;
        all_parts_answered: "parts.complete" 1 NEW_LARGE_FILE Promised NOTHING;
        all_parts_of_a_version_answered: "parts.complete" 1 NEW_LARGE_VERSION Promised NOTHING;
        a_commit_leaving: "commit.leaving" 1 NEW_LARGE_FILE Promised NOTHING;
        a_commit_of_a_version_leaving: "commit.leaving" 1 NEW_LARGE_VERSION Promised NOTHING;
        a_commit_answered: "commit.answered" 1 NEW_LARGE_FILE Promised NOTHING;
        a_commit_of_a_version_answered: "commit.answered" 1 NEW_LARGE_VERSION Promised NOTHING;
        bytes_moved_to_the_cache: "cache.moved" 1 NEW_FILE Promised NOTHING;
        bytes_of_a_version_moved_to_the_cache: "cache.moved" 1 NEW_VERSION Promised NOTHING;
        a_move_to_the_cache_noted: "cache.recorded" 1 NEW_LARGE_FILE Promised NOTHING;
        a_file_forgotten: "forget.recorded" 1 NEVER_IN_BOX Promised ONE_RESCUED;
        a_deleted_file_forgotten: "forget.recorded" 1 DELETED Promised NOTHING;
        bytes_about_to_be_dropped: "drop.leaving" 1 NEVER_IN_BOX Promised ONE_RESCUED;
        a_conflict_split: "conflict.split" 1 CONFLICT Promised NOTHING;
        a_page_of_a_listing_stored: "listing.page" 1 LISTED Undone NOTHING;
    }
}
