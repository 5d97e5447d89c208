//! The stretches of time that the Overview offers.

use std::time::Duration;

use auditlake_store::Status;
use jiff::{SignedDuration, Timestamp};

use crate::scope::{floor, next, width_for};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A stretch of time that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Day,
    Week,
    Month,
    Quarter,
    Year,
    All,
}

/// Every one, the shortest first.
pub const RANGES: [Range; 6] = [Range::Day, Range::Week, Range::Month, Range::Quarter, Range::Year, Range::All];

impl Range {
    /// The name in the address.
    pub fn name(self) -> &'static str {
        match self {
            Range::Day => "24h",
            Range::Week => "7d",
            Range::Month => "30d",
            Range::Quarter => "90d",
            Range::Year => "1y",
            Range::All => "all",
        }
    }

    /// The name on the page.
    pub fn title(self) -> &'static str {
        match self {
            Range::Day => "24 hours",
            Range::Week => "7 days",
            Range::Month => "30 days",
            Range::Quarter => "90 days",
            Range::Year => "1 year",
            Range::All => "All",
        }
    }

    /// The range in a sentence.
    pub fn phrase(self) -> String {
        if self == Range::All { "in all".to_owned() } else { format!("in the last {}", self.title()) }
    }

    /// The one that shows most of what the store holds, if nobody has chosen.
    pub fn fitting(status: &Status, now: Timestamp) -> Range {
        let (Some(oldest), Some(newest)) = (status.oldest, status.newest) else { return Range::Month };
        let days_since = |time: Timestamp| now.duration_since(time).as_hours() / 24;
        match (days_since(newest), days_since(oldest)) {
            (30.., _) => Range::All,
            (_, ..2) => Range::Day,
            (_, 2..9) => Range::Week,
            _ => Range::Month,
        }
    }

    /// From when on, until when, and the length of a bar. The beginning lies at a multiple of that length.
    pub fn window(self, status: &Status, now: Timestamp) -> (Timestamp, Timestamp, Duration) {
        let (days, width) = match self {
            Range::Day => (1, HOUR / 2),
            Range::Week => (7, 3 * HOUR),
            Range::Month => (30, DAY),
            Range::Quarter => (90, DAY),
            Range::Year => (365, 7 * DAY),
            Range::All => return everything(status, now),
        };
        let since = now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        let width = Duration::from_secs(width);
        (floor(since, width), next(now, width), width)
    }
}

fn everything(status: &Status, now: Timestamp) -> (Timestamp, Timestamp, Duration) {
    let (oldest, newest) = (status.oldest.unwrap_or(now), status.newest.unwrap_or(now));
    let width = width_for(oldest, newest);
    (floor(oldest, width), next(newest, width), width)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn windows_hold_whole_bars() {
        let now = at("2026-11-21T02:08:40Z");
        let status = Status { oldest: Some(at("2020-01-01T00:00:00Z")), newest: Some(now), ..Status::default() };
        for range in RANGES {
            let (since, until, width) = range.window(&status, now);
            assert_eq!(floor(since, width), since, "{range:?}");
            assert!(until > now && until.duration_since(now).unsigned_abs() <= width, "{range:?}");
            let bars = until.duration_since(since).as_secs() / width.as_secs() as i64;
            assert!((24..=93).contains(&bars), "{range:?} has {bars} bars");
        }
    }

    #[test]
    fn fits_what_is_there() {
        let now = at("2026-11-21T02:00:00Z");
        let check = |oldest: &str, newest: &str, range| {
            let status = Status { oldest: Some(at(oldest)), newest: Some(at(newest)), ..Status::default() };
            assert_eq!(Range::fitting(&status, now), range);
        };
        check("2026-11-20T12:00:00Z", "2026-11-21T02:00:00Z", Range::Day);
        check("2026-11-14T12:00:00Z", "2026-11-21T02:00:00Z", Range::Week);
        check("2026-10-22T02:00:00Z", "2026-11-21T02:00:00Z", Range::Month);
        check("2019-10-22T02:00:00Z", "2020-11-21T02:00:00Z", Range::All);
        assert_eq!(Range::fitting(&Status::default(), now), Range::Month);
    }
}
