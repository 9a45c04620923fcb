//! What every connection works on: the store under its lock with the journal behind it, the blobs, the log, the clock.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sha1::{Digest, Sha1};
use tokio::sync::watch;

use super::app_key::AppKey;
use super::archives::Archives;
use super::clock::Clock;
use super::contents::Contents;
use super::faults::Faults;
use super::generate::generate;
use super::http::{Known, Traffic};
use super::journal::Journal;
use super::limits::Limits;
use super::options::Options;
use super::polls::Polls;
use super::refusal::Refusal;
use super::requests::RequestLog;
use super::shape::Rate;
use super::store::{Access, Act, Content, Key, Kind, Store, UserRole, Who, random_token};

/// Life of a sign-in code.
const CODE_SECS: i64 = 30;
/// Longer than an assertion can be good for.
const ASSERTION_MEMORY_SECS: i64 = 120;

/// Where the listeners are, as URLs without a slash at the end.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) api: String,
    pub(super) uploads: String,
    pub(super) downloads: String,
    pub(super) realtime: String,
}

impl Places {
    /// The emulator's own addresses.
    pub(super) fn own(api: String, downloads: String) -> Places {
        Places { uploads: api.clone(), realtime: downloads.clone(), api, downloads }
    }

    /// Box's hosts, for those who come through the proxy.
    pub(super) fn of_box() -> Places {
        Places {
            api: "https://api.box.com".to_owned(),
            uploads: "https://upload.box.com".to_owned(),
            downloads: "https://dl.boxcloud.com".to_owned(),
            realtime: "https://2.realtime.services.box.net".to_owned(),
        }
    }
}

/// LOCK ORDER: `works` before a session's `hash` before `ledger`. None is held across an await.
pub(super) struct Desk {
    pub(super) options: Arc<Options>,
    pub(super) clock: Clock,
    pub(super) contents: Contents,
    pub(super) log: RequestLog,
    pub(super) traffic: Traffic,
    pub(super) places: Arc<Places>,
    pub(super) line_in: Option<Arc<Rate>>,
    pub(super) line_out: Option<Arc<Rate>>,
    /// The user of the developer token.
    pub(super) first_user: u64,
    /// Position of the newest event, for those who wait for one.
    pub(super) news: watch::Sender<u64>,
    ledger: Mutex<Ledger>,
    works: Mutex<HashMap<String, Arc<SessionWork>>>,
    pub(super) parts_now: InFlight,
    pub(super) archives: Archives,
    pub(super) polls: Polls,
    codes: Mutex<HashMap<String, CodeGrant>>,
    /// `jti` of assertions and when they may be forgotten.
    assertions: Mutex<HashMap<String, i64>>,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    dir: PathBuf,
    app_key: OnceLock<AppKey>,
    /// How often the download of a version was put off.
    put_off: Mutex<HashMap<u64, u32>>,
}

/// A code of the sign-in page, before it is traded.
#[derive(Debug, Clone)]
pub(super) struct CodeGrant {
    pub(super) user: u64,
    pub(super) redirect_uri: Option<String>,
    pub(super) expires: i64,
}

struct Ledger {
    store: Store,
    journal: Option<Journal>,
}

/// What is going on in an upload session; lost at a restart and made again from its parts.
#[derive(Debug, Default)]
pub(super) struct SessionWork {
    hash: Mutex<RunningHash>,
    known: Mutex<Option<Arc<Known>>>,
    pub(super) parts_now: InFlight,
}

/// The digest of a session's bytes up to a position.
#[derive(Debug, Default)]
pub(super) struct RunningHash {
    hash: Sha1,
    upto: u64,
}

impl SessionWork {
    /// What a plan found out before.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_known(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        known
    }
}

/// How many are going on at once, and how many at most.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl InFlight {
    pub(super) fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl Desk {
    /// Opens the account in `dir`; `keep` says whether changes are written to a journal.
    pub(super) fn open(options: Options, dir: &Path, keep: bool, places: Places) -> io::Result<Desk> {
        let options = Arc::new(options);
        let clock = Clock::new(options.time_scale);
        let mut store = Store::new(options.clone());
        store.now = clock.now();
        let journal = match keep {
            true => Some(Journal::open(&dir.join("journal"), &mut store)?),
            false => None,
        };
        let contents = Contents::open(&dir.join("blobs"), |blob| store.uses_blob(blob))?;
        let first_user = first_user(&mut store);
        other_users(&mut store);
        let mut journal = journal;
        if options.generate > 0 && store.items.len() <= store.users.len() {
            generate(&mut store, &contents, first_user, options.generate).map_err(|r| io::Error::other(r.message))?;
            if let Some(journal) = &mut journal {
                journal.write_anew(&dir.join("journal"), &mut store)?;
            }
        }
        let newest = store.counters.sequence;
        let desk = Desk {
            log: RequestLog::open(options.request_log.as_deref())?,
            traffic: Traffic::open(options.traffic.as_deref())?,
            line_in: options.line.map(Rate::new),
            line_out: options.line.map(Rate::new),
            clock,
            contents,
            places: Arc::new(places),
            first_user,
            news: watch::Sender::new(newest),
            ledger: Mutex::new(Ledger { store, journal }),
            works: Mutex::default(),
            parts_now: InFlight::default(),
            archives: Archives::default(),
            polls: Polls::new(format!("{}/{}", options.client_secret, options.token), options.realtime_max_retries),
            codes: Mutex::default(),
            assertions: Mutex::default(),
            limits: Limits::new(options.rate_limits, options.time_scale),
            faults: Faults::new(options.faults.clone()),
            dir: dir.to_owned(),
            app_key: OnceLock::new(),
            put_off: Mutex::default(),
            options,
        };
        desk.write(|_| Ok(())).map_err(|refusal| io::Error::other(refusal.message))?;
        Ok(desk)
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.store.now = self.clock.now();
        ledger
    }

    /// Looks at the store.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.lock().store)
    }

    /// Changes the store; what changed is in the journal when this returns.
    pub(super) fn write<T>(&self, act: impl FnOnce(&mut Store) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut ledger = self.lock();
        let before = ledger.store.counters.sequence;
        let done = act(&mut ledger.store);
        let Ledger { store, journal } = &mut *ledger;
        match journal {
            Some(journal) => {
                if let Some(line) = store.take_changes()? {
                    journal.append(line)?;
                }
            }
            None => store.drop_changes(),
        }
        let freed = store.take_freed();
        let newest = store.counters.sequence;
        drop(ledger);
        freed.into_iter().for_each(|blob| self.contents.remove(blob));
        if newest != before {
            self.news.send_replace(newest);
        }
        done
    }

    /// The key pair of the application, made when first needed.
    pub(super) fn app_key(&self) -> io::Result<&AppKey> {
        if let Some(key) = self.app_key.get() {
            return Ok(key);
        }
        let key = AppKey::open(&self.dir)?;
        Ok(self.app_key.get_or_init(|| key))
    }

    /// A code that is good for half a minute.
    pub(super) fn add_code(&self, grant: CodeGrant) -> String {
        let now = self.clock.now();
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, grant| grant.expires > now);
        let code = random_token();
        codes.insert(code.clone(), CodeGrant { expires: now + CODE_SECS, ..grant });
        code
    }

    pub(super) fn take_code(&self, code: &str) -> Option<CodeGrant> {
        let grant = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(code)?;
        (grant.expires > self.clock.now()).then_some(grant)
    }

    /// Whether an assertion's `jti` comes for the first time.
    pub(super) fn first_use_of(&self, jti: &str) -> bool {
        let now = self.clock.now();
        let mut seen = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until > now);
        seen.insert(jti.to_owned(), now + ASSERTION_MEMORY_SECS).is_none()
    }

    /// Whether the download of a version is to be answered "not yet" once more.
    pub(super) fn not_ready(&self, version: u64) -> bool {
        if self.options.download_202 == 0 {
            return false;
        }
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let times = put_off.entry(version).or_insert(0);
        *times += 1;
        *times <= self.options.download_202
    }

    /// Locks a folder for as long as its operation is to take, if it is to take any time.
    pub(super) async fn dwell(self: &Arc<Desk>, who: &Who, key: Key) -> Result<(), Refusal> {
        let takes = self.options.folder_operation;
        if key.kind != Kind::Folder || key.is_root() || takes.is_zero() {
            return Ok(());
        }
        self.write(|store| {
            store.allow(who, key, Act::See)?;
            store.check_idle(key)?;
            store.set_busy(key.id, true);
            Ok(())
        })?;
        let busy = Busy { desk: self.clone(), folder: key.id };
        tokio::time::sleep(takes).await;
        drop(busy);
        Ok(())
    }

    /// The work of a session, begun if it is the first call.
    pub(super) fn work(&self, session: &str) -> Arc<SessionWork> {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.entry(session.to_owned()).or_default().clone()
    }

    pub(super) fn works(&self) -> HashMap<String, Arc<SessionWork>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Digests the parts that follow what is digested. Blocks on the disk; does nothing where another thread is at it,
    /// unless `wait`. Answers the digest and how many bytes it covers.
    pub(super) fn catch_up(&self, session: &str, wait: bool) -> io::Result<Option<([u8; 20], u64)>> {
        let work = self.work(session);
        let mut running = match wait {
            true => work.hash.lock().unwrap_or_else(PoisonError::into_inner),
            false => match work.hash.try_lock() {
                Ok(running) => running,
                Err(_) => return Ok(None),
            },
        };
        loop {
            let upto = running.upto;
            let next = self.read(|store| store.part_content(session, upto));
            let Some(content) = next else { break };
            let mut reader = self.contents.read(&content, 0, content.size);
            while let Some(chunk) = reader.next_chunk()? {
                running.hash.update(&chunk);
            }
            running.upto += content.size;
        }
        Ok(Some((running.hash.clone().finalize().into(), running.upto)))
    }

    /// The bytes of a content, blocking.
    pub(super) fn bytes_of(&self, content: &Content) -> io::Result<Vec<u8>> {
        self.contents.read_all(content)
    }
}

/// A folder in the middle of an operation.
struct Busy {
    desk: Arc<Desk>,
    folder: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.desk.lock().store.set_busy(self.folder, false);
    }
}

/// The user of the developer token, made with it in an empty account.
fn first_user(store: &mut Store) -> u64 {
    let user = match store.users.rows().keys().next() {
        Some(user) => *user,
        None => store.add_user("First User", "first.user@example.com", UserRole::Admin),
    };
    let token = store.options.token.clone();
    let access = Access { user, expires_at: None, refresh: None, scopes: None, only: None, ends: None };
    if !store.accesses.contains(&token) {
        store.accesses.insert(token, access);
    }
    user
}

/// The users of the options, each made once by login.
fn other_users(store: &mut Store) {
    for wanted in store.options.users.clone() {
        let there = store.users.rows().iter().find(|(_, user)| user.login == wanted.login).map(|(id, _)| *id);
        let user = there.unwrap_or_else(|| store.add_user(&wanted.name, &wanted.login, UserRole::Managed));
        let access = Access { user, expires_at: None, refresh: None, scopes: None, only: None, ends: None };
        store.accesses.insert(wanted.token, access);
    }
}
