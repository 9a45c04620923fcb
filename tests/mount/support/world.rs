//! One test's Box and its directory; nothing is left of either.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use boxfs::emulator::{Emulator, ItemReport, Options, RequestRecord};

use super::bytes::sha1_hex;
use super::mounter::Mounter;
use super::person::http_client;
use super::{Mode, Mount, table};

/// A developer token that no other text contains by chance.
pub const TOKEN: &str = "token-of-this-test-6f1d2c3b";

/// An emulated Box, and a directory for all that belongs to its mounts.
pub struct World {
    pub emulator: Emulator,
    pub mode: Mode,
    dir: tempfile::TempDir,
    views: Cell<u32>,
    options: Options,
}

/// Uploads in the request log, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Simple uploads of files and of versions.
    pub posts: usize,
    pub sessions: usize,
    pub refused_sessions: usize,
    pub parts: usize,
    pub commits: usize,
}

impl World {
    pub fn new(mode: Mode) -> World {
        World::with(mode, Options::default())
    }

    pub fn with(mode: Mode, options: Options) -> World {
        let dir = tempfile::Builder::new().prefix("boxfs-mount-").tempdir().unwrap();
        World::within(dir, mode, options)
    }

    /// With a Box that [`World::unplug`] takes away and [`World::plug_in`] brings back.
    pub fn lasting(mode: Mode, options: Options) -> World {
        let dir = tempfile::Builder::new().prefix("boxfs-mount-").tempdir().unwrap();
        let data = Some(dir.path().join("box"));
        let mut world = World::within(dir, mode, Options { data, ..options });
        let at = |url: String| url.trim_start_matches("http://").parse().unwrap();
        world.options.listen = at(world.emulator.url());
        world.options.download_listen = at(world.emulator.download_url());
        world
    }

    fn within(dir: tempfile::TempDir, mode: Mode, options: Options) -> World {
        let options = Options { token: TOKEN.to_owned(), ..options };
        let emulator = Emulator::start(options.clone()).unwrap();
        World { emulator, mode, dir, views: Cell::new(0), options }
    }

    /// Box cannot be reached: its addresses refuse connections.
    pub fn unplug(&mut self) {
        // Somewhere else, and empty.
        self.emulator = Emulator::start(Options::default()).unwrap();
    }

    /// Box is back, with all that it had.
    pub fn plug_in(&mut self) {
        self.emulator = Emulator::start(self.options.clone()).unwrap();
    }

    /// Makes a folder of the first user's, and lets another user have it as `role`. Answers its id.
    pub fn share(&self, path: &str, login: &str, role: &str) -> String {
        let id = self.emulator.act().create_folder(path).unwrap();
        let body = serde_json::json!({
            "item": {"type": "folder", "id": id}, "accessible_by": {"type": "user", "login": login}, "role": role,
        });
        let url = format!("{}/2.0/collaborations", self.emulator.url());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = http_client().post(url).bearer_auth(TOKEN).json(&body).send();
        let status = runtime.block_on(asked).unwrap().status();
        assert_eq!(status.as_u16(), 201);
        id
    }

    /// The directory of this test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a directory outside the mounts.
    pub fn make_dir(&self, name: &str) -> PathBuf {
        let dir = self.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// A mount to be, with state directory, cache and mount point called after `name`.
    pub fn mounter(&self, name: &str) -> Mounter {
        let server = match self.options.data {
            // The same whether it is there or not.
            Some(_) => format!("http://{}", self.options.listen),
            None => self.emulator.url(),
        };
        Mounter::new(self.dir(), name, self.mode, server, TOKEN.to_owned())
    }

    /// Mounts; again and again with the same state.
    #[track_caller]
    pub fn mount(&self) -> Mount {
        self.mounter("main").start()
    }

    /// Mounts with empty state and cache directories: what it shows comes from Box alone.
    #[track_caller]
    pub fn second_view(&self) -> Mount {
        let view = self.views.get() + 1;
        self.views.set(view);
        self.mounter(&format!("view-{view}")).start()
    }

    /// What Box has at a path that is not in the trash.
    #[track_caller]
    pub fn in_box(&self, path: &str) -> ItemReport {
        let item = self.emulator.find(path);
        item.unwrap_or_else(|| panic!("Box has no {path}, but {:#?}", super::tree_in_box(self)))
    }

    /// Panics unless Box has these bytes there.
    #[track_caller]
    pub fn expect_bytes(&self, path: &str, bytes: &[u8]) -> ItemReport {
        let item = self.in_box(path);
        assert_eq!(item.size, bytes.len() as u64, "{path}");
        assert_eq!(item.sha1, sha1_hex(bytes), "{path}");
        item
    }

    /// Requests whose path, without its query, is like `shape`, in which `*` stands for one part of a path.
    pub fn requests(&self, method: &str, shape: &str) -> Vec<RequestRecord> {
        let mut requests = self.emulator.requests();
        requests.retain(|r| r.method == method && is_like(r.path.split('?').next().unwrap(), shape));
        requests
    }

    /// Uploads since the start or the last `reset_requests`.
    pub fn uploads(&self) -> Calls {
        let post = |shape| self.requests("POST", shape);
        let sessions = [post("/api/2.0/files/upload_sessions"), post("/api/2.0/files/*/upload_sessions")].concat();
        let refused = sessions.iter().filter(|r| r.status >= 400).count();
        Calls {
            posts: post("/api/2.0/files/content").len() + post("/api/2.0/files/*/content").len(),
            sessions: sessions.len() - refused,
            refused_sessions: refused,
            parts: self.requests("PUT", "/api/2.0/files/upload_sessions/*").len(),
            commits: post("/api/2.0/files/upload_sessions/*/commit").len(),
        }
    }

    /// Calls that change something in Box, preflights included.
    pub fn changing_requests(&self) -> Vec<RequestRecord> {
        let mut requests = self.emulator.requests();
        // OPTIONS of events asks where to poll.
        requests.retain(|r| r.method != "GET" && !(r.method == "OPTIONS" && r.path.starts_with("/2.0/events")));
        requests
    }
}

fn is_like(path: &str, shape: &str) -> bool {
    let (path, shape): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), shape.split('/').collect());
    path.len() == shape.len() && path.iter().zip(&shape).all(|(part, like)| *like == "*" || part == like)
}

impl Drop for World {
    fn drop(&mut self) {
        for mountpoint in table::mounts_below(self.dir()) {
            table::detach(&mountpoint);
        }
    }
}
