//! What can be smaller or greater: numbers and times, and how each is written.

use std::fmt;

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

/// What a comparison compares with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// A finite number.
    Number(f64),
    /// A point in time, cut to microseconds.
    Time(Timestamp),
}

/// Texts that count as numbers: JSON's own notation. An engine tests this before it casts.
pub const NUMBER_PATTERN: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$";

/// Texts that count as times: a date (its midnight in UTC) or RFC 3339 with zone. An engine tests this before it casts.
///
/// They must also be real days, in the years 1 to 9999 of UTC.
pub const TIME_PATTERN: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$";

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Operand::Number(number) => write!(f, "{number}"),
            Operand::Time(time) => write!(f, "{time}"),
        }
    }
}

/// A time as commands and filters take it: RFC 3339 with zone, a date (its midnight in UTC), `now`, or an age (`90s`,
/// `15m`, `24h`, `7d`, `4w`, `6y`), which is the point that long before `now`. `None` for anything else.
///
/// A day is 24 hours, a year one of the calendar. The result is cut to microseconds.
pub fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return to_microseconds(now);
    }
    match time_of(text) {
        None => age(text).and_then(|span| before(now, span)).and_then(to_microseconds),
        some => some,
    }
}

/// Whether `text` is written as an age, if perhaps one that is too long.
pub(super) fn is_age(text: &str) -> bool {
    text.strip_suffix(['s', 'm', 'h', 'd', 'w', 'y'])
        .is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
}

fn age(text: &str) -> Option<Span> {
    if !is_age(text) {
        return None;
    }
    let (count, unit) = text.split_at(text.len() - 1);
    let count: i64 = count.parse().ok()?;
    let span = Span::new();
    match unit {
        "s" => span.try_seconds(count),
        "m" => span.try_minutes(count),
        "h" => span.try_hours(count),
        "d" => span.try_hours(count.checked_mul(24)?),
        "w" => span.try_hours(count.checked_mul(24 * 7)?),
        _ => span.try_years(count),
    }
    .ok()
}

fn before(now: Timestamp, span: Span) -> Option<Timestamp> {
    now.to_zoned(TimeZone::UTC).checked_sub(span).ok().map(|time| time.timestamp())
}

/// The time that a value of an activity stands for: see [`TIME_PATTERN`].
pub(super) fn time_of(text: &str) -> Option<Timestamp> {
    let date = date_of(text.get(..10)?)?;
    let time = match text.len() {
        10 => date.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp()),
        _ if is_rfc3339(text.as_bytes()) => text.parse().ok(),
        _ => return None,
    };
    match time.and_then(to_microseconds) {
        // "Never" is often written as the last second of all years, which the type cannot hold.
        None if date.year() == 9999 => Timestamp::from_second(Timestamp::MAX.as_second()).ok(),
        time => time,
    }
}

/// A date as `2026-01-31`.
pub(super) fn date_of(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || !has_shape(bytes, b"0000-00-00") {
        return None;
    }
    text.parse().ok()
}

/// `0` in `shape` is a digit; everything else is itself.
fn has_shape(bytes: &[u8], shape: &[u8]) -> bool {
    bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, want)| if *want == b'0' { byte.is_ascii_digit() } else { byte == want })
}

fn is_rfc3339(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_at_checked(19) else { return false };
    let clock = |bytes: &[u8]| &bytes[..2] <= b"23".as_slice() && bytes[3] < b'6';
    if !has_shape(&head[..10], b"0000-00-00")
        || !matches!(head[10], b'T' | b't' | b' ')
        || !has_shape(&head[11..], b"00:00:00")
        || !clock(&head[11..])
        || head[17] >= b'6'
    {
        return false;
    }
    let zone = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
    };
    match zone {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', offset @ ..] => has_shape(offset, b"00:00") && clock(offset),
        _ => false,
    }
}

/// Cut, not rounded: the store keeps microseconds and cuts too. Times before the year 1 have no four-digit notation.
fn to_microseconds(time: Timestamp) -> Option<Timestamp> {
    let time = Timestamp::from_microsecond(i64::try_from(time.as_nanosecond().div_euclid(1_000)).ok()?).ok()?;
    (time.to_zoned(TimeZone::UTC).year() >= 1).then_some(time)
}

/// The number that a value of an activity stands for: see [`NUMBER_PATTERN`]. Numbers beyond a double are none.
pub(super) fn number_of(text: &str) -> Option<f64> {
    if !is_number(text.as_bytes()) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether `text` is written as a number, if perhaps one that is too large.
pub(super) fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = split_digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(rest) => match split_digits(rest) {
            ([], _) => return false,
            (_, rest) => rest,
        },
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
            let (digits, rest) = split_digits(digits);
            !digits.is_empty() && rest.is_empty()
        }
        _ => false,
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count())
}
