//! How programs save: the system calls of each, replayed on a real mount in four ways, and judged by what Box has then.
//!
//! `docs/saves.md` is made of the same files.
#![allow(clippy::unwrap_used)]

#[expect(unused_macros, reason = "the tests of a pattern choose their mode themselves")]
#[path = "../mount/support/mod.rs"]
mod support;

mod box_side;
mod replay;
mod save;
mod table;
mod trace;

/// Makes four tests of each pattern, and the list of all.
macro_rules! patterns {
    ($($module:ident = $name:literal),+ $(,)?) => {
        const PATTERNS: &[&str] = &[$($name),+];
        $(mod $module {
            use crate::save::{Way, check};
            use crate::support::{Mode, in_mode};

            #[test]
            fn in_one_go() {
                in_mode(Mode::Passthrough, |mode| check($name, Way::AtOnce, mode));
                check($name, Way::AtOnce, Mode::Copying);
            }
            #[test]
            fn with_pauses() {
                check($name, Way::Slowly, Mode::Copying);
            }
            #[test]
            fn killed_between_the_steps() {
                check($name, Way::Killed, Mode::Copying);
            }
            #[test]
            fn offline() {
                check($name, Way::Offline, Mode::Copying);
            }
        })+
    };
}

patterns! {
    chromium_download = "chromium-download",
    cp_over = "cp-over",
    curl_o = "curl-o",
    dpkg_deb = "dpkg-deb",
    emacs_copy = "emacs-copy",
    emacs_plain = "emacs-plain",
    firefox_download = "firefox-download",
    gio_copy = "gio-copy",
    gio_save = "gio-save",
    inkscape = "inkscape",
    nano = "nano",
    nano_backup = "nano-backup",
    python_open_w = "python-open-w",
    python_shelve = "python-shelve",
    rsync_append_verify = "rsync-append-verify",
    rsync_inplace = "rsync-inplace",
    shell_redirect = "shell-redirect",
    sqlite_rollback = "sqlite-rollback",
    sqlite_truncate = "sqlite-truncate",
    sqlite_wal = "sqlite-wal",
    tar_overwrite = "tar-overwrite",
    tee_a = "tee-a",
    vim_copy = "vim-copy",
    vim_plain = "vim-plain",
    vscode = "vscode",
    wget_n = "wget-n",
    wget_o = "wget-o",
}
