//! Counts by the values of a column, as bars.

use std::borrow::Borrow;

use activity::catalog;
use auditlake_store::{CountBy, Engine, Result, Window, filter::Filter};

use super::{super::line::category_title, text};

/// So many bars has a list.
const BARS: usize = 9;

/// Whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Outcomes,
    Categories,
    Types,
    People,
}

/// Counts by the values of a column, the most frequent first.
pub struct BarList {
    pub subject: Subject,
    pub bars: Vec<Bar>,
}

/// A value, and how often it occurs.
pub struct Bar {
    pub label: String,
    pub hint: String,
    pub count: u64,
    /// Of the most frequent value's count.
    pub percent: f64,
    pub is_bad: bool,
}

impl Subject {
    /// The name of the region.
    pub fn id(self) -> &'static str {
        match self {
            Subject::Outcomes => "outcomes",
            Subject::Categories => "categories",
            Subject::Types => "types",
            Subject::People => "people",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Subject::Outcomes => "Outcomes",
            Subject::Categories => "Categories",
            Subject::Types => "Types",
            Subject::People => "Most active people",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Subject::Outcomes => "outcome",
            Subject::Categories => "category",
            Subject::Types => "eventName",
            Subject::People => "actorEmail",
        }
    }

    pub fn is_code(self) -> bool {
        self == Subject::Types
    }

    /// The value as the page calls it.
    fn label(self, value: &str) -> &str {
        if self == Subject::Categories { category_title(value) } else { value }
    }

    /// What a value means, for somebody who has never seen it.
    fn hint(self, value: &str) -> String {
        let known = match self {
            Subject::Categories => catalog::category(value).map(|info| info.description.as_str()),
            Subject::Types => catalog::get(value).map(|info| info.summary.as_str()),
            Subject::Outcomes => outcome_hint(value),
            Subject::People => None,
        };
        known.map_or_else(|| text::plain(value, 300), str::to_owned)
    }
}

fn outcome_hint(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "success" => "What the type names was done",
        "failure" => "It was refused, or it broke off",
        "attempt" => "It was begun or asked for; how it ended is told elsewhere or nowhere",
        "unknown" => "The activity does not say how it ended",
        _ => return None,
    })
}

impl BarList {
    /// Counts what happened in `window`. Activities without a value are left out.
    pub async fn load(engine: &dyn Engine, subject: Subject, window: Window) -> Result<BarList> {
        let limit = BARS as u64 + 1;
        let count = CountBy { column: subject.column().to_owned(), filter: Filter::All, window, limit };
        let mut counts = engine.count_by(&count).await?;
        counts.retain(|(value, _)| !value.is_empty());
        counts.truncate(BARS);
        let most = counts.first().map_or(1, |(_, count)| *count).max(1);
        let bar = |(value, count): (String, u64)| Bar {
            label: subject.label(&value).to_owned(),
            hint: subject.hint(&value),
            count,
            percent: 100.0 * count as f64 / most as f64,
            is_bad: subject == Subject::Outcomes && value == "failure",
        };
        Ok(BarList { subject, bars: counts.into_iter().map(bar).collect() })
    }
}

impl Bar {
    /// How much of `total` it is.
    pub fn share(&self, total: impl Borrow<u64>) -> String {
        text::share(self.count, *total.borrow())
    }
}
