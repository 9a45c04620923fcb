//! Keeps every log line of this test binary at debug level, those of other crates too.

use log::{LevelFilter, Log, Metadata, Record};
use std::sync::{Arc, Mutex, OnceLock};

type Lines = Arc<Mutex<Vec<String>>>;

struct Watch(Lines);

impl Log for Watch {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// The lines so far and from now on.
pub fn lines() -> Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Lines::default();
        log::set_boxed_logger(Box::new(Watch(Arc::clone(&lines)))).unwrap();
        log::set_max_level(LevelFilter::Debug);
        lines
    });
    Arc::clone(lines)
}
