//! Which names stay on this machine: what a program makes again by itself, such as an editor's swap and lock files.
//!
//! Nothing that a person made is among them: dotfiles, `*.tmp` and `*.bak` go to Box.

use super::names::fold;

/// Patterns of names that are local-only everywhere. `*` stands for any characters, `?` for one; case does not count.
const BUILT_IN: [&str; 10] = [
    ".*.sw?",        // Vim's swap files
    ".~lock.*#",     // LibreOffice's locks
    "~$*",           // Microsoft Office's owner files
    ".#*",           // Emacs' locks
    ".fuse_hidden*", // libfuse's unlinked files
    ".nfs*",         // NFS's unlinked files
    ".DS_Store",     // macOS's views of folders
    "._*",           // macOS's resource forks
    "Thumbs.db",     // Windows' thumbnails
    "desktop.ini",   // Windows' views of folders
];

/// The built-in patterns and those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOnlyNames {
    /// Folded.
    patterns: Vec<String>,
}

impl Default for LocalOnlyNames {
    fn default() -> LocalOnlyNames {
        LocalOnlyNames { patterns: BUILT_IN.map(fold).to_vec() }
    }
}

impl LocalOnlyNames {
    /// The built-in patterns and `more`, patterns with commas between them.
    ///
    /// # Errors
    /// A sentence about a pattern that is no pattern of names, or one that holds for all names.
    pub fn with(more: &str) -> Result<LocalOnlyNames, String> {
        let mut names = LocalOnlyNames::default();
        for pattern in more.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            if pattern.contains('/') {
                return Err(format!("'{pattern}' is not a pattern of names: leave the folders out"));
            }
            if pattern.chars().all(|c| matches!(c, '*' | '?')) {
                return Err(format!("'{pattern}' would keep everything from Box: write more of the name"));
            }
            names.patterns.push(fold(pattern));
        }
        Ok(names)
    }

    /// Whether a file of this name stays on this machine.
    pub fn hold_for(&self, name: &str) -> bool {
        let name = fold(name);
        self.patterns.iter().any(|pattern| matches(pattern, &name))
    }
}

/// Whether `*` and `?` of `pattern` can be filled so that it is `name`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches(rest.as_str(), &name[at..]))
        }
        Some(c) => {
            let mut left = name.chars();
            left.next().is_some_and(|first| c == '?' || c == first) && matches(rest.as_str(), left.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_make_again_stays_and_what_people_make_goes() {
        let stays = [
            ".plan.txt.swp",
            ".plan.txt.swo",
            ".plan.txt.swx",
            "._plan.txt",
            ".~lock.plan.odt#",
            "~$plan.docx",
            ".#plan.txt",
            ".fuse_hidden0000002a00000001",
            ".nfs000000000a",
            ".DS_Store",
            ".ds_store",
            "Thumbs.db",
            "thumbs.db",
            "desktop.ini",
            "Desktop.ini",
        ];
        let goes = [
            ".git",
            ".gitignore",
            ".bashrc",
            ".config",
            "index.lock",
            "plan.txt~",
            "#plan.txt#",
            "plan.tmp",
            "plan.bak",
            "~plan.docx",
            "plan.swp",
            ".swp",
            "swp",
            ".~lock.plan.odt",
            "lock#",
            "4913",
            ".goutputstream-8Z3CX2",
            "plan.crdownload",
            "plan.part",
            ".plan.txt.Xa3fT9",
            "sedX2mQ1a",
            "DS_Store",
            "my Thumbs.db",
            "desktop.ini.txt",
        ];
        let names = LocalOnlyNames::default();
        for name in stays {
            assert!(names.hold_for(name), "{name} should stay");
        }
        for name in goes {
            assert!(!names.hold_for(name), "{name} should go to Box");
        }
    }

    #[test]
    fn configuration_adds_names() {
        let names = LocalOnlyNames::with("*.part, core.?").unwrap();
        for (name, stays) in
            [("a.part", true), ("core.7", true), ("core.77", false), (".a.swp", true), ("a.parts", false)]
        {
            assert_eq!(names.hold_for(name), stays, "{name}");
        }
        assert_eq!(LocalOnlyNames::with(""), Ok(LocalOnlyNames::default()));
        assert!(LocalOnlyNames::with("**").unwrap_err().contains("everything"));
        assert!(LocalOnlyNames::with("tmp/*").unwrap_err().contains("folders"));
    }

    #[test]
    fn patterns_match_whole_names_in_any_script() {
        for (pattern, name, holds) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("?", "é", true),
            ("?", "", false),
            ("*.é", "ü.é", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), holds, "{pattern} {name}");
        }
    }
}
