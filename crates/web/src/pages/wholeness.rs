//! Whether the log is whole: what has been read to its end, when it was last compared with the feed, what could not be read.

use auditlake_store::{Covered, Result, Span, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::sources::{self, Source};
use crate::{Site, text};

/// What is compared begins so long before.
const COMPARED: SignedDuration = SignedDuration::from_hours(1);

/// How whole the log of a source is.
pub struct Wholeness {
    pub source: Source,
    /// From when to when everything that the feed showed is in the store, in one piece, up to now.
    pub read: Option<(Timestamp, Timestamp)>,
    /// When a part of it was last read again and compared.
    pub compared: Option<Timestamp>,
    /// Stretches between the first and the last moment read that were not read, without those that cannot be.
    pub gaps: Vec<Span>,
    /// Stretches that cannot be read.
    pub unreadable: Vec<Span>,
    now: Timestamp,
}

impl Wholeness {
    /// That of every source.
    pub async fn of_all(site: &Site, status: &Status, now: Timestamp) -> Result<Vec<Wholeness>> {
        let mut list = Vec::new();
        for source in sources::sources(site, status) {
            list.push(Wholeness::of(site, source, now).await?);
        }
        Ok(list)
    }

    /// What the checkpoints of a source say.
    pub async fn of(site: &Site, source: Source, now: Timestamp) -> Result<Wholeness> {
        let checkpoints = site.engine.checkpoints(&source.name).await?;
        let covered: Vec<Covered> = read(checkpoints.get(Covered::CHECKPOINT));
        let unreadable: Vec<Span> = read(checkpoints.get(Covered::UNREADABLE));
        // Following reads the last few minutes again each time, which is no comparison.
        let is_old = |piece: &&Covered| piece.last_read.duration_since(piece.from) >= COMPARED;
        let again = covered.iter().filter(|piece| piece.last_read > piece.first_read).filter(is_old);
        Ok(Wholeness {
            source,
            read: covered.first().zip(covered.last()).map(|(first, last)| (first.from, last.to)),
            compared: again.map(|piece| piece.last_read).max(),
            gaps: gaps(&covered, &unreadable),
            unreadable,
            now,
        })
    }

    /// A class of the style sheet.
    pub fn level(&self) -> &'static str {
        let phase = self.source.report.as_ref().map(|report| report.phase.as_str());
        match phase {
            _ if self.source.is_bad() || !self.unreadable.is_empty() => "bad",
            Some("starting" | "backfilling" | "retrying") => "busy",
            Some(_) if !self.gaps.is_empty() => "busy",
            Some(_) => "good",
            None => "still",
        }
    }

    /// The answer, in a few words.
    pub fn verdict(&self) -> String {
        let Some(report) = &self.source.report else { return "Not collected now".to_owned() };
        match (self.level(), report.phase.as_str()) {
            ("bad", _) => "Not whole".to_owned(),
            (_, "backfilling") => match report.backfilled {
                Some(share) => format!("Reading the past: {:.0} %", 100.0 * share),
                None => "Reading the past".to_owned(),
            },
            (_, "starting") => "Starting".to_owned(),
            (_, "retrying") => "Trying again".to_owned(),
            (_, "stopped") => "Stopped".to_owned(),
            _ if !self.gaps.is_empty() => "Gaps are left".to_owned(),
            _ => "Whole".to_owned(),
        }
    }

    /// How far behind the feed.
    pub fn lag(&self) -> Option<String> {
        Some(text::span(self.source.report.as_ref()?.watermark?, self.now))
    }
}

/// What lies between two stretches that were read, and could be read.
fn gaps(covered: &[Covered], unreadable: &[Span]) -> Vec<Span> {
    let between = covered.windows(2).map(|pair| Span { from: pair[0].to, to: pair[1].from });
    let mut gaps: Vec<Span> = between.collect();
    for gone in unreadable {
        let parts = gaps
            .iter()
            .flat_map(|gap| [Span { to: gap.to.min(gone.from), ..*gap }, Span { from: gap.from.max(gone.to), ..*gap }]);
        gaps = parts.collect();
    }
    gaps.retain(|gap| gap.from < gap.to);
    gaps.dedup();
    gaps
}

/// A list as a checkpoint holds it; what is none counts as empty.
fn read<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Vec<T> {
    value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_no_gap() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let span = |from, to| Span { from: at(from), to: at(to) };
        let read = |from, to| Covered { from: at(from), to: at(to), first_read: at(999), last_read: at(999) };
        let covered = [read(0, 10), read(20, 30), read(30, 40), read(50, 60)];
        assert_eq!(gaps(&covered, &[]), [span(10, 20), span(40, 50)]);
        assert_eq!(gaps(&covered, &[span(12, 14), span(40, 50)]), [span(10, 12), span(14, 20)]);
    }
}
