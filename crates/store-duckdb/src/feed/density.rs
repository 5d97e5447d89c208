//! How densely rows lie in time, hour by hour, so that a stretch of time that holds a page can be told beforehand.
//!
//! Nights and weekends hold a tenth of what working hours do. A guess by the average is wrong by as much, and each wrong
//! guess is a question more to the engine.

use std::collections::BTreeMap;

/// Microseconds.
pub(super) const HOUR: i64 = 3_600_000_000;

/// Rows by hours since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Density {
    hours: BTreeMap<i64, u64>,
}

impl Density {
    pub(super) fn add(&mut self, hour: i64, rows: u64) {
        *self.hours.entry(hour).or_default() += rows;
    }

    /// The time, in microseconds, up to which about so many rows lie from a time on, or back from it; `None` if there are fewer.
    pub(super) fn reach(&self, from: i64, is_ascending: bool, rows: f64) -> Option<i64> {
        let hour = from.div_euclid(HOUR);
        match is_ascending {
            true => walk(
                self.hours.range(hour..),
                rows,
                |hour, part| {
                    let begin = (hour * HOUR).max(from);
                    begin + ((((hour + 1) * HOUR - begin) as f64) * part) as i64
                },
                |hour| (((hour + 1) * HOUR - from).min(HOUR)) as f64 / HOUR as f64,
            ),
            false => walk(
                self.hours.range(..=hour).rev(),
                rows,
                |hour, part| {
                    let end = ((hour + 1) * HOUR).min(from + 1);
                    end - (((end - hour * HOUR) as f64) * part) as i64
                },
                |hour| ((from + 1 - hour * HOUR).min(HOUR)) as f64 / HOUR as f64,
            ),
        }
    }
}

/// Goes from hour to hour. `at` is the time at which a part of an hour's rows is passed, `share` how much of an hour counts.
fn walk<'a>(
    hours: impl Iterator<Item = (&'a i64, &'a u64)>,
    rows: f64,
    at: impl Fn(i64, f64) -> i64,
    share: impl Fn(i64) -> f64,
) -> Option<i64> {
    let mut left = rows;
    for (&hour, &count) in hours {
        let here = count as f64 * share(hour).clamp(0.0, 1.0);
        if here >= left {
            return Some(at(hour, if here > 0.0 { left / here } else { 1.0 }));
        }
        left -= here;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_holds_about_as_many_as_asked_for() {
        let mut density = Density::default();
        for hour in [-2, -1, 0, 1, 50] {
            density.add(hour, 100);
        }
        // Half of hour 0 and half of hour 1.
        assert_eq!(density.reach(HOUR / 2, true, 100.0), Some(HOUR + HOUR / 2));
        assert_eq!(density.reach(HOUR / 2, true, 200.0), Some(50 * HOUR + HOUR / 2));
        assert_eq!(density.reach(HOUR / 2, true, 251.0), None);
        assert_eq!(density.reach(HOUR - 1, false, 150.0), Some(-HOUR / 2));
        assert_eq!(density.reach(-1, false, 250.0), None);
        assert_eq!(density.reach(60 * HOUR, true, 1.0), None);
        assert_eq!(density.reach(60 * HOUR, false, 100.0), Some(50 * HOUR));
    }
}
