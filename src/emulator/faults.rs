//! What goes wrong on purpose: a script of rules that say which calls, and what happens to them.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A script. As YAML:
///
/// ```yaml
/// seed: 1
/// rules:
///   - {method: PUT, path: "*/upload_sessions/*", nth: 3, do: {kind: answer_after, status: 500}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultScript {
    /// Of the dice that `probability` throws.
    pub seed: u64,
    /// The first rule that matches a call decides.
    pub rules: Vec<FaultRule>,
}

/// Which calls, and what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Any method where it is not given.
    #[serde(default)]
    pub method: Option<String>,
    /// The path with its query; `*` is any text.
    pub path: String,
    /// Only the nth matching call, from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// At most so many times.
    #[serde(default)]
    pub times: Option<u64>,
    /// From 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    #[serde(rename = "do")]
    pub fault: Fault,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Answered with an error (or 202 without a body) and not applied.
    Answer(FaultAnswer),
    /// Applied, and then answered with an error all the same.
    AnswerAfter(FaultAnswer),
    /// The connection closes before anything is applied.
    CloseBefore,
    /// The connection closes when this much of the body has come; nothing is applied.
    CloseInBody { bytes: u64 },
    /// Applied; the connection closes before the answer.
    CloseAfter,
    /// Nothing happens for a while, then the call goes its way.
    Stall { ms: u64 },
    /// The answer's body ends after so many bytes, and the connection with it.
    Cut { bytes: u64 },
    /// The answer's body comes slowly.
    Drip { bytes_per_second: u64 },
    /// One byte of the answer's body is wrong.
    Corrupt { at: u64 },
    /// The token of the call expires as the call comes.
    ExpireToken,
    /// A page of events loses its entries; the position goes on.
    LoseEvents,
}

/// An answer made up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultAnswer {
    pub status: u16,
    /// The code of the error object; a status below 400 has no body.
    #[serde(default)]
    pub code: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

/// A script that cannot be played: one line that says where and why.
#[derive(Debug, thiserror::Error)]
pub enum FaultScriptError {
    #[error("not a script of faults as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a script of faults as YAML: {0}")]
    Yaml(String),
    #[error("rule {rule}: {why}")]
    Rule { rule: usize, why: &'static str },
}

impl FaultScript {
    /// Reads a script: JSON where it begins with a brace, YAML otherwise.
    pub fn parse(text: &str) -> Result<FaultScript, FaultScriptError> {
        let script: FaultScript = if text.trim_start().starts_with('{') {
            serde_json::from_str(text)?
        } else if text.trim().is_empty() {
            FaultScript::default()
        } else {
            let read = serde_saphyr::from_str(text);
            read.map_err(|error| FaultScriptError::Yaml(one_line(&error.without_snippet().to_string())))?
        };
        let checked = script.rules.iter().zip(1..).map(|(rule, n)| (n, rule.check()));
        match checked.into_iter().find_map(|(rule, done)| done.err().map(|why| FaultScriptError::Rule { rule, why })) {
            Some(wrong) => Err(wrong),
            None => Ok(script),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl FaultRule {
    /// Says what is out of range.
    fn check(&self) -> Result<(), &'static str> {
        if self.nth == Some(0) {
            return Err("'nth' counts from 1");
        }
        if self.probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            return Err("'probability' is from 0 to 1");
        }
        match &self.fault {
            Fault::Answer(made_up) | Fault::AnswerAfter(made_up) if !(200..600).contains(&made_up.status) => {
                Err("'status' is from 200 to 599")
            }
            Fault::Drip { bytes_per_second: 0 } => Err("'bytes_per_second' is more than 0"),
            _ => Ok(()),
        }
    }
}

/// The script being played.
#[derive(Debug)]
pub(super) struct Faults {
    playing: Mutex<Playing>,
}

#[derive(Debug)]
struct Playing {
    script: FaultScript,
    /// Matching calls and times fired, of each rule.
    counts: Vec<(u64, u64)>,
    dice: fastrand::Rng,
}

impl Playing {
    fn new(script: FaultScript) -> Playing {
        let counts = vec![(0, 0); script.rules.len()];
        let dice = fastrand::Rng::with_seed(script.seed);
        Playing { script, counts, dice }
    }
}

impl Faults {
    pub(super) fn new(script: FaultScript) -> Faults {
        Faults { playing: Mutex::new(Playing::new(script)) }
    }

    /// Replaces the script; counting starts again.
    pub(super) fn set(&self, script: FaultScript) {
        *self.playing.lock().unwrap_or_else(PoisonError::into_inner) = Playing::new(script);
    }

    pub(super) fn script(&self) -> FaultScript {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner).script.clone()
    }

    /// What happens to a call, if anything.
    pub(super) fn pick(&self, method: &str, path: &str) -> Option<Fault> {
        let mut playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        let Playing { script, counts, dice } = &mut *playing;
        for (rule, (matched, fired)) in script.rules.iter().zip(counts) {
            let named = rule.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
            if !named || !matches(&rule.path, path) {
                continue;
            }
            *matched += 1;
            let due = rule.nth.is_none_or(|nth| nth == *matched) && rule.times.is_none_or(|times| *fired < times);
            if due && rule.probability.is_none_or(|probability| dice.f64() < probability) {
                *fired += 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

/// Whether a text is a pattern's, `*` being any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, text, expected) in [
            ("/2.0/users/me", "/2.0/users/me", true),
            ("/2.0/users", "/2.0/users/me", false),
            ("*", "", true),
            ("*/upload_sessions/*", "/api/2.0/files/upload_sessions/AB", true),
            ("*/commit", "/x/commit", true),
            ("*/commit", "/x/commits", false),
            ("/a*b*c", "/a1b2b3c", true),
            ("/a*b*c", "/a1c", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_fire_when_they_are_due() {
        let script = r#"{"rules": [
            {"method": "GET", "path": "/a", "nth": 2, "do": {"kind": "close_before"}},
            {"path": "/a", "times": 1, "do": {"kind": "stall", "ms": 1}},
            {"path": "/b", "probability": 0.0, "do": {"kind": "close_after"}}]}"#;
        let faults = Faults::new(FaultScript::parse(script).unwrap());
        assert_eq!(faults.pick("GET", "/a"), Some(Fault::Stall { ms: 1 }));
        assert_eq!(faults.pick("GET", "/a"), Some(Fault::CloseBefore));
        assert_eq!(faults.pick("GET", "/a"), None);
        assert_eq!(faults.pick("GET", "/b"), None);
    }

    #[test]
    fn a_script_is_the_same_as_yaml_and_as_json() {
        let yaml = r#"
# Every tenth call is throttled, and the third part is stored and lost.
seed: 7
rules:
  - path: "/2.0/*"
    probability: 0.1
    do: {kind: answer, status: 429, retry_after: 2}
  - method: PUT
    path: "*/upload_sessions/*"
    nth: 3
    do:
      kind: answer_after
      status: 500
  - path: /subscribe*
    times: 2
    do: {kind: close_before}
  - path: /d/*
    do: {kind: drip, bytes_per_second: 1000}
  - path: "*"
    do: {kind: expire_token}
"#;
        let script = FaultScript::parse(yaml).unwrap();
        assert_eq!(script.rules.len(), 5);
        let as_json = serde_json::to_string(&script).unwrap();
        assert_eq!(FaultScript::parse(&as_json).unwrap(), script);
        assert_eq!(FaultScript::parse(" \n").unwrap(), FaultScript::default());
    }

    #[test]
    fn a_wrong_script_is_refused_in_one_line_that_says_where() {
        for (text, wanted) in [
            (r#"{"rules": [{"path": "/a", "do": {"kind": "explode"}}]}"#, "explode"),
            ("rules:\n  - path: /a\n    do: {kind: explode}\n", "explode"),
            ("rules:\n  - path: /a\n    when: 3\n    do: {kind: stall, ms: 1}\n", "when"),
            ("rules:\n  - path: /a\n    nth: 0\n    do: {kind: stall, ms: 1}\n", "rule 1: 'nth' counts from 1"),
            (
                "rules:\n  - {path: /a, probability: 2, do: {kind: close_after}}\n",
                "rule 1: 'probability' is from 0 to 1",
            ),
            ("rules: [{path: /a, do: {kind: answer, status: 99}}]", "rule 1: 'status' is from 200 to 599"),
            ("rules: [", "not a script of faults as YAML"),
        ] {
            let error = FaultScript::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn the_same_seed_throws_the_same_dice() {
        let fired = |seed: u64| -> Vec<bool> {
            let script = format!("seed: {seed}\nrules: [{{path: '*', probability: 0.3, do: {{kind: close_before}}}}]");
            let faults = Faults::new(FaultScript::parse(&script).unwrap());
            (0..200).map(|_| faults.pick("GET", "/").is_some()).collect()
        };
        assert_eq!(fired(1), fired(1));
        assert_ne!(fired(1), fired(2));
        let share = fired(1).iter().filter(|fired| **fired).count();
        assert!((30..90).contains(&share), "{share} of 200 at 0.3");
    }
}
