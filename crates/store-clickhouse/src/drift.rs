//! Drift: what is known already is counted up, what is new gets an entry, what is too much gets none of its own.

use std::collections::{BTreeMap, HashMap};

use auditlake_store::{Drift, DriftKind, DriftQuery, DriftRow, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    client::Server,
    state::{self, Entry, Seen},
};

/// An entry as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    source: String,
    kind: DriftKind,
    #[serde(rename = "type")]
    event_name: String,
    name: String,
    value: String,
    first: i64,
    last: i64,
    count: u64,
    example: String,
}

impl Stored {
    fn key(&self) -> String {
        let parts = [self.source.as_str(), self.kind.as_str(), &self.event_name, &self.name, &self.value];
        serde_json::to_string(&parts).unwrap_or_default()
    }
}

/// The entries that add to what is known of a source's drift.
pub(crate) async fn entries(server: &Server, seen: &Seen, source: &str, drift: Vec<Drift>) -> Result<Vec<Entry>> {
    if drift.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = read_all(server, seen, Some(source)).await?;
    let mut per_kind: HashMap<DriftKind, usize> = HashMap::new();
    let mut per_type: HashMap<(DriftKind, String), usize> = HashMap::new();
    for one in known.values() {
        *per_kind.entry(one.kind).or_default() += 1;
        *per_type.entry((one.kind, one.event_name.clone())).or_default() += 1;
    }
    let mut changed: BTreeMap<String, Stored> = BTreeMap::new();
    for one in drift {
        let mut one = Stored {
            source: source.to_owned(),
            kind: one.kind,
            event_name: one.event_name,
            name: one.name,
            value: one.value,
            first: one.first_seen.as_microsecond(),
            last: one.last_seen.as_microsecond(),
            count: one.count,
            example: one.example,
        };
        let mut key = one.key();
        if !known.contains_key(&key) {
            let in_kind = per_kind.entry(one.kind).or_default();
            let in_type = per_type.entry((one.kind, one.event_name.clone())).or_default();
            if *in_kind >= DriftKind::MAX_PER_KIND || *in_type >= DriftKind::MAX_PER_TYPE {
                (one.event_name, one.name, one.value) = Default::default();
                key = one.key();
            } else {
                *in_kind += 1;
                *in_type += 1;
            }
        }
        let sum = match known.remove(&key) {
            None => one,
            Some(before) => Stored {
                first: before.first.min(one.first),
                last: before.last.max(one.last),
                count: before.count + one.count,
                ..before
            },
        };
        known.insert(key.clone(), sum.clone());
        changed.insert(key, sum);
    }
    Ok(changed
        .into_iter()
        .map(|(key, one)| Entry::new("drift", key, serde_json::to_string(&one).unwrap_or_default()))
        .collect())
}

/// Drift as it comes from another store.
pub(crate) fn entry(row: DriftRow) -> Entry {
    let one = Stored {
        source: row.source,
        kind: row.kind,
        event_name: row.event_name,
        name: row.name,
        value: row.value,
        first: row.first_seen.as_microsecond(),
        last: row.last_seen.as_microsecond(),
        count: row.count,
        example: row.example,
    };
    Entry::new("drift", one.key(), serde_json::to_string(&one).unwrap_or_default())
}

async fn read_all(server: &Server, seen: &Seen, source: Option<&str>) -> Result<BTreeMap<String, Stored>> {
    let all = state::read(server, seen, "drift", None).await?;
    // Only what this program or an older one wrote stands there.
    let parsed = all.into_iter().filter_map(|(key, text)| Some((key, serde_json::from_str::<Stored>(&text).ok()?)));
    Ok(parsed.filter(|(_, one)| source.is_none_or(|source| one.source == source)).collect())
}

/// What was seen last first.
pub(crate) async fn read(server: &Server, seen: &Seen, query: &DriftQuery) -> Result<Vec<DriftRow>> {
    let time = |micros| Timestamp::from_microsecond(micros).unwrap_or_default();
    let mut rows: Vec<DriftRow> = read_all(server, seen, query.source.as_deref())
        .await?
        .into_values()
        .map(|one| DriftRow {
            source: one.source,
            kind: one.kind,
            event_name: one.event_name,
            name: one.name,
            value: one.value,
            first_seen: time(one.first),
            last_seen: time(one.last),
            count: one.count,
            example: one.example,
        })
        .filter(|row| query.since.is_none_or(|since| row.last_seen >= since))
        .collect();
    rows.sort_by(|a, b| {
        let key = |row: &DriftRow| (row.kind.as_str(), row.event_name.clone(), row.name.clone(), row.value.clone());
        b.last_seen.cmp(&a.last_seen).then_with(|| key(a).cmp(&key(b)))
    });
    rows.truncate(query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
    Ok(rows)
}
