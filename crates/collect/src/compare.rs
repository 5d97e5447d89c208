//! Comparing what is read again with what was first seen: by content, not by bytes. The first-seen record always stays;
//! what differs is drift.

use std::collections::HashMap;

use activity::{
    Activity,
    drift::bounded,
    value::{Fields, Value},
};
use auditlake_store::{Drift, DriftKind, Fingerprint, Recall, Result, Span, Window};
use jiff::{SignedDuration, Timestamp};

/// So many raw logs are asked for at a time.
const COMPARED_AT_A_TIME: usize = 1_000;

/// A row of a page, as far as it is compared.
#[derive(Debug, Clone)]
pub(crate) struct Seen<'a> {
    pub(crate) id: &'a str,
    pub(crate) raw: &'a [u8],
    pub(crate) content: u64,
}

/// What of a window is stored, by id.
pub(crate) async fn stored(store: &dyn Recall, span: Span) -> Result<HashMap<String, Fingerprint>> {
    let window = Window { since: Some(span.from), until: Some(span.to) };
    let list = store.fingerprints(window).await?;
    Ok(list.into_iter().map(|print| (print.id.clone(), print)).collect())
}

/// What differs between the rows of a page and what is stored.
pub(crate) async fn changed(
    store: &dyn Recall,
    stored: &HashMap<String, Fingerprint>,
    seen: &[Seen<'_>],
) -> Result<Vec<Drift>> {
    let other = |row: &&Seen| stored.get(row.id).is_some_and(|print| print.content != row.content);
    let mut differing: HashMap<&str, &Seen> = HashMap::new();
    for row in seen.iter().filter(other) {
        differing.insert(row.id, row);
    }
    if differing.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = differing.keys().map(|id| (*id).to_owned()).collect();
    let now = Timestamp::now();
    let mut found = Vec::new();
    for ids in ids.chunks(COMPARED_AT_A_TIME) {
        for (id, raw) in store.raw_logs(ids).await? {
            let row = differing.get(id.as_str());
            let difference = row.and_then(|row| difference(&raw, row.raw));
            if let Some(((kind, paths), print)) = difference.zip(stored.get(&id)) {
                found.push(drift(kind, &print.event_name, &paths.join(", "), &id, now));
            }
        }
    }
    Ok(found)
}

/// What is stored and was not seen, though it should have been: of this source, within the span, there before the feed was asked.
pub(crate) fn missing<'s>(
    stored: &'s HashMap<String, Fingerprint>,
    seen: &std::collections::HashSet<&str>,
    source: &str,
    organizations: &[String],
    asked_at: Timestamp,
) -> Vec<&'s Fingerprint> {
    let shown = |print: &Fingerprint| {
        let [id, uuid] = &print.organizations;
        organizations.is_empty()
            || (id.is_none() && uuid.is_none())
            || [id, uuid].into_iter().flatten().any(|one| organizations.contains(one))
    };
    let mut list: Vec<&Fingerprint> = stored
        .values()
        .filter(|print| print.source == source && print.received_at < asked_at && shown(print))
        .filter(|print| !seen.contains(print.id.as_str()))
        .collect();
    list.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    list
}

/// An activity that the feed does not show any more.
pub(crate) fn gone(print: &Fingerprint) -> Drift {
    drift(DriftKind::Missing, &print.event_name, "", &print.id, Timestamp::now())
}

/// A stretch that cannot be read.
pub(crate) fn unreadable(span: Span) -> Drift {
    drift(DriftKind::Unreadable, "", "", &format!("{} to {}", span.from, span.to), Timestamp::now())
}

fn drift(kind: DriftKind, event_name: &str, name: &str, value: &str, at: Timestamp) -> Drift {
    Drift {
        kind,
        event_name: bounded(event_name),
        name: bounded(name),
        value: bounded(value),
        first_seen: at,
        last_seen: at,
        count: 1,
        example: if kind == DriftKind::Unreadable { String::new() } else { bounded(value) },
    }
}

/// The smallest step in time, past the newest row of a page.
pub(crate) fn just_after(time: Timestamp) -> Timestamp {
    time.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX)
}

/// How two records of one activity differ; `None` if they say the same in other bytes.
fn difference(first: &str, again: &[u8]) -> Option<(DriftKind, Vec<String>)> {
    let (first, again) = (Activity::parse_str(first).ok()?, Activity::parse(again).ok()?);
    let mut found = Differences::default();
    found.texts("type", Some(&first.kind), Some(&again.kind));
    found.texts("organization_id", first.organization_id.as_deref(), again.organization_id.as_deref());
    found.texts("organization_uuid", first.organization_uuid.as_deref(), again.organization_uuid.as_deref());
    if first.created_at != again.created_at {
        found.other("created_at");
    }
    found.members("actor", &first.actor.fields, &again.actor.fields);
    found.members("", &first.fields, &again.fields);
    let kind = if found.is_more_than_loss { DriftKind::Changed } else { DriftKind::Poorer };
    (!found.paths.is_empty()).then_some((kind, found.paths))
}

/// Where two records differ, and whether anything but loss is among it.
#[derive(Default)]
struct Differences {
    paths: Vec<String>,
    is_more_than_loss: bool,
}

impl Differences {
    fn lost(&mut self, path: &str) {
        self.paths.push(path.to_owned());
    }

    fn other(&mut self, path: &str) {
        self.is_more_than_loss = true;
        self.paths.push(path.to_owned());
    }

    fn texts(&mut self, path: &str, first: Option<&str>, again: Option<&str>) {
        match (first, again) {
            (first, again) if first == again => {}
            (Some(_), None | Some("")) => self.lost(path),
            _ => self.other(path),
        }
    }

    fn members(&mut self, path: &str, first: &Fields, again: &Fields) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, value) in first {
            match again.iter().find(|(other, _)| other == name) {
                // What was nothing before is no loss.
                None if is_blank(value) => {}
                None => self.lost(&below(name)),
                Some((_, other)) => self.values(&below(name), value, other),
            }
        }
        for (name, value) in again {
            if !is_blank(value) && !first.iter().any(|(other, _)| other == name) {
                self.other(&below(name));
            }
        }
    }

    fn values(&mut self, path: &str, first: &Value, again: &Value) {
        match (first, again) {
            (first, again) if first == again => {}
            (Value::Object(first), Value::Object(again)) => self.members(path, first, again),
            (Value::Array(first), Value::Array(again)) if first.len() == again.len() => {
                let path = format!("{path}[]");
                first.iter().zip(again).for_each(|(first, again)| self.values(&path, first, again));
            }
            (first, again) if is_blank(first) && is_blank(again) => {}
            (_, again) if is_blank(again) => self.lost(path),
            _ => self.other(path),
        }
        self.paths.dedup();
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(first: &str, again: &str) -> Option<(DriftKind, String)> {
        let full = |rest: &str| format!(r#"{{"id":"a","created_at":"2026-04-10T08:09:10Z","type":"t",{rest}}}"#);
        difference(&full(first), full(again).as_bytes()).map(|(kind, paths)| (kind, paths.join(", ")))
    }

    #[test]
    fn the_same_in_other_bytes_is_no_drift() {
        assert_eq!(told(r#""a":1,"b":{"x":"é","y":[1,2]}"#, r#" "b" : {"y":[1, 2],"x":"\u00e9"}, "a":1"#), None);
        assert_eq!(told(r#""a":1,"b":null"#, r#""a":1"#), None);
        assert_eq!(told(r#""a":1"#, r#""a":1,"b":[]"#), None);
    }

    #[test]
    fn loss_and_change_are_told_apart() {
        let poorer = |paths: &str| Some((DriftKind::Poorer, paths.to_owned()));
        let changed = |paths: &str| Some((DriftKind::Changed, paths.to_owned()));
        assert_eq!(told(r#""a":"x","b":1"#, r#""a":"","b":1"#), poorer("a"));
        assert_eq!(
            told(r#""actor":{"type":"u","email_address":"e"}"#, r#""actor":{"type":"u"}"#),
            poorer("actor.email_address")
        );
        assert_eq!(told(r#""a":[{"n":"x"},{"n":"y"}]"#, r#""a":[{"n":null},{"n":""}]"#), poorer("a[].n"));
        assert_eq!(told(r#""a":"x""#, r#""a":"y""#), changed("a"));
        assert_eq!(told(r#""a":"x""#, r#""a":"x","c":1"#), changed("c"));
        assert_eq!(told(r#""a":"x","b":1"#, r#""a":"y""#), changed("a, b"));
    }
}
