//! Drift: what activities show that the catalogue does not know, and what re-reading shows that was not so when it was
//! first read. Collected beside the rows of a batch, counted by the engine for those that are new.

use std::collections::HashMap;

use activity::{
    Activity,
    drift::{Finding, Kind},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Batch;

/// A batch distinguishes so many things; the rest of each kind counts as one.
const MAX_PER_BATCH: usize = 512;

/// What kind of drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// An activity type that the catalogue does not have.
    Type,
    /// A kind of actor that the catalogue does not have, or not for this type.
    Actor,
    /// A field that the catalogue does not have.
    Field,
    /// A value that a field did not have.
    Value,
    /// A field whose JSON value is of another kind.
    Form,
    /// Read again, an activity differs from its first-seen record.
    Changed,
    /// Read again, an activity has lost something that its first-seen record has.
    Poorer,
    /// The store has an activity that the feed does not show any more.
    Missing,
    /// A stretch of the feed that cannot be read.
    Unreadable,
}

impl DriftKind {
    /// All of them.
    pub const ALL: [DriftKind; 9] = [
        DriftKind::Type,
        DriftKind::Actor,
        DriftKind::Field,
        DriftKind::Value,
        DriftKind::Form,
        DriftKind::Changed,
        DriftKind::Poorer,
        DriftKind::Missing,
        DriftKind::Unreadable,
    ];
    /// The store distinguishes so many entries of each kind for a type; the rest counts as one, without name and value.
    pub const MAX_PER_TYPE: usize = 256;
    /// The same for all types of a kind together.
    pub const MAX_PER_KIND: usize = 4_096;

    /// The name in tables and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            DriftKind::Type => "type",
            DriftKind::Actor => "actor",
            DriftKind::Field => "field",
            DriftKind::Value => "value",
            DriftKind::Form => "form",
            DriftKind::Changed => "changed",
            DriftKind::Poorer => "poorer",
            DriftKind::Missing => "missing",
            DriftKind::Unreadable => "unreadable",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<DriftKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl From<Kind> for DriftKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Type => DriftKind::Type,
            Kind::Actor => DriftKind::Actor,
            Kind::Field => DriftKind::Field,
            Kind::Value => DriftKind::Value,
            Kind::Form => DriftKind::Form,
        }
    }
}

/// Some drift, to be added to what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What kind.
    pub kind: DriftKind,
    /// The activity type.
    pub event_name: String,
    /// The path of the field or fields; empty where there is none.
    pub name: String,
    /// The value; empty where there is none. Of what re-reading shows: the activity's id, or the stretch.
    pub value: String,
    /// When it was seen first: event time for what the catalogue does not know, the clock for what re-reading shows.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// The id of an activity that shows it.
    pub example: String,
}

/// Drift as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRow {
    /// The source.
    pub source: String,
    /// What kind.
    pub kind: DriftKind,
    /// The activity type; empty for what was too much to be kept apart.
    #[serde(rename = "type")]
    pub event_name: String,
    /// The path of the field or fields; empty where there is none.
    pub name: String,
    /// The value; empty where there is none.
    pub value: String,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
    /// The id of an activity that shows it.
    pub example: String,
}

/// Which drift to give.
#[derive(Debug, Clone, Default)]
pub struct DriftQuery {
    /// Only of this source.
    pub source: Option<String>,
    /// Only what was seen at or after this time.
    pub since: Option<Timestamp>,
    /// At most so much; all if `None`.
    pub limit: Option<u64>,
}

/// What the rows of a batch show, row by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    found: Vec<(String, Finding)>,
    places: HashMap<(String, Finding), u32>,
    /// A row, and what it shows.
    at: Vec<(u32, u32)>,
}

impl Notes {
    /// Takes note of what an activity shows that stands in this row.
    pub(crate) fn take(&mut self, row: u32, activity: &Activity) {
        activity::drift::each(activity, &mut |finding| {
            let key = (activity::drift::bounded(&activity.kind), finding);
            self.note(row, key);
        });
    }

    fn note(&mut self, row: u32, key: (String, Finding)) {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if self.found.len() < MAX_PER_BATCH => self.add(key),
            None => {
                let rest = Finding { name: String::new(), value: String::new(), ..key.1 };
                let key = (String::new(), rest);
                self.places.get(&key).copied().unwrap_or_else(|| self.add(key))
            }
        };
        self.at.push((row, place));
    }

    fn add(&mut self, key: (String, Finding)) -> u32 {
        let place = self.found.len() as u32;
        self.found.push(key.clone());
        self.places.insert(key, place);
        place
    }

    /// Adds the notes of a batch whose rows now begin at `start`.
    pub(crate) fn append(&mut self, other: Notes, start: u32) {
        for (row, place) in other.at {
            if let Some(key) = other.found.get(place as usize) {
                self.note(row + start, key.clone());
            }
        }
    }

    /// The notes of the rows that have a place, there.
    pub(crate) fn moved(self, places: &[Option<u32>]) -> Notes {
        let at = self.at.into_iter().filter_map(|(row, found)| Some((places[row as usize]?, found))).collect();
        Notes { at, ..self }
    }

    /// All of it, put together.
    pub(crate) fn drift(&self, batch: &Batch) -> Vec<Drift> {
        let mut list: Vec<Option<Drift>> = vec![None; self.found.len()];
        if self.at.is_empty() {
            return Vec::new();
        }
        let (times, ids) = (batch.times(), batch.ids());
        for (row, place) in &self.at {
            let (row, place) = (*row as usize, *place as usize);
            let time = Timestamp::from_microsecond(times[row]).unwrap_or_default();
            let entry = list[place].get_or_insert_with(|| {
                let (event_name, finding) = self.found[place].clone();
                Drift {
                    kind: finding.kind.into(),
                    event_name,
                    name: finding.name,
                    value: finding.value,
                    first_seen: time,
                    last_seen: time,
                    count: 0,
                    example: activity::drift::bounded(ids.value(row)),
                }
            });
            entry.count += 1;
            entry.last_seen = entry.last_seen.max(time);
            if time < entry.first_seen {
                entry.first_seen = time;
                entry.example = activity::drift::bounded(ids.value(row));
            }
        }
        list.into_iter().flatten().collect()
    }
}
