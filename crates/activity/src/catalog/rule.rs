//! How the catalogue says whether an action succeeded and whether it changed anything: mostly a constant, sometimes
//! a look at one field.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What the type names was done. A person who declines, denies or dismisses something has done so successfully.
    Success,
    /// The system refused it, or it broke off.
    Failure,
    /// It was begun or asked for; how it ended is told by another activity or by none.
    Attempt,
    /// The activity does not say, or says it in words that nobody knows yet.
    Unknown,
}

impl Outcome {
    /// The name as filters and records have it: `success`, `failure`, `attempt` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Attempt => "attempt",
            Outcome::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How to tell the outcome. In the file a word, `"success"`, or an object, `{"field": "status_code", "failure_from": 400}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OutcomeRule {
    /// The type alone tells it.
    Always(Outcome),
    /// A field tells it.
    ByField(FieldRule),
}

/// A field that tells the outcome. What no part of the rule decides is [`Outcome::Unknown`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The path of the field; booleans and numbers count as their text.
    pub field: String,
    /// Values that mean success, whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<String>,
    /// Values that mean failure, whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failure: Vec<String>,
    /// Numbers from here on mean failure, those below success: HTTP status codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_from: Option<u32>,
    /// The path of a field whose mere presence means failure where the value itself decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_if: Option<String>,
}

/// How to tell whether anything changed. In the file `true`, `false`, or an object,
/// `{"field": "request_method", "changes": ["DELETE"]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReadOnlyRule {
    /// The type alone tells it. What failed has changed nothing, unless it may have got part of the way.
    Always(bool),
    /// A field tells it.
    ByField {
        /// The path of the field.
        field: String,
        /// The values, whatever their case, that mean a change; any other value, or none, means that nothing changed.
        changes: Vec<String>,
    },
}

impl OutcomeRule {
    /// The outcome of an activity whose fields `field` reads by path, as text.
    pub fn apply<'v>(&self, field: impl Fn(&str) -> Option<Cow<'v, str>>) -> Outcome {
        match self {
            OutcomeRule::Always(outcome) => *outcome,
            OutcomeRule::ByField(rule) => rule.apply(field),
        }
    }
}

impl FieldRule {
    fn apply<'v>(&self, field: impl Fn(&str) -> Option<Cow<'v, str>>) -> Outcome {
        let value = field(&self.field);
        let decided = value.as_deref().and_then(|value| {
            if is_one_of(value, &self.failure) {
                return Some(Outcome::Failure);
            }
            if is_one_of(value, &self.success) {
                return Some(Outcome::Success);
            }
            let number: f64 = value.parse().ok()?;
            let from = f64::from(self.failure_from?);
            Some(if number >= from { Outcome::Failure } else { Outcome::Success })
        });
        decided.unwrap_or_else(|| match &self.failure_if {
            Some(path) if field(path).is_some() => Outcome::Failure,
            _ => Outcome::Unknown,
        })
    }
}

impl ReadOnlyRule {
    /// Whether an activity whose fields `field` reads by path, as text, left everything as it was.
    pub fn apply<'v>(&self, field: impl Fn(&str) -> Option<Cow<'v, str>>) -> bool {
        match self {
            ReadOnlyRule::Always(read_only) => *read_only,
            ReadOnlyRule::ByField { field: path, changes } => {
                !field(path).is_some_and(|value| is_one_of(&value, changes))
            }
        }
    }
}

fn is_one_of(value: &str, words: &[String]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// As the docs page and `auditlake catalog` say it.
impl fmt::Display for OutcomeRule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            OutcomeRule::Always(outcome) => outcome.fmt(f),
            OutcomeRule::ByField(rule) => write!(f, "by `{}`", rule.field),
        }
    }
}

/// As the docs page and `auditlake catalog` say it.
impl fmt::Display for ReadOnlyRule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ReadOnlyRule::Always(true) => f.write_str("yes"),
            ReadOnlyRule::Always(false) => f.write_str("no"),
            ReadOnlyRule::ByField { field, .. } => write!(f, "by `{field}`"),
        }
    }
}
