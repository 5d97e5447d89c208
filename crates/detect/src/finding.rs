//! What an alert says.

use std::{borrow::Cow, collections::HashMap};

use auditlake_store::alert::{Finding, Step};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{engine::Names, evaluate::Found, pack::Unit, rule::Rule, template::push};

/// The alert's id, from rule, entity and the beginning of the stretch alone.
pub(crate) fn id(rule: &str, entity: &str, start: i64) -> String {
    let mut hash = Sha256::new();
    for part in [rule, "\u{1f}", entity, "\u{1f}"] {
        hash.update(part);
    }
    hash.update(start.to_string());
    let digest = hash.finalize();
    let mut text = String::with_capacity(30);
    text.push_str("alert_");
    for byte in &digest[..12] {
        // Asked for every stretch that is looked at, so nothing is allocated for a byte.
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
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
    let gap = found.gap.iter().flat_map(|(begun, ended)| around(time(*begun), ended.map(time)));
    let next_steps = gap.chain(next_steps).collect();
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
        summary: summary(unit, &found),
        next_steps,
        false_positives: rule.false_positives.clone(),
        tags: rule.tags.clone(),
        organization: first.and_then(|entry| names.name(entry.organization)).map(str::to_owned),
        source: first.and_then(|entry| names.name(entry.source)).map(str::to_owned),
        historical: since.is_some_and(|since| found.last < *since),
    }
}

fn summary(unit: &Unit, found: &Found) -> String {
    let rule = &unit.rule;
    let mut text = said(rule);
    if found.gap.is_some() {
        text.push_str(&format!(" The gap: {}.", found.values.join("; ")));
    }
    text
}

/// What to look at around a gap: what came last before it and, once it has ended, what came first after it.
pub(crate) fn around(begun: Timestamp, ended: Option<Timestamp>) -> Vec<Step> {
    let hour = SignedDuration::from_hours(1);
    let before = begun.checked_sub(hour).unwrap_or(begun);
    let mut steps = vec![Step {
        text: "What happened last before the gap".to_owned(),
        search: Some(format!("time:>={} time:<={}", shown(before), shown(begun))),
    }];
    if let Some(ended) = ended {
        let after = ended.checked_add(hour).unwrap_or(ended);
        steps.push(Step {
            text: "What came first after the gap".to_owned(),
            search: Some(format!("time:>={} time:<{}", shown(ended), shown(after))),
        });
    }
    steps
}

pub(crate) fn shown(time: Timestamp) -> String {
    jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%SZ", time).unwrap_or_else(|_| time.to_string())
}

fn said(rule: &Rule) -> String {
    match (rule.description.trim(), rule.more.why.trim()) {
        (about, "") | ("", about) => about.to_owned(),
        (about, why) if about == why => about.to_owned(),
        (about, why) => format!("{about} {why}"),
    }
}
