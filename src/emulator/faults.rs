//! What goes wrong on purpose: a script of rules that say which calls, and what happens to them.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A script. As JSON: `{"seed": 1, "rules": [{"method": "PUT", "path": "*/upload_sessions/*", "nth": 3, "do":
/// {"kind": "answer_after", "status": 500}}]}`.
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

impl FaultScript {
    /// Reads a script; the error says where it is wrong.
    pub fn from_json(text: &str) -> Result<FaultScript, serde_json::Error> {
        serde_json::from_str(text)
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
        let faults = Faults::new(FaultScript::from_json(script).unwrap());
        assert_eq!(faults.pick("GET", "/a"), Some(Fault::Stall { ms: 1 }));
        assert_eq!(faults.pick("GET", "/a"), Some(Fault::CloseBefore));
        assert_eq!(faults.pick("GET", "/a"), None);
        assert_eq!(faults.pick("GET", "/b"), None);
        assert!(FaultScript::from_json(r#"{"rules": [{"path": "/a", "do": {"kind": "explode"}}]}"#).is_err());
    }
}
