//! Upload sessions against Box as the emulator knows it.

use crate::support::{client_of, meaning, noise, payload, read_all};
use boxfs::base::{Sha1Digest, Timestamp};
use boxfs::box_api::{
    ApiError, BoxClient, CommitAnswer, CommitAttributes, Meaning, Part, PartSlice, Payload, Session, SessionTarget,
};
use boxfs::emulator::{Emulator, Options};
use std::sync::Arc;
use std::time::Duration;

const PART: u64 = 1 << 20;

fn small_parts() -> Options {
    Options { min_session_bytes: 2 * PART, part_size: Some(PART), ..Options::default() }
}

fn attributes() -> CommitAttributes {
    let time = Some(Timestamp::new(1_600_000_000, 0));
    CommitAttributes { content_created_at: time, content_modified_at: time }
}

/// A file on its way in parts.
struct Chunked {
    client: BoxClient,
    session: Session,
    payload: Payload,
}

impl Chunked {
    async fn open(client: &BoxClient, target: SessionTarget<'_>, bytes: &[u8]) -> Chunked {
        let session = client.create_session(&target, bytes.len() as u64).await.unwrap();
        Chunked { client: client.clone(), session, payload: payload(bytes) }
    }

    fn slice(&self, index: u64) -> PartSlice {
        let offset = index * self.session.part_size;
        PartSlice {
            file: Arc::clone(&self.payload.file),
            offset,
            len: self.session.part_size.min(self.payload.len - offset),
            total_size: self.payload.len,
            progress: self.payload.progress.clone(),
        }
    }

    /// All parts at once.
    async fn send_all(&self) -> Vec<Part> {
        let sends = (0..self.session.total_parts).rev().map(|index| {
            let (client, endpoints, slice) = (self.client.clone(), self.session.endpoints.clone(), self.slice(index));
            tokio::spawn(async move { client.upload_part(&endpoints, &slice).await })
        });
        let mut parts = Vec::new();
        for send in sends.collect::<Vec<_>>() {
            parts.push(send.await.unwrap().unwrap());
        }
        parts.sort_by_key(|part| part.offset);
        parts
    }

    async fn commit(&self, parts: &[Part]) -> Result<CommitAnswer, ApiError> {
        let endpoints = &self.session.endpoints;
        self.client.commit(endpoints, parts, &attributes(), self.payload.sha1, None).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_in_parts_and_comes_back() {
    let emulator = Emulator::start(small_parts()).unwrap();
    let client = client_of(&emulator);
    let bytes = noise(5 * PART as usize + 12_345);
    let target = SessionTarget::New { parent: "0", name: "large" };
    let upload = Chunked::open(&client, target, &bytes).await;
    assert_eq!((upload.session.part_size, upload.session.total_parts), (PART, 6));
    assert!(upload.session.expires_at > Some(Timestamp::now()));
    let parts = upload.send_all().await;
    let listed = client.list_parts(&upload.session.endpoints, 1, 3).await.unwrap();
    assert_eq!(
        listed.iter().map(|part| &part.part_id).collect::<Vec<_>>(),
        [&parts[1].part_id, &parts[2].part_id, &parts[3].part_id]
    );
    assert_eq!(
        upload.payload.progress.as_ref().unwrap().load(std::sync::atomic::Ordering::Relaxed),
        bytes.len() as u64
    );
    let CommitAnswer::Done(item) = upload.commit(&parts).await.unwrap() else { panic!("not done") };
    assert_eq!((item.size, item.sha1), (bytes.len() as u64, Some(Sha1Digest::of(&bytes))));
    assert_eq!(item.content_modified_at, Some(Timestamp::new(1_600_000_000, 0)));
    let download = client.download(&item.id.id, item.version_id.as_deref(), None).await.unwrap();
    assert!(read_all(download).await.unwrap() == bytes);
    let target = SessionTarget::Version { file_id: &item.id.id, name: None };
    let second = Chunked::open(&client, target, &noise(3 * PART as usize)).await;
    let parts = second.send_all().await;
    let stale = client.commit(&second.session.endpoints, &parts, &attributes(), second.payload.sha1, Some("99")).await;
    assert_eq!(meaning(stale), Meaning::Changed);
    let CommitAnswer::Done(version) = second.commit(&parts).await.unwrap() else { panic!("not done") };
    assert_eq!(version.id, item.id);
    assert_ne!(version.version_id, item.version_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_ready_says_so_until_it_is() {
    let options = Options { commit_202: 2, parts_mismatch_once: true, ..small_parts() };
    let emulator = Emulator::start(options).unwrap();
    let client = client_of(&emulator);
    let target = SessionTarget::New { parent: "0", name: "large" };
    let upload = Chunked::open(&client, target, &noise(3 * PART as usize)).await;
    let parts = upload.send_all().await;
    let mut seen = (0, 0);
    loop {
        match upload.commit(&parts).await {
            Ok(CommitAnswer::Done(_)) => break,
            Ok(CommitAnswer::NotYet { retry_after }) => {
                assert_eq!(retry_after, Duration::from_secs(1));
                seen.0 += 1;
            }
            Err(error) => {
                assert_eq!(error.meaning, Meaning::PartsMismatch);
                seen.1 += 1;
            }
        }
    }
    assert_eq!(seen, (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_sent_twice_and_a_wrong_file_are_refused() {
    let emulator = Emulator::start(small_parts()).unwrap();
    let client = client_of(&emulator);
    let target = SessionTarget::New { parent: "0", name: "large" };
    let mut upload = Chunked::open(&client, target, &noise(3 * PART as usize)).await;
    let parts = upload.send_all().await;
    let again = client.upload_part(&upload.session.endpoints, &upload.slice(1)).await;
    assert_eq!(meaning(again), Meaning::PartAlreadyThere);
    let missing = upload.commit(&parts[..2]).await;
    assert!(matches!(meaning(missing), Meaning::PartsMismatch | Meaning::Refused));
    upload.payload.sha1 = Sha1Digest::of(b"another file");
    assert_eq!(meaning(upload.commit(&parts).await), Meaning::DigestMismatch);
    client.abort(&upload.session.endpoints).await.unwrap();
    client.abort(&upload.session.endpoints).await.unwrap();
    assert_eq!(meaning(client.session_status(&upload.session.endpoints).await), Meaning::SessionGone);
    assert_eq!(meaning(upload.commit(&parts).await), Meaning::SessionGone);
    assert!(emulator.items().iter().all(|item| item.name != "large"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_refused_for_small_files_and_taken_targets() {
    let emulator = Emulator::start(Options { session_conflict: true, ..small_parts() }).unwrap();
    let client = client_of(&emulator);
    let target = SessionTarget::New { parent: "0", name: "large" };
    assert_eq!(meaning(client.create_session(&target, 2 * PART - 1).await), Meaning::TooSmallForSession);
    assert_eq!(
        meaning(client.create_session(&SessionTarget::New { parent: "4242", name: "n" }, 9 * PART).await),
        Meaning::NotFound
    );
    let first = client.create_session(&target, 3 * PART).await.unwrap();
    let Meaning::SessionConflict { session: Some(session) } = meaning(client.create_session(&target, 3 * PART).await)
    else {
        panic!("no conflict");
    };
    assert_eq!((session.id, session.endpoints), (first.id, first.endpoints));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_session_is_gone() {
    let emulator = Emulator::start(small_parts()).unwrap();
    let client = client_of(&emulator);
    let target = SessionTarget::New { parent: "0", name: "large" };
    let upload = Chunked::open(&client, target, &noise(3 * PART as usize)).await;
    emulator.advance_clock(Duration::from_secs(8 * 24 * 3600));
    let error = client.upload_part(&upload.session.endpoints, &upload.slice(0)).await;
    assert_eq!(meaning(error), Meaning::SessionGone);
}
