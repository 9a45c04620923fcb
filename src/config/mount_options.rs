//! `-o OPT,...`: the options of the kernel's mount and of passthrough.

/// What `-o` says. `nosuid` and `nodev` hold always and are no field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MountOptions {
    pub read_only: bool,
    pub allow_other: bool,
    pub allow_root: bool,
    pub no_exec: bool,
    pub no_atime: bool,
    /// Every file's owner; `None`: whoever mounts.
    pub uid: Option<u32>,
    /// Every file's group; `None`: the group of whoever mounts.
    pub gid: Option<u32>,
    /// Bits taken from every mode.
    pub umask: Option<u32>,
    pub passthrough: Passthrough,
    /// The mount goes away with a daemon that dies.
    pub auto_unmount: bool,
}

/// Whether file data bypasses the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Passthrough {
    /// Refuse to mount where the kernel cannot do it.
    On,
    Off,
    /// Where the kernel can do it.
    #[default]
    Auto,
}

/// Options of fstab and of other file systems that change nothing here.
const WITHOUT_EFFECT: &[&str] = &[
    "rw",
    "exec",
    "atime",
    "relatime",
    "nodiratime",
    "async",
    "defaults",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "_netdev",
    "nofail",
    "nosuid",
    "nodev",
    // The kernel checks modes and owners of every mount of boxfs.
    "default_permissions",
];

/// Every option with an effect, for suggestions.
const KNOWN: &[&str] =
    &["ro", "allow_other", "allow_root", "noexec", "noatime", "uid", "gid", "umask", "passthrough", "auto_unmount"];

impl MountOptions {
    /// Reads a list with commas; a later option wins over an earlier one.
    ///
    /// # Errors
    /// A sentence that names the option and says what was expected.
    pub fn parse(list: &str) -> Result<MountOptions, String> {
        let mut options = MountOptions::default();
        for option in list.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            options.take(option)?;
        }
        if options.allow_other && options.allow_root {
            return Err("allow_other and allow_root exclude each other: choose one".to_owned());
        }
        Ok(options)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        match option.split_once('=') {
            Some((name, value)) => self.take_value(name, value),
            None => self.take_flag(option),
        }
    }

    fn take_flag(&mut self, name: &str) -> Result<(), String> {
        match name {
            "ro" => self.read_only = true,
            "allow_other" => self.allow_other = true,
            "allow_root" => self.allow_root = true,
            "noexec" => self.no_exec = true,
            "noatime" => self.no_atime = true,
            "auto_unmount" => self.auto_unmount = true,
            "suid" | "dev" => return Err(format!("'{name}' is not possible: boxfs is always mounted nosuid,nodev")),
            "uid" | "gid" | "umask" | "passthrough" => return Err(format!("'{name}' needs a value: {name}=...")),
            _ if WITHOUT_EFFECT.contains(&name) || name.starts_with("x-") => {}
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn take_value(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "uid" => self.uid = Some(number(name, value, 10)?),
            "gid" => self.gid = Some(number(name, value, 10)?),
            "umask" => {
                let bits = number(name, value, 8)?;
                self.umask = Some(bits).filter(|bits| *bits <= 0o777);
                self.umask.ok_or_else(|| format!("umask={value}: write three octal digits, for example 022"))?;
            }
            "passthrough" => {
                self.passthrough = match value {
                    "on" => Passthrough::On,
                    "off" => Passthrough::Off,
                    "auto" => Passthrough::Auto,
                    _ => return Err(format!("passthrough={value}: write on, off or auto")),
                }
            }
            _ if name.starts_with("x-") => {}
            _ if KNOWN.contains(&name) => return Err(format!("'{name}' takes no value")),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }
}

fn number(name: &str, value: &str, radix: u32) -> Result<u32, String> {
    let kind = if radix == 8 { "an octal number" } else { "a number" };
    u32::from_str_radix(value, radix).map_err(|_| format!("{name}={value}: write {kind}"))
}

fn unknown(name: &str) -> String {
    match super::nearest(name, KNOWN.iter().copied()) {
        Some(meant) => format!("unknown mount option '{name}'; did you mean '{meant}'?"),
        None => format!("unknown mount option '{name}'; known are {}", KNOWN.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_mount_writes_them() {
        let options = MountOptions::parse(
            "ro,noatime,auto_unmount,uid=1000,umask=027,passthrough=off,x-systemd.automount,_netdev",
        );
        let expected = MountOptions {
            read_only: true,
            no_atime: true,
            auto_unmount: true,
            uid: Some(1000),
            umask: Some(0o27),
            passthrough: Passthrough::Off,
            ..MountOptions::default()
        };
        assert_eq!(options, Ok(expected));
        assert_eq!(MountOptions::parse(""), Ok(MountOptions::default()));
    }

    #[test]
    fn a_wrong_option_says_what_was_expected() {
        for (list, hint) in [
            ("allow-other", "did you mean 'allow_other'?"),
            ("frobnicate", "known are"),
            ("uid=me", "write a number"),
            ("uid", "needs a value"),
            ("umask=999", "octal"),
            ("umask=7777", "three octal digits"),
            ("ro=yes", "takes no value"),
            ("passthrough=maybe", "on, off or auto"),
            ("suid", "nosuid,nodev"),
            ("allow_other,allow_root", "choose one"),
        ] {
            let error = MountOptions::parse(list).unwrap_err();
            assert!(error.contains(hint), "{list}: {error}");
        }
    }
}
