//! The two ways of file data: through the kernel alone, or through the daemon.

/// How a mount handles file data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel reads and writes the data files by itself.
    Passthrough,
    /// Every read and write is a request to the daemon.
    Copying,
}

impl Mode {
    /// As `-o` takes it. Passthrough is demanded, so that no test passes without it by mistake.
    pub fn option(self) -> &'static str {
        match self {
            Mode::Passthrough => "passthrough=on",
            Mode::Copying => "passthrough=off",
        }
    }
}

/// Runs a test in one mode, or says why that cannot be: only root gets passthrough.
pub fn in_mode(mode: Mode, test: fn(Mode)) {
    if mode == Mode::Passthrough && !nix::unistd::geteuid().is_root() {
        eprintln!("NOT RUN: passthrough takes root");
        return;
    }
    test(mode);
}

/// Makes a test of each function for each mode.
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        mod passthrough {
            $(#[test]
            fn $name() {
                crate::support::in_mode(crate::support::Mode::Passthrough, super::$name);
            })+
        }
        mod copying {
            $(#[test]
            fn $name() {
                crate::support::in_mode(crate::support::Mode::Copying, super::$name);
            })+
        }
    };
}
