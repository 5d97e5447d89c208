//! RFC 3339 timestamps with a zone, as the window parameters take them.
//!
//! Stricter than a general parser: a local time, a space for the `T` or a bare date is refused, because a guess at the
//! zone would silently move a window.

use jiff::Timestamp;

/// The instant that `text` names, or `None` if it is not RFC 3339 with a zone.
///
/// Consumers write the end of time as `9999-12-31T23:59:59Z`, which lies a day beyond what [`Timestamp`] holds: whatever
/// is well formed but out of range is the nearest instant that can be held.
pub fn parse(text: &str) -> Option<Timestamp> {
    if !has_rfc3339_shape(text.as_bytes()) {
        return None;
    }
    match text.parse() {
        Ok(instant) => Some(instant),
        Err(_) if text.starts_with("9999-12-3") && is_calendar_day(text) => Some(Timestamp::MAX),
        Err(_) => None,
    }
}

fn is_calendar_day(text: &str) -> bool {
    let in_range = |range: std::ops::Range<usize>, most: u8| text[range].parse::<u8>().is_ok_and(|n| n <= most);
    text[..10].parse::<jiff::civil::Date>().is_ok()
        && in_range(11..13, 23)
        && in_range(14..16, 59)
        && in_range(17..19, 60)
}

fn has_rfc3339_shape(text: &[u8]) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    fits(date_time, b"dddd-dd-ddtdd:dd:dd") && fraction_end(rest).is_some_and(is_zone)
}

/// What stands behind the fraction of a second, if there is one.
fn fraction_end(rest: &[u8]) -> Option<&[u8]> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some(rest) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=9).contains(&length).then(|| &digits[length..])
}

fn is_zone(zone: &[u8]) -> bool {
    fits(zone, b"z") || fits(zone, b"+dd:dd") || fits(zone, b"-dd:dd")
}

fn fits(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            other => byte.to_ascii_lowercase() == *other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_rfc3339_with_a_zone() {
        let micros = |text| parse(text).map(|instant| instant.as_microsecond());
        assert_eq!(micros("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(micros("1970-01-01t00:00:01.000002z"), Some(1_000_002));
        assert_eq!(micros("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(micros("1969-12-31T19:00:00-05:00"), Some(0));
        assert!(micros("0001-01-01T00:00:00Z").is_some());
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(Timestamp::MAX));
        assert_eq!(parse("9999-12-31T23:59:59.999999999Z"), Some(Timestamp::MAX));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "yesterday",
            "2026-04-01",
            "2026-04-01T00:00:00",
            "2026-04-01 00:00:00Z",
            "2026-04-01T00:00:00 00:00",
            "2026-04-01T00:00:00+0000",
            "2026-04-01T00:00:00.Z",
            "2026-04-01T00:00:00.0123456789Z",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-04-01T25:00:00Z",
            "2026-04-01T00:00:00Z[UTC]",
            "9999-12-32T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "2026-04-01T00:00:00Zé",
            "é026-04-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
