//! The statement itself, as it stands in JSON.

use std::collections::BTreeMap;

use auditlake_store::{Covered, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The form of the statement; a change of its meaning gets a new number.
pub const VERSION: u32 = 2;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Always `auditlake completeness statement`.
    pub what: String,
    pub version: u32,
    pub program: String,
    pub made_at: Timestamp,
    /// The span: from this event time on.
    pub from: Timestamp,
    /// Before this one.
    pub to: Timestamp,
    /// The statement is about commits up to this one.
    pub seq: u64,
    /// Whether every source of a feed is complete.
    pub complete: bool,
    pub sources: Vec<Source>,
    pub claims: Vec<String>,
    pub does_not_claim: Vec<String>,
    /// How to compute the same without this program's `attest`.
    pub method: BTreeMap<String, String>,
    /// SHA-256 of this statement as JSON without white space and with an empty text in this place.
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub source: String,
    /// `feed`, or `other`: imported, or written by this deployment itself. Nothing is claimed of the latter.
    pub kind: String,
    pub complete: bool,
    /// Why not.
    pub because: Vec<String>,
    /// The organizations whose activities were read, and those of none; all that the key may read if there are none.
    pub organization_ids: Vec<String>,
    /// Stretches within the span that were read to their ends, and when first and last.
    pub covered: Vec<Covered>,
    /// What of the span was not.
    pub gaps: Vec<Span>,
    /// What the feed could not be made to show.
    pub unreadable: Vec<Span>,
    pub totals: Totals,
    /// By organization; `none` for activities without one.
    pub organizations: BTreeMap<String, u64>,
    pub days: Vec<Day>,
    pub requests: Requests,
    pub drift: BTreeMap<String, u64>,
}

/// What is stored of the span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub activities: u64,
    /// Of them, indexed after their stretch had been read, and found by reading it again.
    pub late: u64,
    pub latest_seconds: f64,
    /// Of them, this deployment's own requests to the feed.
    pub own_reads: u64,
    /// Different requests or files that brought them.
    pub brought_by: u64,
}

/// A day, UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Day {
    pub day: String,
    pub activities: u64,
    /// Over the activity ids, a line each, in the order of event time and id.
    pub ids_sha256: String,
    /// Over the SHA-256 of each raw log, in hexadecimal, a line each, in the same order.
    pub raw_sha256: String,
}

/// The requests whose windows touch the span, from the ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    pub pages: u64,
    pub records: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Pages that go on from a cursor that an earlier page of the ledger gave.
    pub continued: u64,
    /// Pages that begin a window.
    pub begun: u64,
    /// Request ids of pages whose cursor no earlier page of the ledger gave.
    pub broken: Vec<String>,
    /// Records that were no activities; they are kept in `rejects/`.
    pub rejected: u64,
    /// Failed requests of the source, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Over request id and body hash of each page, a line each, in the order of the ledger.
    pub sha256: String,
}

impl Statement {
    /// The hash that belongs into `sha256`.
    pub fn own_hash(&self) -> String {
        let bare = Statement { sha256: String::new(), ..self.clone() };
        let text = serde_json::to_vec(&bare).unwrap_or_default();
        hex(&Sha256::digest(&text))
    }

    /// What differs from a statement about the same commits that was computed just now: nothing, if this one is true.
    pub fn differences(&self, again: &Statement) -> Vec<String> {
        let mut found = Vec::new();
        if self.sha256 != self.own_hash() {
            found.push("the statement was changed after it was made: its own hash is another".to_owned());
        }
        for mine in &self.sources {
            let name = &mine.source;
            let Some(theirs) = again.sources.iter().find(|theirs| theirs.source == *name) else {
                found.push(format!("{name}: the store knows nothing of this source"));
                continue;
            };
            found.extend(mine.claimed(theirs).into_iter().map(|what| format!("{name}: {what}")));
            // An own request may be known as one only later.
            let totals = Totals { own_reads: mine.totals.own_reads, ..theirs.totals.clone() };
            if mine.totals != totals || mine.organizations != theirs.organizations {
                found.push(format!("{name}: totals: stated {:?}, found {:?}", mine.totals, theirs.totals));
            }
            if mine.requests != theirs.requests {
                found.push(format!("{name}: the requests in the ledger are others than stated"));
            }
            let days = |source: &Source| -> BTreeMap<String, Day> {
                source.days.iter().map(|day| (day.day.clone(), day.clone())).collect()
            };
            let (mine, theirs) = (days(mine), days(theirs));
            for day in mine.keys().chain(theirs.keys().filter(|day| !mine.contains_key(*day))) {
                if mine.get(day) != theirs.get(day) {
                    let count = |days: &BTreeMap<String, Day>| days.get(day).map_or(0, |day| day.activities);
                    let (stated, found_now) = (count(&mine), count(&theirs));
                    found.push(format!(
                        "{name}: {day}: stated {stated} activities, found {found_now}; the hashes differ"
                    ));
                }
            }
        }
        if self.complete != again.complete {
            let word = |complete: bool| if complete { "complete" } else { "not complete" };
            found.push(format!("the span: stated {}, found {}", word(self.complete), word(again.complete)));
        }
        let foreign =
            again.sources.iter().filter(|theirs| self.sources.iter().all(|mine| mine.source != theirs.source));
        found.extend(foreign.map(|theirs| format!("{}: the statement does not know this source", theirs.source)));
        found
    }
}

impl Source {
    /// What this says of coverage that the ledger does not.
    fn claimed(&self, found: &Source) -> Vec<String> {
        let list = |what: &str, stated: String, found: String| {
            (stated != found).then(|| format!("{what}: stated {stated}, found {found}"))
        };
        let spans = |spans: &[Span]| {
            let texts: Vec<String> = spans.iter().map(|span| format!("{} to {}", span.from, span.to)).collect();
            if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
        };
        let covered = |list: &[Covered]| {
            let text = |part: &Covered| {
                format!("{} to {} (read {} and {})", part.from, part.to, part.first_read, part.last_read)
            };
            let texts: Vec<String> = list.iter().map(text).collect();
            if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
        };
        let complete = |source: &Source| format!("{} ({})", source.complete, source.kind);
        let found = [
            list("covered", covered(&self.covered), covered(&found.covered)),
            list("gaps", spans(&self.gaps), spans(&found.gaps)),
            list("unreadable", spans(&self.unreadable), spans(&found.unreadable)),
            list("organizations that are read", self.scope(), found.scope()),
            list("complete", complete(self), complete(found)),
        ];
        found.into_iter().flatten().collect()
    }

    /// Whose activities were read, in words.
    pub fn scope(&self) -> String {
        match self.organization_ids.as_slice() {
            [] => "all that the key may read".to_owned(),
            ids => format!("{}, and what belongs to none", ids.join(", ")),
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub const CLAIMS: [&str; 5] = [
    "Every part of a stretch under `covered` had been read to its end by `first_read`, and was read last not before `last_read`: whatever the feed showed of it then, of the organizations under `organization_ids`, is stored.",
    "`covered` and `unreadable` follow from the ledger: with each commit stands what was read to its end with it.",
    "No activity is stored twice, and none was changed after it was first stored: `days` lets anybody recompute this.",
    "Every page that goes on from a cursor goes on from the last record of a page in the ledger, unless it stands under `broken`.",
    "What came late, what could not be read as an activity, and what failed is counted here and was not left out.",
];

pub const DOES_NOT_CLAIM: [&str; 5] = [
    "that the feed itself shows everything that happened",
    "that nothing of a covered stretch was indexed by the feed after `last_read`",
    "anything about gaps, about stretches under `unreadable`, about organizations that are not read, or about sources that are not collected from a feed",
    "that whoever can write to the data directory has not replaced it as a whole: keep statements somewhere else, and compare",
    "that an activity is true: it is what the feed said when it was first read",
];
