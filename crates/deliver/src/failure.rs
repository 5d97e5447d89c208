//! Why a destination did not take a notice, and what that means for the next attempt.
//!
//! The text goes into the queue, the log and lists: it never holds an address, a key or a password, and what a server answered
//! stands in it short and made harmless.

use std::time::Duration;

use crate::text;

/// What a failed attempt means for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sending the same again will not help: a wrong key, an unknown address, a payload that is refused.
    Refused,
    /// This notice may succeed later.
    Failed,
    /// The destination cannot be reached: nothing may succeed before some time has passed.
    Unreachable,
    /// The destination asks for patience, for at least so long if it says.
    Busy(Option<Duration>),
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What it means.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// What to do about it, where there is something.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), hint: None }
    }

    /// The same with what to do.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// The same with what the server said, unless that is empty.
    pub(crate) fn saying(mut self, said: &str) -> Failure {
        let said = text::line(said, 200);
        if !said.is_empty() {
            self.message = format!("{}: {said}", self.message);
        }
        self
    }
}

/// What is wrong with a destination's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl SettingError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> SettingError {
        SettingError { message: message.into(), hint: hint.into() }
    }
}
