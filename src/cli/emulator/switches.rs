//! `--set NAME=VALUE`: every option of the emulator that has no flag of its own, by its name.

use crate::base::{parse_duration, parse_size};
use crate::emulator::{ConflictShape, Options, RateLimits};

/// One option that can be set by name.
pub(super) struct Switch {
    name: &'static str,
    /// What may stand after the equals sign.
    values: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
}

/// A switch whose value is read by `$read` into the field of its name.
macro_rules! switch {
    ($name:ident, $values:expr, $read:expr, $help:expr) => {
        Switch {
            name: stringify!($name),
            values: $values,
            help: $help,
            set: |options, text| {
                options.$name = $read(text)?;
                Ok(())
            },
        }
    };
    (limit $name:ident, $help:expr) => {
        Switch {
            name: stringify!($name),
            values: COUNT,
            help: $help,
            set: |options, text| {
                options.rate_limits.get_or_insert_with(RateLimits::default).$name = number(text)?;
                Ok(())
            },
        }
    };
}

/// No place on Earth is farther from UTC.
const MAX_OFFSET_MINUTES: i32 = 14 * 60;

const SIZE: &str = "SIZE";
const COUNT: &str = "COUNT";
const TIME: &str = "DURATION";
const YES_OR_NO: &str = "yes|no";
const TEXT: &str = "TEXT";

/// In the order in which `--help` shows them.
const SWITCHES: &[Switch] = &[
    switch!(max_simple_bytes, SIZE, parse_size, "largest file of a simple upload"),
    switch!(max_upload_size, SIZE, parse_size, "largest file of the account's plan"),
    switch!(space_amount, SIZE, parse_size, "each user's quota"),
    switch!(space_as_float, YES_OR_NO, yes, "the quota is written like 1e+15"),
    switch!(commit_202, COUNT, number, "commits of each session that are answered 202 first"),
    switch!(commit_retry_after, "SECONDS", number, "Retry-After of those"),
    switch!(part_processing, TIME, parse_duration, "until a part counts as processed"),
    switch!(parts_mismatch_once, YES_OR_NO, yes, "the first commit of each session is refused"),
    switch!(session_conflict, YES_OR_NO, yes, "a second session for a target is refused"),
    switch!(equal_version_202, YES_OR_NO, yes, "a version equal to the current one is 202 for good"),
    switch!(commit_again, YES_OR_NO, yes, "a repeated commit is 201 again; off: 404"),
    switch!(plan, YES_OR_NO, yes, "sessions can be planned"),
    switch!(plan_delay, TIME, parse_duration, "until the parts of a version are known to a plan"),
    switch!(session_secs, "SECONDS", number, "life of upload sessions"),
    switch!(version_upload_status, "200|201", version_status, "status of a new version by simple upload"),
    switch!(conflicts, "as-observed|object|list|absent", conflicts, "shape of context_info.conflicts"),
    switch!(fields_add_to_mini, YES_OR_NO, yes, "?fields= adds to the mini representation"),
    switch!(sanitize_file_names, YES_OR_NO, yes, "file names lose illegal characters"),
    switch!(range_error_400, YES_OR_NO, yes, "a range outside the file is 400; off: 416"),
    switch!(empty_last_marker, YES_OR_NO, yes, "the last next_marker is an empty text"),
    switch!(delete_forever, YES_OR_NO, yes, "deleting skips the trash"),
    switch!(folder_operation, TIME, parse_duration, "how long moves and deletions of folders take"),
    switch!(utc_offset_minutes, "MINUTES", offset, "time zone of answers, east of UTC"),
    switch!(download_202, COUNT, number, "downloads of each version that are answered 202 first"),
    switch!(download_url_secs, "SECONDS", number, "life of download URLs"),
    switch!(access_token_secs, "SECONDS", number, "life of access tokens"),
    switch!(refresh_token_until_use, YES_OR_NO, yes, "a spent refresh token lives until what it brought is used"),
    switch!(events_repeated, COUNT, number, "events of before that come again with each page"),
    switch!(events_shuffled, YES_OR_NO, yes, "the events of a page are in no order"),
    switch!(stream_position_as_number, YES_OR_NO, yes, "next_stream_position is a number"),
    switch!(realtime_hold, TIME, parse_duration, "until a long poll says reconnect"),
    switch!(time_scale, COUNT, number, "how many times faster its clocks run, for tests of long outages"),
    switch!(realtime_max_retries, COUNT, number, "polls of one realtime URL"),
    switch!(limit calls_a_minute, "a rate limit; as the next five, it switches them on"),
    switch!(limit uploads_a_minute, "of requests to the upload host"),
    switch!(limit searches_a_minute, "of each user"),
    switch!(limit searches_a_second, "of each user"),
    switch!(limit enterprise_searches_a_second, "of all users together"),
    switch!(limit retry_after, "seconds, of a refused call"),
    switch!(enterprise_id, TEXT, text, "of the enterprise"),
    switch!(client_id, TEXT, text, "of the application"),
    switch!(client_secret, TEXT, text, "of the application"),
    Switch {
        name: "redirect_uris",
        values: "URI",
        help: "where the sign-in page may lead; can be given again [default: any loopback address]",
        set: |options, text| {
            options.redirect_uris.push(text.to_owned());
            Ok(())
        },
    },
    switch!(traffic, "DIR", directory, "write down every call there, with its bodies but no file's bytes"),
];

/// `NAME=VALUE`, as an option of the command line.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    name: String,
    value: String,
}

impl Setting {
    /// Reads one; the value is looked at already, so that what is wrong is told as wrong usage.
    pub(super) fn parse(text: &str) -> Result<Setting, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE; --help lists the names")?;
        let setting = Setting { name: name.trim().replace('-', "_"), value: value.trim().to_owned() };
        setting.apply(&mut Options::default())?;
        Ok(setting)
    }

    pub(super) fn apply(&self, options: &mut Options) -> Result<(), String> {
        let switch = SWITCHES.iter().find(|switch| switch.name == self.name);
        let switch = switch.ok_or_else(|| format!("there is no option '{}'; --help lists the names", self.name))?;
        let wrong = |why: String| format!("{} is {}: {why}", switch.name, switch.values);
        (switch.set)(options, &self.value).map_err(wrong)
    }
}

/// The list for `--help`.
pub(super) fn help() -> String {
    let line = |switch: &Switch| format!("  {}={}\n          {}\n", switch.name, switch.values, switch.help);
    format!("Names for --set:\n{}", SWITCHES.iter().map(line).collect::<String>())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("'{text}' is not such a number"))
}

fn version_status(text: &str) -> Result<u16, String> {
    number(text).ok().filter(|status| [200, 201].contains(status)).ok_or_else(|| format!("'{text}' is neither"))
}

fn offset(text: &str) -> Result<i32, String> {
    let offset = number(text).ok().filter(|minutes| (-MAX_OFFSET_MINUTES..=MAX_OFFSET_MINUTES).contains(minutes));
    offset.ok_or_else(|| format!("'{text}' is not from -{MAX_OFFSET_MINUTES} to {MAX_OFFSET_MINUTES}"))
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" | "on" => Ok(true),
        "no" | "false" | "off" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn directory(path: &str) -> Result<Option<std::path::PathBuf>, String> {
    text(path).map(|path| Some(path.into()))
}

fn conflicts(text: &str) -> Result<ConflictShape, String> {
    match text {
        "as-observed" => Ok(ConflictShape::AsObserved),
        "object" => Ok(ConflictShape::Object),
        "list" => Ok(ConflictShape::List),
        "absent" => Ok(ConflictShape::Absent),
        _ => Err(format!("'{text}' is none of them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options with a flag of their own.
    const FLAGS: [&str; 18] = [
        "listen",
        "download_listen",
        "allow_remote",
        "data",
        "token",
        "request_log",
        "latency",
        "bandwidth",
        "line",
        "min_session_bytes",
        "part_size",
        "rate_limits",
        "faults",
        "generate",
        "tls",
        "proxy_listen",
        "ca_file",
        "users",
    ];

    #[test]
    fn every_option_has_a_flag_or_a_name() {
        let shown = format!("{:#?}", Options::default());
        let fields = shown.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with(' '));
        let fields: Vec<&str> = fields.filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        assert!(fields.len() > 40, "{fields:?}");
        for field in fields {
            let known = FLAGS.contains(&field) || SWITCHES.iter().any(|switch| switch.name == field);
            assert!(known, "{field} cannot be set from the command line");
        }
    }

    #[test]
    fn a_setting_changes_its_option_and_says_what_is_wrong() {
        let mut options = Options::default();
        for text in ["commit-202=3", "conflicts=list", "realtime_hold=2s", "space_amount=1GiB", "calls_a_minute=7"] {
            Setting::parse(text).unwrap().apply(&mut options).unwrap();
        }
        assert_eq!((options.commit_202, options.conflicts), (3, ConflictShape::List));
        assert_eq!((options.realtime_hold.as_secs(), options.space_amount), (2, 1 << 30));
        assert_eq!(options.rate_limits.map(|limits| (limits.calls_a_minute, limits.uploads_a_minute)), Some((7, 240)));
        for (text, why) in [
            ("commit_202", "NAME=VALUE"),
            ("commit=1", "no option 'commit'"),
            ("commit_202=many", "'many' is not such a number"),
            ("plan=perhaps", "plan is yes|no: write yes or no"),
            ("conflicts=both", "'both' is none of them"),
        ] {
            let error = Setting::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
