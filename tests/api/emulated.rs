//! Each call against Box as the emulator knows it.

use crate::support::{client_of, local_file, login, meaning, noise, payload, read_all, sign_in};
use boxfs::base::{BoxId, Secret, Sha1Digest, Timestamp};
use boxfs::box_api::{App, BoxClient, Item, ItemChange, Meaning, NewFile, NewVersion, Payload, SessionTarget};
use boxfs::emulator::{Emulator, Options};
use std::sync::Arc;
use std::time::Duration;

fn new_file<'a>(parent: &'a str, name: &'a str) -> NewFile<'a> {
    let time = Some(Timestamp::new(1_600_000_000, 0));
    NewFile { parent, name, content_created_at: time, content_modified_at: time }
}

async fn upload(client: &BoxClient, name: &str, bytes: &[u8]) -> Item {
    client.upload_new(&new_file("0", name), &payload(bytes)).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_says_how_much_room_there_is() {
    for space_as_float in [false, true] {
        let options = Options { space_amount: 5_000_000_000_000_000, space_as_float, ..Options::default() };
        let emulator = Emulator::start(options).unwrap();
        let account = client_of(&emulator).me().await.unwrap();
        assert_eq!(account.id, emulator.first_user());
        assert_eq!(account.space_amount, Some(5_000_000_000_000_000));
        assert_eq!(account.space_used, Some(0));
        assert!(account.max_upload_size > Some(1 << 30));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_many_items_is_listed_whole_with_web_links() {
    for empty_last_marker in [false, true] {
        let emulator = Emulator::start(Options { empty_last_marker, ..Options::default() }).unwrap();
        let act = emulator.act();
        act.create_folder("/big/sub").unwrap();
        act.create_web_link("/big/link", "https://example.org/").unwrap();
        for i in 0..1203 {
            act.write_file(&format!("/big/file {i}"), b"x").unwrap();
        }
        let client = client_of(&emulator);
        let big = emulator.find("/big").unwrap().id;
        let mut entries = Vec::new();
        let mut marker = None;
        loop {
            let page = client.list_page(&big, marker.as_deref()).await.unwrap();
            entries.extend(page.entries);
            marker = page.next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(entries.len(), 1205);
        assert!(entries.iter().all(|item| item.parent.as_deref() == Some(big.as_str())));
        let file = entries.iter().find(|item| item.name == "file 7").unwrap();
        assert_eq!((file.size, file.sha1), (1, Some(Sha1Digest::of(b"x"))));
        assert!(file.version_id.is_some() && file.permissions.unwrap().can_upload && !file.trashed);
        let link = entries.iter().find(|item| item.name == "link").unwrap();
        assert_eq!(link.url.as_deref(), Some("https://example.org/"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_made_moved_and_deleted() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    let a = client.create_folder("0", "a").await.unwrap();
    let b = client.create_folder(&a.id.id, "b").await.unwrap();
    assert_eq!((b.parent.as_deref(), b.name.as_str()), (Some(a.id.id.as_str()), "b"));
    let Meaning::NameTaken { existing: Some(existing) } = meaning(client.create_folder("0", "A").await) else {
        panic!("the name is free");
    };
    assert_eq!(existing.id, a.id);
    assert_eq!(meaning(client.create_folder("0", "x\\y").await), Meaning::BadName);
    assert_eq!(meaning(client.create_folder("0", &"n".repeat(256)).await), Meaning::NameTooLong);
    assert_eq!(meaning(client.create_folder("99999", "n").await), Meaning::NotFound);
    let below = ItemChange { parent: Some(b.id.id.clone()), ..ItemChange::default() };
    assert_eq!(meaning(client.update(&a.id, &below, None).await), Meaning::Cyclical);
    assert_eq!(meaning(client.delete(&a.id, false, None).await), Meaning::FolderNotEmpty);
    let up = ItemChange { parent: Some("0".into()), name: Some("b2".into()), ..ItemChange::default() };
    let moved = client.update(&b.id, &up, b.etag.as_deref()).await.unwrap();
    assert_eq!((moved.parent.as_deref(), moved.name.as_str()), (Some("0"), "b2"));
    client.delete(&a.id, false, a.etag.as_deref()).await.unwrap();
    assert_eq!(meaning(client.item(&a.id).await), Meaning::Trashed);
    let trashed = client.trashed_item(&a.id).await.unwrap();
    assert!(trashed.trashed);
    let back = client.restore(&a.id, Some("a again"), Some(&b.id.id)).await.unwrap();
    // The old folder is still there.
    assert_eq!((back.id, back.parent.as_deref(), back.name.as_str()), (a.id, Some("0"), "a again"));
    client.delete(&b.id, true, None).await.unwrap();
    assert_eq!(meaning(client.delete(&b.id, true, None).await), Meaning::Trashed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_any_small_size_arrive_whole_with_their_times() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    for len in [0, 1, 255_999, 262_144, 262_145, 1_500_000] {
        let bytes = noise(len);
        let name = format!("ü {len} 'quoted\" ;.bin");
        let item = upload(&client, &name, &bytes).await;
        assert_eq!((item.name.as_str(), item.size), (name.as_str(), len as u64));
        assert_eq!(item.sha1, Some(Sha1Digest::of(&bytes)));
        assert_eq!(item.content_modified_at, Some(Timestamp::new(1_600_000_000, 0)));
        assert_eq!(emulator.read(&item.id.id, None), Some(bytes));
    }
    assert!(emulator.requests().iter().all(|request| request.status < 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_name_is_told_with_what_is_there() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    let item = upload(&client, "plan.txt", b"abc").await;
    let again = client.upload_new(&new_file("0", "PLAN.txt"), &payload(&noise(3_000_000))).await;
    let Meaning::NameTaken { existing: Some(existing) } = meaning(again) else { panic!("the name is free") };
    assert_eq!((existing.id.clone(), existing.sha1), (item.id.clone(), Some(Sha1Digest::of(b"abc"))));
    assert_eq!((existing.version_id.clone(), existing.etag.clone()), (item.version_id, item.etag));
    let session = client.create_session(&SessionTarget::New { parent: "0", name: "plan.TXT" }, 30_000_000).await;
    assert!(matches!(meaning(session), Meaning::NameTaken { existing: Some(existing) } if existing.id == item.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_replaces_the_one_that_was_known_only() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    let one = upload(&client, "f", b"one").await;
    let version = NewVersion { name: Some("g"), content_modified_at: Some(Timestamp::new(1_650_000_000, 0)) };
    let two = client.upload_version(&one.id.id, &version, one.etag.as_deref(), &payload(b"two")).await.unwrap();
    assert_eq!((two.id.clone(), two.name.as_str()), (one.id.clone(), "g"));
    assert_ne!(two.version_id, one.version_id);
    assert_eq!(two.content_modified_at, version.content_modified_at);
    let stale = client.upload_version(&one.id.id, &version, one.etag.as_deref(), &payload(b"three")).await;
    assert_eq!(meaning(stale), Meaning::Changed);
    assert_eq!(meaning(client.delete(&one.id, false, one.etag.as_deref()).await), Meaning::Changed);
    let versions = client.versions(&one.id.id).await.unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].sha1, Some(Sha1Digest::of(b"one")));
    let wrong = Payload { sha1: Sha1Digest::of(b"other"), ..payload(b"four") };
    let refused = client.upload_version(&one.id.id, &NewVersion::default(), None, &wrong).await;
    assert_eq!(meaning(refused), Meaning::BadDigest);
    assert_eq!(emulator.read(&one.id.id, None), Some(b"two".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_is_set_and_shown_in_the_answer() {
    let emulator = Emulator::start(Options { utc_offset_minutes: -480, ..Options::default() }).unwrap();
    let client = client_of(&emulator);
    let item = upload(&client, "f", b"one").await;
    let time = Some(Timestamp::new(1_234_567_890, 0));
    let change = ItemChange { content_modified_at: time, ..ItemChange::default() };
    let dated = client.update(&item.id, &change, item.etag.as_deref()).await.unwrap();
    assert_eq!(dated.content_modified_at, time);
    assert!(dated.sequence_id > item.sequence_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_and_pinned_versions_are_read() {
    for range_error_400 in [false, true] {
        let options = Options { range_error_400, download_202: 1, ..Options::default() };
        let emulator = Emulator::start(options).unwrap();
        let client = client_of(&emulator);
        let bytes = noise(1_000_000);
        let item = upload(&client, "f", &bytes).await;
        let version = NewVersion::default();
        client.upload_version(&item.id.id, &version, None, &payload(b"newer")).await.unwrap();
        let pinned = item.version_id.as_deref();
        for range in [0..10, 500_000..900_000, 999_999..1_000_000, 999_990..2_000_000] {
            let expected = bytes[range.start as usize..(range.end as usize).min(bytes.len())].to_vec();
            let download = client.download(&item.id.id, pinned, Some(range)).await.unwrap();
            assert_eq!(read_all(download).await.unwrap(), expected);
        }
        let beyond = client.download(&item.id.id, pinned, Some(1_000_000..1_000_001)).await.err().unwrap();
        assert_eq!(beyond.meaning, Meaning::RangeNotSatisfiable);
        let whole = client.download(&item.id.id, None, None).await.unwrap();
        assert_eq!(read_all(whole).await.unwrap(), b"newer");
        emulator.advance_clock(Duration::from_secs(3600));
        let download = client.download(&item.id.id, pinned, Some(5..8)).await.unwrap();
        assert_eq!(read_all(download).await.unwrap(), &bytes[5..8]);
        let gone = client.download("123456", None, None).await.err().unwrap();
        assert_eq!(gone.meaning, Meaning::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_login_is_refreshed_by_rotation() {
    let options = Options::default();
    let (client_id, client_secret) = (options.client_id.clone(), Secret::new(options.client_secret.clone()));
    let emulator = Emulator::start(options).unwrap();
    let (access, refresh) = emulator.issue_tokens(&emulator.first_user()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let app = App { client_id, client_secret };
    let store = sign_in(dir.path(), &emulator.url(), app, &access, &refresh);
    let client = crate::support::client_with(&emulator.url(), login(&emulator.url(), &store));
    client.me().await.unwrap();
    emulator.expire_token(&access).unwrap();
    client.me().await.unwrap();
    let kept = store.load().unwrap().unwrap().tokens.unwrap();
    assert_ne!(kept.refresh, Some(Secret::new(refresh)));
    // The emulator's clock runs ahead of the store's: only Box knows that the token is stale.
    emulator.advance_clock(Duration::from_secs(7200));
    client.me().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_by_its_meaning() {
    let emulator =
        Emulator::start(Options { space_amount: 1000, max_upload_size: 5000, ..Options::default() }).unwrap();
    let client = client_of(&emulator);
    let upload = |len| {
        let client = client.clone();
        async move { client.upload_new(&new_file("0", "f"), &payload(&noise(len))).await }
    };
    assert_eq!(meaning(upload(2000).await), Meaning::OutOfQuota);
    assert_eq!(meaning(upload(6000).await), Meaning::FileTooLarge);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_copied_inside_box() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    let one = upload(&client, "f", b"one").await;
    client.upload_version(&one.id.id, &NewVersion::default(), None, &payload(b"two")).await.unwrap();
    let copy = client.copy_file(&one.id.id, "0", Some("f~"), one.version_id.as_deref()).await.unwrap();
    assert_eq!((copy.name.as_str(), copy.sha1), ("f~", Some(Sha1Digest::of(b"one"))));
    assert_ne!(copy.id, one.id);
    assert!(matches!(meaning(client.copy_file(&one.id.id, "0", None, None).await), Meaning::NameTaken { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_got_shorter_leaves_nothing_behind() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let client = client_of(&emulator);
    let bytes = noise(3_000_000);
    let file = local_file(&bytes);
    let short = Payload { file: Arc::clone(&file), ..payload(&bytes) };
    file.set_len(1_000_000).unwrap();
    assert_eq!(meaning(client.upload_new(&new_file("0", "f"), &short).await), Meaning::LocalFile);
    assert!(emulator.find("/f").is_none());
    assert_eq!(meaning(client.item(&BoxId::file("12345")).await), Meaning::NotFound);
}
