//! Which source wins, and what a wrong value is told.

use super::*;
use crate::config::Passthrough;

fn around(variables: &[(&str, &str)]) -> Surroundings {
    let home = [("HOME", "/home/ada")];
    let all = home.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Surroundings { variables: all.collect(), ..Surroundings::default() }
}

fn options(options: &[(&'static str, &str)]) -> CommandLine {
    let options = options.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
    CommandLine { options, ..CommandLine::default() }
}

/// Resolves with a file of this text.
fn with_file(text: &str, profile: Option<&str>) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let line = CommandLine { config: Some(path), profile: profile.map(str::to_owned), options: Vec::new() };
    let shown = dir.path().display().to_string();
    resolve(&line, &around(&[])).map_err(|error| error.to_string().replace(&shown, ""))
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = resolve(&CommandLine::default(), &around(&[])).unwrap();
    assert_eq!(settings.state_dir, Path::new("/home/ada/.local/state/boxfs/default-0"));
    assert_eq!(settings.cache_dir, Path::new("/home/ada/.cache/boxfs/default-0"));
    assert_eq!(settings.settle, Duration::from_secs(1));
    assert_eq!(settings.cache_size_bytes, 10_000_000_000);
    assert_eq!(settings.api_limits, ApiLimits::Box);
    assert_eq!(settings.server, None);
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("boxfs")).unwrap();
    let text = "settle = 5\ncache-size = '1GB'\nspool-size = '2GB'\n[profiles.work]\nspool-size = '3GB'\n";
    std::fs::write(dir.path().join("boxfs/config.toml"), text).unwrap();
    let config_home = dir.path().display().to_string();
    let around = around(&[("XDG_CONFIG_HOME", &config_home), ("BOXFS_CACHE_SIZE", "7GB"), ("BOXFS_SETTLE", "6s")]);
    let mut line = options(&[("settle", "7s")]);
    line.profile = Some("work".to_owned());
    let settings = resolve(&line, &around).unwrap();
    assert_eq!(settings.settle, Duration::from_secs(7));
    assert_eq!(settings.cache_size_bytes, 7_000_000_000);
    assert_eq!(settings.spool_size_bytes, 3_000_000_000);
    assert!(settings.state_dir.ends_with("boxfs/work-0"));
}

#[test]
fn the_root_folder_names_the_directories() {
    let around = around(&[("XDG_STATE_HOME", "/s"), ("XDG_CACHE_HOME", "relative")]);
    let settings = resolve(&options(&[("root-folder", "42")]), &around).unwrap();
    assert_eq!(settings.state_dir, Path::new("/s/boxfs/default-42"));
    assert_eq!(settings.cache_dir, Path::new("/home/ada/.cache/boxfs/default-42"));
}

#[test]
fn mount_options_may_be_a_list_in_the_file() {
    let settings = with_file("mount-options = ['ro', 'passthrough=off']", None).unwrap();
    assert!(settings.mount.read_only);
    assert_eq!(settings.mount.passthrough, Passthrough::Off);
}

#[test]
fn an_error_in_the_file_names_line_column_and_key() {
    for (text, expected) in [
        ("settle = 'soon'", "/c.toml:1:10: settle: 'soon' is not a duration"),
        ("\n  cache_size = 1", "/c.toml:2:3: unknown key 'cache_size'; did you mean 'cache-size'?"),
        ("token = 'x'", "/c.toml:1:1: unknown key 'token'; a sign-in is not configured, 'boxfs login' makes it"),
        ("settle = 1s", "/c.toml:1:10: settle: write the value in quotes"),
        ("settle = 1\nsettle = 2", "/c.toml:2:1: settle: duplicate key"),
        ("[profile.work]", "/c.toml:1:2: profile: the keys of one profile stand below [profiles.NAME]"),
        ("[profiles]\nwork = 1", "/c.toml:2:8: 'work' is a table"),
        ("[profiles.work]\nsettel = 1", "/c.toml:2:1: unknown key 'settel'; did you mean 'settle'?"),
        ("server = 'http://box.com'", "/c.toml:1:10: server: plain http is accepted for this machine only"),
        ("durability = true", "/c.toml:1:14: durability: write a text in quotes"),
        ("profile = '../x'", "/c.toml:1:11: profile: '../x' is not a profile's name"),
    ] {
        let error = with_file(text, None).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn a_profile_that_the_file_does_not_have_is_refused() {
    let error = with_file("[profiles.work]\n[profiles.home]\n", Some("wrok")).unwrap_err();
    assert_eq!(error, "--profile: profile 'wrok' is not in /c.toml; did you mean 'work'?");
    assert!(with_file("settle = 1", Some("anything")).is_ok());
}

#[test]
fn wrong_variables_and_options_are_named() {
    let error = resolve(&CommandLine::default(), &around(&[("BOXFS_CACHESIZE", "1")])).unwrap_err();
    assert_eq!(error.to_string(), "environment variable BOXFS_CACHESIZE is unknown; did you mean BOXFS_CACHE_SIZE?");
    assert!(resolve(&CommandLine::default(), &around(&[("BOXFS_OF_MY_SCRIPT", "1")])).is_ok());
    let error = resolve(&options(&[("api-limits", "0/min")]), &around(&[])).unwrap_err();
    assert!(error.to_string().starts_with("--api-limits: '0/min' is unknown"), "{error}");
    let error = resolve(&options(&[("root-folder", "../1")]), &around(&[])).unwrap_err();
    assert!(error.to_string().contains("not a folder id"), "{error}");
}

#[test]
fn a_named_file_must_exist_and_no_home_is_told() {
    let line = CommandLine { config: Some(PathBuf::from("/nonexistent.toml")), ..CommandLine::default() };
    assert!(matches!(resolve(&line, &around(&[])), Err(ConfigError::Unreadable { .. })));
    let error = resolve(&CommandLine::default(), &Surroundings::default()).unwrap_err();
    assert!(error.to_string().contains("XDG_STATE_HOME"), "{error}");
}
