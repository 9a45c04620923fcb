//! The tables of docs/configuration.md: each wrong configuration and command line is run, and says what the document says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::boxfs;

const DOCUMENT: &str = "docs/configuration.md";

/// Somebody's home with what the document says is there.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("full/sub")).unwrap();
    std::fs::create_dir(home.path().join("Box")).unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    home
}

/// What a command says, in one line, with the home directory as `~`.
fn told(home: &Path, arguments: &[&str]) -> (i32, String) {
    let output = boxfs(home, arguments).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap().replace(home.to_str().unwrap(), "~");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    (output.status.code().unwrap(), lines.join(" "))
}

/// The rows of the table below a heading, without the code marks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).unwrap();
    let below = text.split_once(heading).unwrap().1;
    let section = below.split("\n## ").next().unwrap();
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|c| c.trim().trim_matches('`').to_owned()).collect();
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

#[test]
fn each_wrong_configuration_is_told_as_the_document_says() {
    let rows = rows("## Wrong configurations");
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        let [text, message] = &row[..] else { panic!("{row:?}") };
        let home = home();
        let file = home.path().join("c.toml");
        std::fs::write(&file, text.replace("\\n", "\n")).unwrap();
        let mode = if message.contains("chmod") { 0o644 } else { 0o600 };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let (code, said) = told(home.path(), &["mount", "Box", "--config", "c.toml"]);
        assert_eq!((code, said.as_str()), (2, message.as_str()), "{text}");
        assert!(said.starts_with("boxfs: c.toml:"), "file, line and column: {said}");
    }
}

#[test]
fn each_wrong_command_line_is_told_as_the_document_says() {
    let rows = rows("## Wrong command lines");
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        let [line, code, message] = &row[..] else { panic!("{row:?}") };
        let home = home();
        let arguments: Vec<&str> = line.split(' ').skip(1).collect();
        let (was, said) = told(home.path(), &arguments);
        assert_eq!((was.to_string(), said), (code.clone(), message.clone()), "{line}");
    }
}
