//! How large the commits of the past are and whether they give way: what follows a feed may have to wait for one.

use std::time::Duration;

/// A commit takes pages that are there until it has so many rows: a row group of the embedded engine, which packs a whole one at once.
const ROWS_PER_COMMIT: usize = 122_880;
/// After a commit that took longer, the next ones are smaller.
const LONG_COMMIT: Duration = Duration::from_millis(3_000);
/// Where giving way is of no use, at most so many commits do without, one after the other.
const MOST_WITHOUT: u32 = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long the last ones took.
    last: [Duration; 8],
    pub(super) rows: usize,
    /// So many commits do not give way, as there are too many who follow feeds for a free moment to come.
    without: u32,
    /// How many that were the last time.
    before: u32,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { last: [Duration::ZERO; 8], rows: ROWS_PER_COMMIT, without: 0, before: 0 }
    }

    /// How long the next one takes, at most and about: every few commits the engine tidies up, and some of these take longer than all
    /// lately did.
    pub(super) fn takes(&self) -> Duration {
        self.last.into_iter().max().unwrap_or_default().mul_f32(1.25)
    }

    pub(super) fn note(&mut self, took: Duration) {
        self.last.rotate_right(1);
        self.last[0] = took;
        let rows = if took > LONG_COMMIT { self.rows / 2 } else { self.rows + ROWS_PER_COMMIT / 8 };
        self.rows = rows.clamp(ROWS_PER_COMMIT / 8, ROWS_PER_COMMIT);
    }

    /// Whether the next one waits for a moment at which it keeps nobody waiting.
    pub(super) fn gives_way(&self) -> bool {
        self.without == 0
    }

    /// Such a moment came, or it was waited for in vain; `None` if it was not waited for.
    pub(super) fn note_way(&mut self, came: Option<bool>) {
        match came {
            Some(true) => self.before = 0,
            Some(false) => {
                self.before = (self.before * 2).clamp(1, MOST_WITHOUT);
                self.without = self.before;
            }
            None => self.without = self.without.saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_in_vain_twice_running() {
        let mut pace = Pace::new();
        let mut waits = Vec::new();
        for _ in 0..80 {
            let gives_way = pace.gives_way();
            waits.push(gives_way);
            pace.note_way(gives_way.then_some(false));
        }
        assert!(waits.windows(2).all(|pair| !(pair[0] && pair[1])));
        assert_eq!(waits.iter().filter(|waits| **waits).count(), 8, "ever more seldom");
        while !pace.gives_way() {
            pace.note_way(None);
        }
        pace.note_way(Some(true));
        assert!(pace.gives_way(), "where it is of use, every commit does it");
    }
}
