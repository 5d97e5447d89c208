//! What has been read to its end, and when: kept short, so that it can stand in a checkpoint and be written with every page.
//! The ledger tells how it came about ([`account`]).

pub(crate) mod account;

use auditlake_store::{Covered, Span, merged};
use jiff::{SignedDuration, Timestamp};

/// So many stretches are kept apart; neighbours that were read at the most similar times are merged first.
const MAX_STRETCHES: usize = 24;
/// So many stretches that cannot be read are kept; a feed with more of them has another problem.
pub(crate) const MAX_UNREADABLE: usize = 64;

/// What is covered, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) covered: Vec<Covered>,
    pub(crate) unreadable: Vec<Span>,
}

impl Coverage {
    /// Spans have been read to their ends.
    pub(crate) fn add(&mut self, spans: &[Span], at: Timestamp) {
        for span in spans.iter().filter(|span| span.from < span.to) {
            self.add_one(*span, at);
            self.unreadable = without(&self.unreadable, *span);
        }
        while self.covered.len() > MAX_STRETCHES && self.merge_most_similar() {}
    }

    fn add_one(&mut self, span: Span, at: Timestamp) {
        let mut list = Vec::with_capacity(self.covered.len() + 3);
        let mut inside = Vec::new();
        for part in self.covered.drain(..) {
            if part.from < span.from {
                list.push(Covered { to: part.to.min(span.from), ..part });
            }
            if part.to > span.to {
                list.push(Covered { from: part.from.max(span.to), ..part });
            }
            let (from, to) = (part.from.max(span.from), part.to.min(span.to));
            if from < to {
                inside.push(Covered { from, to, last_read: at, ..part });
            }
        }
        // What was not covered before is read for the first time now.
        let mut next = span.from;
        for part in inside {
            if next < part.from {
                list.push(Covered { from: next, to: part.from, first_read: at, last_read: at });
            }
            next = part.to;
            list.push(part);
        }
        if next < span.to {
            list.push(Covered { from: next, to: span.to, first_read: at, last_read: at });
        }
        list.sort_by_key(|part| part.from);
        for part in list {
            match self.covered.last_mut() {
                Some(last) if last.to == part.from && similar(last, &part) == SignedDuration::ZERO => last.to = part.to,
                _ => self.covered.push(part),
            }
        }
    }

    /// Merges two neighbours without a gap between them. Says whether there were any.
    fn merge_most_similar(&mut self) -> bool {
        let pairs = self.covered.windows(2).enumerate().filter(|(_, pair)| pair[0].to == pair[1].from);
        let Some((at, _)) = pairs.min_by_key(|(_, pair)| similar(&pair[0], &pair[1])) else { return false };
        let next = self.covered.remove(at + 1);
        let one = &mut self.covered[at];
        *one = Covered {
            from: one.from,
            to: next.to,
            first_read: one.first_read.max(next.first_read),
            last_read: one.last_read.min(next.last_read),
        };
        true
    }

    /// A span cannot be read. Says whether there was room for it.
    pub(crate) fn give_up(&mut self, span: Span) -> bool {
        self.unreadable.push(span);
        self.unreadable = merged(std::mem::take(&mut self.unreadable));
        let fits = self.unreadable.len() <= MAX_UNREADABLE;
        self.unreadable.truncate(MAX_UNREADABLE);
        fits
    }

    /// Nothing has been read that has not happened yet. Says whether anything else was said.
    pub(crate) fn cut(&mut self, present: Timestamp) -> bool {
        let is_future = self.covered.iter().any(|part| part.to > present);
        self.covered.retain(|part| part.from < present);
        self.covered.iter_mut().for_each(|part| part.to = part.to.min(present));
        is_future
    }

    /// What the feed has shown to its end, and nobody reads again as a matter of course: a new row from there is late.
    pub(crate) fn settled(&self, overlap: SignedDuration) -> Vec<Span> {
        let Some(edge) = self.covered.last().and_then(|last| last.to.checked_sub(overlap).ok()) else {
            return Vec::new();
        };
        merged(self.covered.iter().map(|part| Span { from: part.from, to: part.to.min(edge) }).collect())
    }
}

/// How far apart two stretches were read.
fn similar(one: &Covered, other: &Covered) -> SignedDuration {
    let apart = |a: Timestamp, b: Timestamp| a.duration_since(b).abs();
    apart(one.first_read, other.first_read) + apart(one.last_read, other.last_read)
}

/// The spans without what lies in another one.
pub(crate) fn without(spans: &[Span], gone: Span) -> Vec<Span> {
    let rest = spans.iter().flat_map(|span| {
        [Span { from: span.from, to: span.to.min(gone.from) }, Span { from: span.from.max(gone.to), to: span.to }]
    });
    rest.filter(|span| span.from < span.to).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn span(from: i64, to: i64) -> Span {
        Span { from: time(from), to: time(to) }
    }

    #[test]
    fn times_of_reading_are_kept() {
        let mut coverage = Coverage::default();
        coverage.add(&[span(0, 100)], time(1_000));
        coverage.add(&[span(50, 150)], time(2_000));
        let part = |from, to, first, last| Covered {
            from: time(from),
            to: time(to),
            first_read: time(first),
            last_read: time(last),
        };
        assert_eq!(
            coverage.covered,
            [part(0, 50, 1_000, 1_000), part(50, 100, 1_000, 2_000), part(100, 150, 2_000, 2_000)]
        );
        coverage.add(&[span(300, 400)], time(3_000));
        assert_eq!(coverage.settled(SignedDuration::from_secs(20)), [span(0, 150), span(300, 380)]);
    }

    #[test]
    fn nothing_of_the_future_has_been_read() {
        let mut coverage = Coverage::default();
        coverage.add(&[span(0, 100), span(200, 300)], time(1_000));
        assert!(!coverage.cut(time(300)));
        assert!(coverage.cut(time(50)));
        assert_eq!(coverage.settled(SignedDuration::ZERO), [span(0, 50)]);
    }

    #[test]
    fn what_is_read_after_all_is_no_gap_any_more() {
        let mut coverage = Coverage::default();
        assert!(coverage.give_up(span(10, 20)));
        coverage.add(&[span(0, 15)], time(100));
        assert_eq!(coverage.unreadable, [span(15, 20)]);
    }

    proptest! {
        #[test]
        fn covers_what_was_added_and_nothing_else(
            spans in prop::collection::vec((0i64..2_000, 1i64..200), 1..120),
        ) {
            let mut coverage = Coverage::default();
            let mut truth = [false; 2_200];
            for (at, (from, length)) in spans.iter().enumerate() {
                coverage.add(&[span(*from, from + length)], time(10_000 + at as i64));
                truth[*from as usize..(from + length) as usize].fill(true);
            }
            for (second, is_covered) in truth.iter().enumerate() {
                let found = coverage.covered.iter().filter(|part| (part.from..part.to).contains(&time(second as i64)));
                prop_assert_eq!(found.count(), usize::from(*is_covered));
            }
            let gaps = truth.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(truth[0]);
            prop_assert!(coverage.covered.len() <= MAX_STRETCHES.max(gaps));
        }
    }
}
