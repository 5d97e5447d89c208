//! From bytes to rows: parse, derive the record, lay it out in columns; what cannot be parsed becomes a reject.
//!
//! One bad record never costs another one. Used by every way in, for a page of a feed and for a piece of a file alike.

use std::sync::Arc;

use activity::{Activity, Record};
use auditlake_store::{Batch, BatchBuilder, content_hash};
use enrich::Enricher;
use jiff::Timestamp;

use crate::{Place, Reject};

/// Takes raw activities in.
#[derive(Default)]
pub struct Intake {
    builder: BatchBuilder,
    rejects: Vec<Reject>,
    times: Option<(Timestamp, Timestamp)>,
    reads: Vec<ApiRead>,
    contents: Vec<u64>,
    /// Whether to look for requests to the feed among the activities, and to say what each row's content is.
    is_from_feed: bool,
    enricher: Option<Arc<Enricher>>,
}

/// A request to the feed, as the feed shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRead {
    /// The `request-id` of its answer.
    pub request_id: String,
    /// When it happened, by the feed's clock.
    pub at: Timestamp,
    /// Its row.
    pub row: u32,
    /// Its activity's id.
    pub activity: String,
}

/// What came of the bytes that were taken in.
#[derive(Debug)]
pub struct Taken {
    /// The rows, in the order of taking.
    pub batch: Batch,
    /// The rest, in the order of taking.
    pub rejects: Vec<Reject>,
    /// The oldest and the newest event time among the rows.
    pub times: Option<(Timestamp, Timestamp)>,
    /// The requests to the feed among the rows, if this is a page of a feed.
    pub reads: Vec<ApiRead>,
    /// The hash of each row's raw log, if this is a page of a feed.
    pub contents: Vec<u64>,
}

impl Intake {
    /// An intake with room for so many rows of usual size.
    pub fn with_capacity(rows: usize) -> Self {
        Intake { builder: BatchBuilder::with_capacity(rows), ..Intake::default() }
    }

    /// What is taken in is a page of a feed: requests to it are listed, and contents hashed, too.
    pub fn of_a_page(self) -> Self {
        Intake { is_from_feed: true, ..self }
    }

    /// Adds what this enricher knows to each row.
    pub fn enriching(self, enricher: Option<Arc<Enricher>>) -> Self {
        Intake { enricher, ..self }
    }

    /// Takes one activity in. `place` is asked only if it is none.
    pub fn take(&mut self, raw: &[u8], place: impl FnOnce() -> Place) {
        match Activity::parse(raw) {
            Ok(activity) => self.push(&activity),
            Err(error) => self.reject(Reject { place: place(), reason: error.to_string(), bytes: raw.to_vec() }),
        }
    }

    fn push(&mut self, activity: &Activity) {
        let at = activity.created_at;
        let (oldest, newest) = self.times.unwrap_or((at, at));
        self.times = Some((oldest.min(at), newest.max(at)));
        if self.is_from_feed {
            self.contents.push(content_hash(activity.raw.as_bytes()));
        }
        if self.is_from_feed && activity.kind == "compliance_api_accessed" {
            let id =
                activity.fields.iter().find(|(name, _)| name == "request_id").and_then(|(_, value)| value.as_str());
            self.reads.extend(id.map(|id| ApiRead {
                request_id: id.to_owned(),
                at,
                row: self.builder.len() as u32,
                activity: activity.id.to_string(),
            }));
        }
        let record = Record::of(activity);
        match &self.enricher {
            Some(enricher) => self.builder.push_enriched(&record, &enricher.of(&record)),
            None => self.builder.push(&record),
        }
    }

    /// Keeps what somebody else found to be no activity.
    pub fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }

    /// Everything that was taken in; the intake is empty after it.
    pub fn finish(&mut self) -> Taken {
        Taken {
            batch: self.builder.finish(),
            rejects: std::mem::take(&mut self.rejects),
            times: self.times.take(),
            reads: std::mem::take(&mut self.reads),
            contents: std::mem::take(&mut self.contents),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_record_costs_no_other() {
        let mut intake = Intake::default();
        let good = |id: &str| format!(r#"{{"id":"{id}","created_at":"2026-04-10T08:09:10Z","type":"t"}}"#);
        let place = |index| move || Place::Request { id: "req_1".into(), index };
        intake.take(good("a").as_bytes(), place(0));
        intake.take(b"{\"id\":7}", place(1));
        intake.take(good("b").as_bytes(), place(2));
        let taken = intake.finish();
        assert_eq!(taken.batch.len(), 2);
        assert_eq!(taken.rejects.len(), 1);
        assert_eq!(taken.rejects[0].to_string(), "request req_1, data[1]: `id` must be a string, found a number");
        assert!(intake.finish().batch.is_empty());
    }
}
