//! What a trace is made of. Its `Debug` form is Rust: a shrunken trace is pasted into `regressions.rs` as it is printed.

/// Relative to the root; programs and other people use a small name space, so that they meet.
pub type Path = &'static str;

/// One thing that happens. A step that makes no sense where it stands (a name that is not there) does nothing, so that any
/// part of a trace is a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Open (and make), write bytes with this mark, close; `true` empties the file first.
    Save(Path, u8, bool),
    /// Open for writing under a handle that stays.
    Open(u8, Path),
    Put(u8, u8),
    Close(u8),
    Rename(Path, Path),
    Exchange(Path, Path),
    Unlink(Path),
    Mkdir(Path),
    Rmdir(Path),
    Touch(Path, u32),
    /// Milliseconds pass, and the engine's clock ticks.
    Wait(u32),
    /// The n-th effect that waits is performed.
    Do(u8, Fault),
    /// The n-th upload that waits reads the first half of its bytes; the rest when it is performed.
    Read(u8),
    /// The n-th outcome that waits reaches the core.
    Hear(u8),
    /// The engine dies and starts again.
    Crash,
    /// The engine dies before its n-th transaction from here, in the middle of what it does.
    CrashAfter(u8),
    /// Somebody looks into the folder: the engine lists it.
    List(Path),
    /// Box tells of a change: the n-th last, told before or not.
    Tell(u8),
    /// Everything is done at once.
    Hurry,
    /// Everything settles, and names, ids and bytes are compared: the mount's, Box's, and those of the model.
    Compare,
    /// Which document is here is remembered, if Box has it.
    Mark(Path),
    /// The file that is here is the remembered document.
    IsMarked(Path),
    /// Somebody else changes Box.
    TheySave(Path, u8),
    TheyRename(Path, Path),
    TheyDelete(Path),
    TheyMkdir(Path),
}

/// What goes wrong with one effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Fine,
    /// Box does it; the answer is lost.
    AnswerLost,
    /// Box never gets it, and nobody can tell.
    Vanished,
    /// Nothing left this machine.
    NotSent,
    Throttled,
    Blocked,
}

impl Step {
    pub fn is_foreign(&self) -> bool {
        use Step::{TheyDelete, TheyMkdir, TheyRename, TheySave};
        matches!(self, TheySave(..) | TheyRename(..) | TheyDelete(..) | TheyMkdir(..))
    }
}
