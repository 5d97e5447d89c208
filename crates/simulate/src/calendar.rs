//! Time as the simulation counts it: microseconds since 1970, days, weekdays, and the text of a moment.

use jiff::Timestamp;

/// Microseconds.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MINUTE: Micros = 60 * SECOND;
pub(crate) const HOUR: Micros = 60 * MINUTE;
pub(crate) const DAY: Micros = 24 * HOUR;

/// The number of the day, counted from 1970-01-01.
pub(crate) const fn day_of(at: Micros) -> i64 {
    at.div_euclid(DAY)
}

/// Whether a day is a Saturday or a Sunday.
pub(crate) const fn is_weekend(day: i64) -> bool {
    weekday(day) >= 5
}

/// Monday is 0.
pub(crate) const fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The moment that `at` counts to.
pub(crate) fn timestamp(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or(if at < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The year, month and day of a day's number (after Howard Hinnant's `civil_from_days`).
pub(crate) const fn civil(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let date = (of_year - (153 * month + 2) / 5 + 1) as u32;
    let month = if month < 10 { month + 3 } else { month - 9 } as u32;
    (year_of_era + era * 400 + (month <= 2) as i64, month, date)
}

/// Writes `2026-11-21T10:15:00.000123Z`.
pub(crate) fn write(at: Micros, out: &mut Vec<u8>) {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let (year, month, date) = civil(day_of(at));
    let of_day = at.rem_euclid(DAY);
    put(&mut text[0..4], year as u64);
    put(&mut text[5..7], u64::from(month));
    put(&mut text[8..10], u64::from(date));
    put(&mut text[11..13], (of_day / HOUR) as u64);
    put(&mut text[14..16], (of_day / MINUTE % 60) as u64);
    put(&mut text[17..19], (of_day / SECOND % 60) as u64);
    put(&mut text[20..26], (of_day % SECOND) as u64);
    out.extend_from_slice(&text);
}

fn put(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_jiff_reads() {
        for text in ["1970-01-01T00:00:00.000000Z", "2024-02-29T23:59:59.999999Z", "2026-11-21T10:15:00.000123Z"] {
            let at: Timestamp = text.parse().unwrap();
            let mut out = Vec::new();
            write(at.as_microsecond(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn knows_the_weekend() {
        let day = |text: &str| day_of(text.parse::<Timestamp>().unwrap().as_microsecond());
        assert_eq!(weekday(day("2026-11-16T00:00:00Z")), 0, "a Monday");
        assert!(is_weekend(day("2026-11-21T00:00:00Z")) && is_weekend(day("2026-11-22T23:00:00Z")));
    }
}
