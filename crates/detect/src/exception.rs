//! What does not count: a Sigma selection with an end and a reason.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule};
use rsigma_parser::parse_sigma_yaml;
use yaml_serde::{Mapping, Value};

use crate::{rule::Exception, seen::Seen};

/// An exception that is ready.
#[derive(Debug)]
pub(crate) struct Spared {
    when: CompiledRule,
    until: i64,
}

impl Spared {
    /// Makes an exception ready.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(exception: &Exception) -> Result<Spared, String> {
        if exception.reason.trim().is_empty() {
            return Err("exception without a reason".to_owned());
        }
        let until = time(&exception.until)
            .ok_or_else(|| format!("exception: until: {:?} is neither a date nor a time", exception.until))?;
        let text = |text: &str| Value::String(text.to_owned());
        let mut detection = Mapping::new();
        detection.insert(text("selection"), exception.when.clone());
        detection.insert(text("condition"), text("selection"));
        let mut rule = Mapping::new();
        rule.insert(text("title"), text("exception"));
        rule.insert(text("logsource"), Value::Mapping(Mapping::new()));
        rule.insert(text("detection"), Value::Mapping(detection));
        let yaml = yaml_serde::to_string(&rule).map_err(|error| format!("exception: {error}"))?;
        let mut read = parse_sigma_yaml(&yaml).map_err(|error| format!("exception: {error}"))?;
        let rule = match (read.rules.pop(), read.errors.pop()) {
            (Some(rule), None) => rule,
            (_, error) => return Err(format!("exception: {}", error.unwrap_or_default())),
        };
        let when = compile_rule(&rule).map_err(|error| format!("exception: {error}"))?;
        Ok(Spared { when, until })
    }

    /// Whether it covers an activity.
    pub fn covers(&self, seen: &Seen) -> bool {
        seen.activity.created_at.as_microsecond() < self.until && evaluate_rule(&self.when, seen).is_some()
    }
}

/// The first moment after a date, or a moment.
fn time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    let date: Date = text.parse().ok()?;
    let next = date.tomorrow().ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}
