//! Programs that read: by name, what was fetched from Box for each, and which get nothing that is not here.
//!
//! A program is looked at when it opens a file that is not whole on this machine; whoever reads what is here stays unknown.

use super::error::{Result, VfsError};
use super::state::Vfs;
use super::types::Caller;
use crate::tree::Tally;
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the kernel keeps of a program's name.
const NAME_BYTES: usize = 15;
/// Programs told apart, about 100 bytes each. What one has cost that makes room for another is lost: it was the least.
const MAX_PROGRAMS: usize = 64;
/// What a program is called that cannot be looked at: it is in another namespace, or has ended.
const UNKNOWN: &str = "?";

/// What was fetched for one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// As the kernel has it: at most 15 bytes.
    pub program: String,
    /// Requests for bytes.
    pub calls: u64,
    pub bytes: u64,
}

/// All of them, and who is refused.
#[derive(Default)]
pub(super) struct Readers {
    refused: Vec<String>,
    /// Held for moments.
    table: Mutex<HashMap<String, Arc<Tally>>>,
}

/// A program that has opened a file of which bytes are missing.
pub(super) struct Program {
    pub tally: Arc<Tally>,
    pub refused: bool,
}

impl Readers {
    pub fn refusing(refused: Vec<String>) -> Readers {
        Readers { refused, table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Tally>>> {
        // Changed in single steps, so that a panic elsewhere leaves it whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses(&self, name: &str) -> bool {
        self.refused.iter().any(|refused| cut(refused) == cut(name))
    }

    fn tally(&self, name: &str) -> Arc<Tally> {
        let mut table = self.table();
        if let Some(tally) = table.get(name) {
            return tally.clone();
        }
        if table.len() >= MAX_PROGRAMS {
            let least = table.iter().min_by_key(|(_, tally)| tally.bytes()).map(|(name, _)| name.clone());
            least.map(|name| table.remove(&name));
        }
        table.entry(name.to_owned()).or_default().clone()
    }

    /// Those for whom anything was fetched, the most bytes first.
    fn most(&self, count: usize) -> Vec<Reader> {
        let table = self.table();
        let told = |(name, tally): (&String, &Arc<Tally>)| Reader {
            program: name.clone(),
            calls: tally.calls(),
            bytes: tally.bytes(),
        };
        let mut readers: Vec<Reader> = table.iter().map(told).filter(|reader| reader.calls > 0).collect();
        drop(table);
        readers.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.program.cmp(&b.program)));
        readers.truncate(count);
        readers
    }
}

impl Vfs {
    /// Programs that get no bytes that are not here: thumbnailers and indexers would fetch everything.
    #[must_use]
    pub fn refusing(mut self, programs: Vec<String>) -> Vfs {
        self.readers = Readers::refusing(programs);
        self
    }

    /// The programs that cost most so far, at most `count`.
    pub fn readers(&self, count: usize) -> Vec<Reader> {
        self.readers.most(count)
    }

    /// Who opens a file of which bytes are missing.
    pub(super) fn program(&self, caller: &Caller) -> Program {
        let name = name_of(caller.pid).unwrap_or_else(|| UNKNOWN.to_owned());
        Program { tally: self.readers.tally(&name), refused: self.readers.refuses(&name) }
    }

    /// Refuses a file of which nothing is here to a program that is to get nothing of it.
    pub(super) fn admit(&self, caller: &Caller) -> Result<()> {
        let refused =
            !self.readers.refused.is_empty() && name_of(caller.pid).is_some_and(|name| self.readers.refuses(&name));
        if refused { Err(VfsError::Denied) } else { Ok(()) }
    }
}

/// The name of the program that a thread belongs to, not the thread's own.
fn name_of(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim();
    let name = fs::read(format!("/proc/{process}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
}

fn cut(name: &str) -> &[u8] {
    let name = name.as_bytes();
    &name[..name.len().min(NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_what_the_kernel_keeps_of_it() {
        let readers = Readers::refusing(vec!["baloo_file_extractor".to_owned(), "tumblerd".to_owned()]);
        assert!(readers.refuses("baloo_file_extr") && readers.refuses("tumblerd"));
        assert!(!readers.refuses("baloo_file") && !readers.refuses("tumbler") && !readers.refuses(UNKNOWN));
    }

    #[test]
    fn the_table_is_bounded_and_those_that_cost_most_stay() {
        let readers = Readers::default();
        for number in 0..MAX_PROGRAMS * 2 {
            let tally = readers.tally(&format!("program-{number}"));
            tally.call();
            tally.came(if number == 3 { 1_000_000 } else { number as u64 });
        }
        assert_eq!(readers.table().len(), MAX_PROGRAMS);
        let most = readers.most(2);
        assert_eq!((most.len(), most[0].program.as_str()), (2, "program-3"));
        assert!(most[1].bytes < most[0].bytes);
    }

    #[test]
    fn a_thread_counts_as_its_program() {
        let own = name_of(std::process::id()).unwrap();
        let of_thread = std::thread::Builder::new().name("somebody".to_owned()).spawn(|| {
            // SAFETY: gettid(2) has no preconditions.
            let thread = unsafe { libc::gettid() };
            name_of(u32::try_from(thread).unwrap()).unwrap()
        });
        assert_eq!(of_thread.unwrap().join().unwrap(), own);
        assert_eq!(name_of(0), None);
    }
}
