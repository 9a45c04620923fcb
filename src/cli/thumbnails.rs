//! `boxfs thumbnails`: fills the desktop's thumbnail cache from Box's own pictures, so that no thumbnailer fetches the files.

mod png;
mod shelf;

use std::io::{self, IsTerminal, stderr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Surroundings;
use crate::control::{Client, Place, Reply, Request, find};

use super::exit::{Exit, Failure};
use shelf::{LARGE, NORMAL, Pictured, Shelf, Size, uri_of};

/// Pictures that are asked for at once: enough to hide the latency of Box, few enough to leave its rate to programs.
const WORKERS: usize = 4;
/// Pictures that wait for a worker; the walk waits when there are more.
const MAX_WAITING: usize = 64;
/// After so many failures the rest would most likely fail too.
const MAX_FAILURES: u64 = 20;
/// Lines in a log or a pipe come no faster.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Endings of files of which Box makes pictures.
const PICTURED: &str = "ai arw bmp cr2 dng eps gif heic jpeg jpg nef png psd svg tga tif tiff webp \
                        3gp avi flv m2v m4v mkv mov mp4 mpeg mpg ogv webm wmv \
                        doc docx key odp ods odt pages pdf ppt pptx rtf xls xlsx";

/// Fill the desktop's thumbnail cache from Box's own pictures, without fetching a file
#[derive(Args)]
pub(super) struct Arguments {
    /// Folders and files of a mount
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Which thumbnails: 128 pixels, 256 pixels, or both; each is a call for each file
    #[arg(long, value_enum, default_value_t = Sizes::Both)]
    size: Sizes,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sizes {
    Normal,
    Large,
    Both,
}

impl Sizes {
    fn list(self) -> &'static [Size] {
        match self {
            Sizes::Normal => &[NORMAL],
            Sizes::Large => &[LARGE],
            Sizes::Both => &[NORMAL, LARGE],
        }
    }
}

/// A picture to be had.
struct Wanted {
    file: Pictured,
    size: Size,
    /// Relative to what the mount shows.
    inner: String,
}

/// What became of one.
enum Outcome {
    Made,
    /// It was there already.
    Fresh,
    /// Box makes none of such a file.
    NoPicture,
    Failed(String),
}

#[derive(Default)]
struct Counts {
    made: u64,
    fresh: u64,
    none: u64,
    failed: u64,
    /// Why the first of them did.
    trouble: Option<String>,
}

pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> Result<Exit, Failure> {
    let no_home = || Failure::usage("no place for thumbnails: set HOME or XDG_CACHE_HOME to an absolute path");
    let shelf = Shelf::of(around).ok_or_else(no_home)?;
    let mut counts = Counts::default();
    let mut view = View::new();
    for path in &arguments.paths {
        let place = find(Some(path))?;
        let path = std::path::absolute(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        let walk = Walk { shelf: &shelf, sizes: arguments.size.list(), top: &path, place: &place };
        fill(&walk, &mut counts, &mut view)?;
    }
    view.end();
    println!("{}", in_words(&counts));
    match counts.trouble {
        None => Ok(Exit::Done),
        Some(trouble) => Err(Failure::new(format!(
            "{} pictures could not be had: {trouble}; run the command again to go on",
            counts.failed
        ))),
    }
}

/// One walk with its workers.
fn fill(walk: &Walk<'_>, counts: &mut Counts, view: &mut View) -> Result<(), Failure> {
    let clients = (0..WORKERS).map(|_| Client::connect(&walk.place.mount.state_dir)).collect::<Result<Vec<_>, _>>()?;
    let (queue, wanted) = sync_channel(MAX_WAITING);
    let wanted = Arc::new(Mutex::new(wanted));
    let (tell, outcomes) = channel();
    thread::scope(|scope| {
        for client in clients {
            let (wanted, tell) = (wanted.clone(), tell.clone());
            scope.spawn(move || work(client, walk.shelf, &wanted, &tell));
        }
        drop(wanted);
        let walker = scope.spawn(move || walk.folder(walk.top, &queue, &tell));
        for outcome in outcomes {
            counts.take(outcome);
            view.show(counts);
            if counts.failed >= MAX_FAILURES {
                break;
            }
        }
        match walker.join() {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("{}: {error}", walk.top.display())))
            }
            _ => Ok(()),
        }
    })
}

/// Has pictures made until there are no more, or nobody wants to hear of them.
fn work(mut client: Client, shelf: &Shelf, queue: &Mutex<Receiver<Wanted>>, tell: &Sender<Outcome>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(wanted) = next else { return };
        if tell.send(picture(&mut client, shelf, wanted)).is_err() {
            return;
        }
    }
}

fn picture(client: &mut Client, shelf: &Shelf, wanted: Wanted) -> Outcome {
    let Wanted { file, size, inner } = wanted;
    let png = match client.ask(&Request::Thumbnail { path: inner, side: size.side }) {
        Ok(Reply::Thumbnail { png: Some(png) }) => png,
        Ok(Reply::Thumbnail { png: None }) => return Outcome::NoPicture,
        Ok(other) => return Outcome::Failed(Failure::from(other).message),
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let put = STANDARD.decode(png).map_err(io::Error::other).and_then(|png| shelf.put(&file, size, &png));
    match put {
        Ok(()) => Outcome::Made,
        // A picture that does not fit its place is none.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Outcome::NoPicture,
        Err(error) => Outcome::Failed(format!("the thumbnail cache cannot be written: {error}")),
    }
}

/// What is walked, and what is wanted of it.
struct Walk<'w> {
    shelf: &'w Shelf,
    sizes: &'w [Size],
    top: &'w Path,
    place: &'w Place,
}

impl Walk<'_> {
    /// Asks for a picture of each file that may have one, depth first. Ends with `BrokenPipe` when nobody takes them any more.
    fn folder(&self, path: &Path, queue: &SyncSender<Wanted>, tell: &Sender<Outcome>) -> io::Result<()> {
        let kind = path.symlink_metadata()?;
        if !kind.is_dir() {
            return self.file(path, &kind, queue, tell);
        }
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    self.file(&entry.path(), &metadata, queue, tell)?;
                }
            }
        }
        Ok(())
    }

    fn file(
        &self,
        path: &Path,
        metadata: &fs::Metadata,
        queue: &SyncSender<Wanted>,
        tell: &Sender<Outcome>,
    ) -> io::Result<()> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let Some(inner) = self.inner(path).filter(|_| metadata.is_file() && may_have_picture(path)) else {
            return Ok(());
        };
        let file = Pictured { uri: uri_of(path), mtime_secs: metadata.mtime(), bytes: metadata.len() };
        for &size in self.sizes {
            if self.shelf.has(&file, size) {
                tell.send(Outcome::Fresh).map_err(|_| gone(()))?;
            } else {
                let wanted = Wanted { file: file.clone(), size, inner: inner.clone() };
                queue.send(wanted).map_err(|_| gone(()))?;
            }
        }
        Ok(())
    }

    fn inner(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(self.top).ok()?.to_str()?;
        let parts = [self.place.inner.as_str(), below];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
    }
}

fn may_have_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| PICTURED.split_whitespace().any(|known| known == ending))
}

impl Counts {
    fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Made => self.made += 1,
            Outcome::Fresh => self.fresh += 1,
            Outcome::NoPicture => self.none += 1,
            Outcome::Failed(why) => {
                self.failed += 1;
                self.trouble.get_or_insert(why);
            }
        }
    }
}

/// `12 thumbnails made, 3 were there, of 2 Box has no picture`
fn in_words(counts: &Counts) -> String {
    let Counts { made, fresh, none, .. } = counts;
    format!("{made} thumbnails made, {fresh} were there, of {none} Box has no picture")
}

/// How far it is, on standard error.
struct View {
    bar: Option<ProgressBar>,
    told: Instant,
}

impl View {
    fn new() -> View {
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(style));
        View { bar, told: Instant::now() }
    }

    fn show(&mut self, counts: &Counts) {
        match &self.bar {
            Some(bar) => {
                bar.tick();
                bar.set_message(in_words(counts));
            }
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                eprintln!("{}", in_words(counts));
            }
            None => {}
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_asked_for_by_the_ending() {
        for (path, expected) in [("a.JPG", true), ("b.pdf", true), ("c.txt", false), ("jpg", false), (".jpg", false)] {
            assert_eq!(may_have_picture(Path::new(path)), expected, "{path}");
        }
    }
}
