//! An activity as lists show it: the column set `Summary`, in words.

use activity::{catalog, classify};
use auditlake_store::{Result, StoreError};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::text;

/// An activity in a list.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub event_time: Timestamp,
    pub event_name: String,
    pub category: String,
    pub outcome: String,
    pub actor: Option<String>,
    pub actor_type: Option<String>,
    #[serde(rename = "srcIP")]
    pub src_ip: Option<String>,
    pub target: Option<String>,
    #[serde(rename = "eventID")]
    pub event_id: String,
}

impl Line {
    /// Reads a row.
    pub fn of(row: Map<String, Value>) -> Result<Line> {
        let unreadable = |error: serde_json::Error| StoreError::Engine {
            doing: "reading the summary of an activity",
            message: error.to_string(),
        };
        serde_json::from_value(row.into()).map_err(unreadable)
    }

    /// What happened, for somebody who has never seen the type.
    pub fn summary(&self) -> String {
        let guess = || text::plain(&classify::guess_summary(&self.event_name), 300);
        catalog::get(&self.event_name).map_or_else(guess, |info| info.summary.clone())
    }

    /// Whether an app loaded something by itself.
    pub fn is_load(&self) -> bool {
        is_load(&self.event_name)
    }

    /// The id, for a program to tell lines apart.
    pub fn key(&self) -> String {
        text::plain(&self.event_id, 200)
    }

    /// The category as pages call it.
    pub fn category_title(&self) -> &str {
        category_title(&self.category)
    }

    /// The outcome as a class for the style sheet, which nobody outside chooses.
    pub fn outcome_class(&self) -> &'static str {
        match self.outcome.as_str() {
            "success" => "success",
            "failure" => "failure",
            "attempt" => "attempt",
            _ => "unknown",
        }
    }

    /// Who did it, as well as a list can say.
    pub fn actor_text(&self) -> &str {
        let named = [&self.actor, &self.actor_type].into_iter().flatten().find(|text| !text.is_empty());
        named.map_or("nobody named", |text| text)
    }
}

/// The category as pages call it.
pub fn category_title(name: &str) -> &str {
    catalog::category(name).map_or(name, |info| &info.title)
}

/// Whether a type says that an app loaded something: a page that is open loads again by itself, so nobody need have read it.
pub fn is_load(kind: &str) -> bool {
    kind.ends_with("_viewed")
}
