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
    cp_backup = "cp-backup",
    cp_over = "cp-over",
    curl_o = "curl-o",
    dpkg_deb = "dpkg-deb",
    emacs_copy = "emacs-copy",
    emacs_default = "emacs-default",
    emacs_plain = "emacs-plain",
    emacs_precious = "emacs-precious",
    excel = "excel",
    firefox_download = "firefox-download",
    gio_copy = "gio-copy",
    gio_save = "gio-save",
    gio_save_backup = "gio-save-backup",
    git_checkout = "git-checkout",
    git_commit = "git-commit",
    git_config = "git-config",
    inkscape = "inkscape",
    install = "install",
    intellij = "intellij",
    keepassxc = "keepassxc",
    libreoffice_calc = "libreoffice-calc",
    libreoffice_writer = "libreoffice-writer",
    nano = "nano",
    nano_backup = "nano-backup",
    perl_i = "perl-i",
    python_open_w = "python-open-w",
    python_replace = "python-replace",
    python_shelve = "python-shelve",
    rsync = "rsync",
    rsync_a = "rsync-a",
    rsync_append_verify = "rsync-append-verify",
    rsync_backup = "rsync-backup",
    rsync_delay_updates = "rsync-delay-updates",
    rsync_inplace = "rsync-inplace",
    rsync_temp_dir = "rsync-temp-dir",
    sed_i = "sed-i",
    sed_i_backup = "sed-i-backup",
    shell_redirect = "shell-redirect",
    sqlite_rollback = "sqlite-rollback",
    sqlite_truncate = "sqlite-truncate",
    sqlite_wal = "sqlite-wal",
    tar_overwrite = "tar-overwrite",
    tar_x = "tar-x",
    tee_a = "tee-a",
    unzip_o = "unzip-o",
    vim_backup = "vim-backup",
    vim_copy = "vim-copy",
    vim_default = "vim-default",
    vim_plain = "vim-plain",
    vim_rename = "vim-rename",
    vscode = "vscode",
    vscode_atomic = "vscode-atomic",
    wget_n = "wget-n",
    wget_o = "wget-o",
    word_2003 = "word-2003",
    word_2003_backup = "word-2003-backup",
    word_2007 = "word-2007",
    zip_update = "zip-update",
}
