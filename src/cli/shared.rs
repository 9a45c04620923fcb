//! The options that every command with a configuration shares.

use std::path::PathBuf;

use clap::Args;

use crate::config::{CommandLine, ConfigError, Settings, Surroundings, resolve};

/// Each is also a key of the configuration file and, in upper case with `BOXFS_` in front, a variable.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Shared options (also in the configuration file and as BOXFS_... variables)")]
pub(super) struct SharedOptions {
    /// Configuration file [default: boxfs/config.toml in the XDG configuration directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Profile: keeps sign-in, state and cache apart [default: default]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Database, spool, control socket, log [default: boxfs/PROFILE-FOLDER in the XDG state directory]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Clean contents, may be emptied [default: boxfs/PROFILE-FOLDER in the XDG cache directory]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<String>,
    /// Box folder to show [default: 0, the account's root]
    #[arg(long, value_name = "ID")]
    root_folder: Option<String>,
    /// One place for all of Box; plain http for this machine only [default: Box]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Certificate authority accepted beside the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// What close and fsync promise: local or box [default: local]
    #[arg(long, value_name = "local|box")]
    durability: Option<String>,
    /// Rest of a closed file before it goes up [default: 1s]
    #[arg(long, value_name = "DURATION")]
    settle: Option<String>,
    /// More names that are kept on this machine, such as '*.part,core.*' [default: editors' swap and lock files]
    #[arg(long, value_name = "NAMES")]
    local_only: Option<String>,
    /// Symbolic links go to Box, as small files NAME.rclonelink [default: off, they stay on this machine]
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    links: Option<String>,
    /// Programs that get no bytes that are not here, such as 'tumblerd,baloo_file' [default: none]
    #[arg(long, value_name = "NAMES")]
    refuse_readers: Option<String>,
    /// Clean contents kept [default: 10GB]
    #[arg(long, value_name = "SIZE")]
    cache_size: Option<String>,
    /// Contents waiting for Box [default: 20GB]
    #[arg(long, value_name = "SIZE")]
    spool_size: Option<String>,
    /// Bytes per second up, or off [default: off]
    #[arg(long, value_name = "RATE")]
    upload_limit: Option<String>,
    /// Bytes per second down, or off [default: off]
    #[arg(long, value_name = "RATE")]
    download_limit: Option<String>,
    /// Box's published limits, none of our own, or N/min [default: box]
    #[arg(long, value_name = "box|off|N/min")]
    api_limits: Option<String>,
    /// Deletions at once that wait for 'boxfs confirm': more than N, or a share such as 10% [default: off]
    #[arg(long, value_name = "off|N|N%")]
    delete_guard: Option<String>,
    /// off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl SharedOptions {
    /// The settings that hold for this process.
    pub(super) fn settings(&self, around: &Surroundings) -> Result<Settings, ConfigError> {
        self.settings_with(around, None)
    }

    /// As [`SharedOptions::settings`], `mount_options` being what `-o` said.
    pub(super) fn settings_with(
        &self,
        around: &Surroundings,
        mount_options: Option<String>,
    ) -> Result<Settings, ConfigError> {
        resolve(&self.line(mount_options), around)
    }

    /// What was typed.
    pub(super) fn line(&self, mount_options: Option<String>) -> CommandLine {
        let options = [
            ("state-dir", &self.state_dir),
            ("cache-dir", &self.cache_dir),
            ("root-folder", &self.root_folder),
            ("server", &self.server),
            ("ca-file", &self.ca_file),
            ("durability", &self.durability),
            ("settle", &self.settle),
            ("local-only", &self.local_only),
            ("links", &self.links),
            ("refuse-readers", &self.refuse_readers),
            ("cache-size", &self.cache_size),
            ("spool-size", &self.spool_size),
            ("upload-limit", &self.upload_limit),
            ("download-limit", &self.download_limit),
            ("api-limits", &self.api_limits),
            ("delete-guard", &self.delete_guard),
            ("log-level", &self.log_level),
            ("mount-options", &mount_options),
        ];
        let given = options.into_iter().filter_map(|(key, text)| Some((key, text.clone()?)));
        CommandLine { config: self.config.clone(), profile: self.profile.clone(), options: given.collect() }
    }
}
