//! What an alert says.

use std::{borrow::Cow, collections::HashMap};

use auditlake_store::alert::{Finding, Step};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{engine::Names, evaluate::Found, pack::Unit, template::push};

/// The alert's id, from rule, entity and the beginning of the stretch alone.
pub(crate) fn id(rule: &str, entity: &str, start: i64) -> String {
    let digest = Sha256::digest(format!("{rule}\u{1f}{entity}\u{1f}{start}"));
    let mut text = String::with_capacity(30);
    text.push_str("alert_");
    for byte in &digest[..12] {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// No value in a title is longer.
const IN_TITLE: usize = 120;

pub(crate) fn make(
    unit: &Unit,
    id: String,
    entity: &str,
    found: Found,
    names: &Names,
    followed: &HashMap<String, i64>,
    most: usize,
) -> Finding {
    let rule = &unit.rule;
    let first = found.evidence.first();
    let captured = first.and_then(|entry| entry.captured.as_ref());
    let values = found.values.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let count = found.count.to_string();
    let value = |name: &str| -> Option<Cow<'_, str>> {
        match name {
            "count" => Some(Cow::Owned(count.clone())),
            "values" => Some(Cow::Owned(values.clone())),
            name => match unit.captured.iter().position(|known| known == name) {
                Some(at) => captured.and_then(|list| list.get(at)?.clone()).map(Cow::Owned),
                None => Some(Cow::Owned(entity.to_owned())),
            },
        }
    };
    // In a filter, a value stands in quotes.
    let quoted = |name: &str| {
        let text = value(name).unwrap_or_default();
        Some(Cow::Owned(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))))
    };
    let next_steps = unit.steps.iter().map(|(text, search)| Step {
        text: text.fill(IN_TITLE, value),
        search: search.as_ref().map(|search| search.fill(400, quoted)),
    });
    let time = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let since =
        found.evidence.last().and_then(|entry| names.name(entry.source)).and_then(|source| followed.get(source));
    let mut shown = String::new();
    push(&mut shown, entity, 400);
    Finding {
        id,
        rule: rule.id.clone(),
        rule_title: rule.title.clone(),
        severity: rule.severity,
        title: unit.title.fill(IN_TITLE, value),
        entity: shown,
        count: found.count,
        first: time(first.map_or(found.last, |entry| entry.time)),
        last: time(found.last),
        activities: found.evidence.iter().take(most).map(|entry| entry.id.as_ref().to_owned()).collect(),
        summary: summary(unit),
        next_steps: next_steps.collect(),
        false_positives: rule.false_positives.clone(),
        tags: rule.tags.clone(),
        organization: first.and_then(|entry| names.name(entry.organization)).map(str::to_owned),
        source: first.and_then(|entry| names.name(entry.source)).map(str::to_owned),
        historical: since.is_some_and(|since| found.last < *since),
    }
}

fn summary(unit: &Unit) -> String {
    let rule = &unit.rule;
    match (rule.description.trim(), rule.more.why.trim()) {
        (about, "") | ("", about) => about.to_owned(),
        (about, why) if about == why => about.to_owned(),
        (about, why) => format!("{about} {why}"),
    }
}
