//! The `boxfs` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    boxfs::cli::run()
}
