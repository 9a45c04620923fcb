//! Traces that once ended badly, as the search shrank them. Each name says what has to hold.

use super::ends_well;
use super::step::Fault::*;
use super::step::Step::*;

#[test]
fn regression_a_seal_of_replaced_bytes_says_nothing_about_the_node() {
    ends_well(&[Save("a", 1, true), Wait(3000), Save("a", 5, true)]);
}

#[test]
fn regression_a_name_in_other_case_in_box_is_a_conflict_that_settles() {
    ends_well(&[Save("D", 0, true), TheySave("d", 2)]);
    ends_well(&[Save("a", 4, true), Wait(2000), Do(0, Fine), Open(1, "B"), Hear(0), Do(0, Fine), TheyRename("a", "b")]);
}

#[test]
fn regression_a_folder_made_by_a_lost_call_is_ours() {
    ends_well(&[Mkdir("e"), Wait(2000), Do(0, AnswerLost), Rmdir("e")]);
}

#[test]
fn regression_a_file_made_by_a_lost_call_is_ours() {
    ends_well(&[Save("a", 2, true), Wait(2000), Do(0, Fine), Hear(0), Do(0, AnswerLost), Unlink("a")]);
}

#[test]
fn regression_a_repeated_call_that_fails_leaves_the_first_one_open() {
    let lost = [Save("c", 1, true), Wait(29000), Do(0, Fine), Hear(0), CrashAfter(1), Do(0, Fine), Hurry];
    ends_well(&[&lost[..], &[Save("c", 9, true)]].concat());
    let lost = [Save("b", 2, true), Wait(2000), Do(0, Fine), Hear(0), Do(0, Fine), Crash];
    ends_well(&[&lost[..], &[Save("b", 8, true), Unlink("b")]].concat());
}

#[test]
fn regression_a_name_is_free_when_its_holder_was_renamed() {
    ends_well(&[Mkdir("e"), Wait(2000), Rename("e", "c"), Do(0, Fine), Hear(0), Mkdir("e"), Wait(35000)]);
    let exchanged = [Save("c", 1, true), Hurry, Do(0, Fine), Hear(0), Save("a", 6, true), Exchange("c", "a")];
    ends_well(&[&exchanged[..], &[Do(0, Fine), Save("a", 8, true), Hear(0), Wait(2000)]].concat());
}

#[test]
fn regression_what_was_made_a_moment_ago_and_deleted_by_others_goes() {
    ends_well(&[Save("e", 3, true), Wait(8000), Do(0, Fine), Hear(0), Do(0, Fine), TheyDelete("e")]);
}

#[test]
fn regression_an_edit_by_others_beats_a_delete() {
    ends_well(&[Save("b", 5, true), Crash, Do(0, Fine), Hear(0), Do(0, Fine), Unlink("b"), TheySave("b", 7)]);
}

#[test]
fn regression_a_time_set_while_the_answer_was_lost_is_kept() {
    ends_well(&[Save("e", 2, true), Hurry, Do(0, Fine), Hear(0), Do(0, AnswerLost), Touch("e", 1_000_000_000)]);
}

#[test]
fn regression_a_listing_from_before_a_delete_brings_nothing_back() {
    let listed = [Save("e", 2, true), Wait(36000), Do(0, Fine), Hear(0), Do(0, Fine), Unlink("e"), List(""), Hear(0)];
    ends_well(&[&listed[..], &[Do(0, Fine), Do(0, Fine), Do(0, Fine), Hear(2)]].concat());
}

#[test]
fn regression_work_in_a_folder_that_others_deleted_is_sent_when_the_folder_is_there_again() {
    ends_well(&[Mkdir("d"), Hurry, Do(0, Fine), TheyDelete("d"), Save("d/e", 10, true)]);
    ends_well(&[Mkdir("e"), Wait(2000), Save("e/a", 1, true), Do(0, Fine), TheyDelete("e")]);
}

#[test]
fn regression_a_folder_that_comes_back_takes_its_name() {
    ends_well(&[Mkdir("d"), Wait(14000), Rmdir("d"), Do(0, Fine), Save("d", 5, true), TheySave("d/e", 7)]);
}

#[test]
fn regression_a_seal_that_a_writer_overtook_does_not_make_the_bytes_clean() {
    let sealed = [Save("a", 1, true), Wait(2000), Do(0, Fine), Hear(0), Do(0, Fine), Hear(0), Save("a", 1, false)];
    let again = [Wait(2000), Do(0, Fine), Do(0, Fine), Do(0, Fine), Do(0, Fine), Save("a", 2, false), Hear(0)];
    ends_well(&[sealed, again].concat());
}

#[test]
fn regression_an_item_without_a_node_that_is_gone_leaves_its_name() {
    ends_well(&[List(""), TheySave("b", 11), Save("b", 12, true), Do(0, Fine), TheyDelete("b")]);
}

#[test]
fn regression_a_temporary_file_that_comes_back_from_the_trash_is_one_still() {
    let saved = [Save("doc.tmp", 37, true), Rename("doc.tmp", "doc"), Save("doc.tmp", 37, true), Hurry];
    let gone = [Do(0, Fine), Hear(0), Do(0, Fine), Hear(0), Unlink("doc.tmp"), Compare];
    ends_well(&[&saved[..], &gone, &[Save("doc.tmp", 51, true), Rename("doc.tmp", "doc")]].concat());
}

#[test]
fn regression_two_young_files_that_swap_their_names_by_three_renames_settle() {
    let two =
        [Save("doc", 200, true), Rename("doc", "doc.away"), Rename("doc.away", "doc~"), Open(0, "doc"), Wait(16000)];
    let swapped = [Rename("doc", "doc.away"), Rename("doc~", "doc"), Rename("doc.away", "doc~")];
    ends_well(&[&two[..], &[Close(0), Wait(22000), Compare], &swapped].concat());
}

#[test]
fn regression_a_rename_whose_answer_was_lost_and_that_was_taken_back_is_found_out() {
    let saved = [Save("a", 1, true), Hurry, Do(0, Fine), Hear(0), Do(0, Fine), Hear(0), Rename("a", "b"), Wait(2000)];
    ends_well(&[&saved[..], &[Do(0, Fine), Do(0, Fine), Do(0, AnswerLost), Rename("b", "a")]].concat());
    ends_well(&[&saved[..], &[Do(0, Fine), Do(0, Fine), Rename("b", "a"), Do(0, AnswerLost), Crash]].concat());
}

#[test]
fn regression_a_delete_on_its_way_when_the_engine_dies_is_found_out() {
    let saved =
        [Mkdir("d"), Hurry, Do(0, Fine), Hear(0), Open(0, "d/a"), Close(0), Wait(2000), Do(0, Fine), Do(0, Fine)];
    ends_well(&[&saved[..], &[Hear(0), Do(0, Fine), Unlink("d/a"), Hear(0), Crash]].concat());
    ends_well(&[
        Mkdir("d"),
        Compare,
        Open(0, "d/a"),
        Close(0),
        Wait(2000),
        Do(0, Fine),
        Hear(0),
        Do(0, Fine),
        Unlink("d/a"),
        Hear(0),
        Crash,
    ]);
}

#[test]
fn regression_a_document_is_restored_while_its_deleted_file_is_open() {
    ends_well(&[
        Save("a", 0, true),
        Hurry,
        Do(0, Fine),
        Hear(0),
        Rename("a", "b"),
        Open(0, "a"),
        Unlink("b"),
        Unlink("a"),
        Do(0, Fine),
        Hear(0),
        Do(0, Fine),
        Hear(0),
        Save("a", 1, true),
    ]);
}
