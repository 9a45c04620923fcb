//! Symbolic links as small files in Box: pure rules of names and bytes.
//!
//! The form is rclone's (`--links` of its local backend and of its mount): the link `NAME` is the file `NAME.rclonelink`, whose bytes are
//! where it leads, without a line break. So each of the two reads what the other wrote.

use super::names::MAX_NAME_CHARS;

/// What a link's file is called beyond the link's name.
const SUFFIX: &str = ".rclonelink";

/// Longest target of a link, as in the kernel (`PATH_MAX` with its final NUL).
pub const MAX_TARGET_BYTES: usize = 4095;

/// The name in Box of the link `name`; `None`: too long for Box.
pub fn link_file_name(name: &str) -> Option<String> {
    let file = format!("{name}{SUFFIX}");
    (file.chars().count() <= MAX_NAME_CHARS).then_some(file)
}

/// The name of the link that a file called `file` may stand for.
pub fn link_name(file: &str) -> Option<&str> {
    file.strip_suffix(SUFFIX).filter(|name| !name.is_empty())
}

/// Whether a file of `size` bytes may say where a link leads.
pub fn may_be_target(size: u64) -> bool {
    (1..=MAX_TARGET_BYTES as u64).contains(&size)
}

/// Whether a link may lead to `bytes`: text, neither empty nor too long, as rclone writes it. What is anything else is an ordinary file.
pub fn is_target(bytes: &[u8]) -> bool {
    may_be_target(bytes.len() as u64) && !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_file_and_a_file_its_link() {
        for name in ["l", "a b", ".hidden", "x.txt", "ü", "l.rclonelink"] {
            let file = link_file_name(name).unwrap();
            assert_eq!(link_name(&file), Some(name));
        }
        for file in ["l", ".rclonelink", "l.RCLONELINK", "l.rclonelink ", "rclonelink", ""] {
            assert_eq!(link_name(file), None, "{file}");
        }
        assert!(link_file_name(&"é".repeat(244)).is_some());
        assert_eq!(link_file_name(&"é".repeat(245)), None);
    }

    #[test]
    fn only_text_of_a_path_is_a_target() {
        let longest = "x".repeat(MAX_TARGET_BYTES);
        for target in ["x", "../a b/ü", "/", "me@host.17:1", " ", "a\n", &longest] {
            assert!(is_target(target.as_bytes()), "{target}");
        }
        let too_long = "x".repeat(MAX_TARGET_BYTES + 1);
        for bytes in [&b""[..], b"a\0b", b"\0", b"\xff\xfe", b"caf\xe9", too_long.as_bytes()] {
            assert!(!is_target(bytes), "{bytes:?}");
        }
    }
}
