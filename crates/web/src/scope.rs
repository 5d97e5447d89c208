//! What a page is asked in its address: any parameters, and among them the stretch of time and the organization that
//! most pages share. An address says everything, so that it can be kept and passed on.

use std::{fmt::Write, time::Duration};

use auditlake_store::{
    Status, StoreError, Window,
    filter::{Filter, Known, Test, parse_time},
};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::text;

/// What has no meaning in an address stands there as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The lengths that a bar of a chart may have, in seconds.
const WIDTHS: [u64; 15] =
    [1, 5, 15, 60, 300, 900, HOUR / 2, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY];

/// A chart has at most so many bars.
const MAX_BARS: u64 = 92;

/// The stretches up to now that pages offer: the name in the address, the name on the page, the length in seconds.
pub const RANGES: [(&str, &str, u64); 9] = [
    ("15m", "15 minutes", 900),
    ("1h", "1 hour", HOUR),
    ("4h", "4 hours", 4 * HOUR),
    ("24h", "24 hours", DAY),
    ("7d", "7 days", 7 * DAY),
    ("30d", "30 days", 30 * DAY),
    ("90d", "90 days", 90 * DAY),
    ("1y", "1 year", 365 * DAY),
    ("all", "All", 0),
];

/// The parameters of an address, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The value of the first one of this name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The same with another value for one of them; none to leave it out.
    pub fn with(&self, name: &str, value: Option<&str>) -> Params {
        let mut list: Vec<_> = self.0.iter().filter(|(own, value)| own != name && !value.is_empty()).cloned().collect();
        list.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Params(list)
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The address of `path` with these parameters.
    pub fn url(&self, path: &str) -> String {
        let mut url = path.to_owned();
        for (at, (name, value)) in self.0.iter().enumerate() {
            let _ = write!(url, "{}{}={}", if at == 0 { '?' } else { '&' }, encode(name), encode(value));
        }
        url
    }
}

/// A text as a part of an address.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A stretch of time and an organization.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The name of the range; none if two times were given.
    pub range: Option<&'static str>,
    /// The organization.
    pub org: Option<String>,
    /// The first moment of a chart; a multiple of `width`.
    pub since: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// The length of a bar.
    pub width: Duration,
    /// What the store is asked for.
    pub window: Window,
}

impl Scope {
    /// What the parameters say; without any, `default` or what fits the data.
    ///
    /// # Errors
    /// What is wrong with a time, in words.
    pub fn of(params: &Params, default: Option<&str>, status: &Status, now: Timestamp) -> Result<Scope, String> {
        let (since, until) = (time(params, "since", now)?, time(params, "until", now)?);
        let org = params.get("org").map(str::to_owned);
        if since.is_some() || until.is_some() {
            let from = since.or(status.oldest).unwrap_or(now);
            let to = until.unwrap_or(now);
            if from >= to {
                return Err("the first time is not before the second one".to_owned());
            }
            let width = width_for(from, to);
            let window = Window { since, until };
            return Ok(Scope { range: None, org, since: floor(from, width), until: ceil(to, width), width, window });
        }
        let name = params.get("range").or(default);
        let chosen = RANGES.into_iter().find(|(own, _, _)| Some(*own) == name);
        let (name, _, seconds) = chosen.unwrap_or_else(|| fitting(status, now));
        Ok(Scope { org, ..Scope::last(name, seconds, status, now) })
    }

    /// The same where what is no time counts as not given.
    pub fn or_usual(
        params: &Params,
        default: Option<&str>,
        status: &Status,
        now: Timestamp,
    ) -> auditlake_store::Result<Scope> {
        Scope::of(params, default, status, now)
            .or_else(|_| Scope::of(&Params::default(), default, status, now))
            .map_err(StoreError::Statement)
    }

    fn last(name: &'static str, seconds: u64, status: &Status, now: Timestamp) -> Scope {
        if seconds == 0 {
            let (from, to) = (status.oldest.unwrap_or(now), status.newest.unwrap_or(now));
            let width = width_for(from, to);
            let (since, until) = (floor(from, width), next(to, width));
            return Scope { range: Some(name), org: None, since, until, width, window: Window::default() };
        }
        let from = now - SignedDuration::from_secs(seconds.cast_signed());
        let width = width_for(from, now);
        // From the beginning of a bar on, so that the first one is whole and the question stays the same for a while.
        let since = floor(from, width);
        let window = Window { since: Some(since), until: None };
        Scope { range: Some(name), org: None, since, until: next(now, width), width, window }
    }

    /// The organization's records.
    pub fn filter(&self) -> Filter {
        match &self.org {
            Some(org) => Filter::test(Known::Org, Test::Equals(org.clone())),
            None => Filter::All,
        }
    }

    /// The stretch in a sentence.
    pub fn phrase(&self) -> String {
        match RANGES.iter().find(|(name, _, _)| Some(*name) == self.range) {
            Some((_, _, 0)) => "in all".to_owned(),
            Some((_, title, _)) => format!("in the last {title}"),
            None => format!("from {} to {}", self.start_text(), self.end_text()),
        }
    }

    /// What the time picker says.
    pub fn title(&self) -> String {
        match RANGES.iter().find(|(name, _, _)| Some(*name) == self.range) {
            Some((_, _, 0)) => "All time".to_owned(),
            Some((_, title, _)) => format!("Last {title}"),
            None => format!("{} – {}", self.start_text(), self.end_text()),
        }
    }

    fn start_text(&self) -> String {
        text::utc(self.window.since.unwrap_or(self.since), "%-d %b %Y %H:%M")
    }

    fn end_text(&self) -> String {
        text::utc(self.window.until.unwrap_or(self.until), "%-d %b %Y %H:%M")
    }

    /// For the picker's fields.
    pub fn since_field(&self) -> String {
        text::utc(self.window.since.unwrap_or(self.since), "%Y-%m-%dT%H:%M")
    }

    /// For the picker's fields.
    pub fn until_field(&self) -> String {
        text::utc(self.window.until.unwrap_or(self.until), "%Y-%m-%dT%H:%M")
    }
}

fn time(params: &Params, name: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let time = parse_time(text, now).or_else(|| parse_time(&format!("{text}Z"), now));
    // What a browser's field for times sends has no seconds.
    let time = time.or_else(|| parse_time(&format!("{text}:00Z"), now));
    time.map(Some).ok_or_else(|| format!("“{}” is not a time", text::plain(text, 60)))
}

fn fitting(status: &Status, now: Timestamp) -> (&'static str, &'static str, u64) {
    let days = |time: Option<Timestamp>| time.map_or(0, |time| now.duration_since(time).as_hours() / 24);
    let at = match (days(status.newest), days(status.oldest)) {
        (30.., _) => 8,
        (_, ..2) => 3,
        (_, 2..9) => 4,
        _ => 5,
    };
    RANGES[at]
}

/// The length of a bar if everything from `from` to `to` is to be in one chart.
pub fn width_for(from: Timestamp, to: Timestamp) -> Duration {
    let seconds = to.duration_since(from).as_secs().unsigned_abs();
    let longest = WIDTHS[WIDTHS.len() - 1];
    let fits = |width: &u64| seconds / width < MAX_BARS;
    let width = WIDTHS.into_iter().find(fits).unwrap_or_else(|| (seconds / MAX_BARS + 1).next_multiple_of(longest));
    Duration::from_secs(width)
}

/// The multiple of `width` since 1970 at or before `time`.
pub fn floor(time: Timestamp, width: Duration) -> Timestamp {
    let second = time.as_second();
    let width = width.as_secs().max(1).cast_signed();
    Timestamp::from_second(second - second.rem_euclid(width)).unwrap_or(time)
}

/// The first multiple of `width` since 1970 after `time`.
pub fn next(time: Timestamp, width: Duration) -> Timestamp {
    floor(time, width).saturating_add(width).unwrap_or(time)
}

fn ceil(time: Timestamp, width: Duration) -> Timestamp {
    let start = floor(time, width);
    if start == time { time } else { next(time, width) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn params(list: &[(&str, &str)]) -> Params {
        Params(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn addresses() {
        let asked = params(&[("q", "type:a b&c"), ("org", ""), ("range", "7d")]);
        assert_eq!(asked.with("range", Some("1h")).url("/explore"), "/explore?q=type%3Aa%20b%26c&range=1h");
        assert_eq!(asked.with("q", None).url("/x"), "/x?range=7d");
        assert_eq!(asked.get("org"), None);
        assert_eq!(encode("ä/'"), "%C3%A4%2F%27");
    }

    #[test]
    fn stretches() {
        let now: Timestamp = "2026-11-21T02:08:40Z".parse().unwrap();
        let status = Status { oldest: "2020-01-01T00:00:00Z".parse().ok(), newest: Some(now), ..Status::default() };
        for (name, _, _) in RANGES {
            let scope = Scope::of(&params(&[("range", name)]), None, &status, now).unwrap();
            assert_eq!(floor(scope.since, scope.width), scope.since, "{name}");
            let bars = scope.until.duration_since(scope.since).as_secs().unsigned_abs() / scope.width.as_secs();
            assert!((10..=MAX_BARS + 2).contains(&bars), "{name} has {bars} bars");
            assert!(scope.until > now);
        }
        let between = [("since", "2026-11-01T10:00"), ("until", "2026-11-02")];
        let scope = Scope::of(&params(&between), None, &status, now).unwrap();
        assert_eq!(scope.title(), "1 Nov 2026 10:00 – 2 Nov 2026 00:00");
        assert_eq!((scope.since_field(), scope.range), ("2026-11-01T10:00".to_owned(), None));
        assert!(Scope::of(&params(&[("since", "nonsense")]), None, &status, now).is_err());
        assert!(Scope::of(&params(&[("since", "2026-11-03"), ("until", "2026-11-02")]), None, &status, now).is_err());
    }
}
