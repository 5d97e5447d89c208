//! What is wrong with a rule, and where.

use std::fmt;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 if it is the file as a whole.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}{reason}", rule.as_ref().map(|rule| format!("rule {rule}: ")).unwrap_or_default())]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The rule's ID, where it has one.
    pub rule: Option<String>,
    /// What is wrong.
    pub reason: String,
}
