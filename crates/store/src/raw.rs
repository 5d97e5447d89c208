//! The raw log, stored once: what stands in a column of its own is not stored a second time inside the text.
//!
//! An activity's id, its time and the ids of its resources are the bytes that no compressor can shorten, and each stands
//! both in the raw log and in a column. [`split`] puts a control character in their place, [`join`] puts them back. Inside
//! JSON, control characters other than tab, line feed and carriage return cannot occur, so that the marks are
//! unambiguous and the way back is exact, byte for byte. Engines do the same as `join` with nested `replace`.

use std::borrow::Cow;

use activity::Activity;
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// Stands for the activity's id.
pub const MARK_ID: char = '\u{1}';
/// Stands for the activity's time, written with six fractional digits and `Z`.
pub const MARK_TIME_MICROS: char = '\u{2}';
/// Stands for the activity's time, written without a fraction and with `Z`.
pub const MARK_TIME_SECONDS: char = '\u{7}';
/// Stand for the first resources, in the order of the `resources` column.
pub const MARK_RESOURCES: [char; 4] = ['\u{3}', '\u{4}', '\u{5}', '\u{6}'];

const TIME_MICROS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
const TIME_SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// Writes `activity.raw` to `out` with marks for what stands in the columns `id`, `created_at` and `resources`.
pub fn split(activity: &Activity, resources: &[Cow<str>], out: &mut String) {
    let raw = activity.raw;
    let mut spots: [(usize, usize, char); 6] = [(0, 0, ' '); 6];
    let mut count = 0;
    let mut mark = |text: &Cow<str>, mark: char| {
        if let Some(at) = offset(raw, text) {
            spots[count] = (at, text.len(), mark);
            count += 1;
        }
    };
    mark(&activity.id, MARK_ID);
    if let Some(sign) = time_mark(activity) {
        mark(&activity.created_at_text, sign);
    }
    for (text, sign) in resources.iter().zip(MARK_RESOURCES) {
        mark(text, sign);
    }
    let spots = &mut spots[..count];
    spots.sort_unstable();
    let mut done = 0;
    for &mut (at, length, sign) in spots {
        // A resource may be the activity itself, or lie where another one lies: the first mark stands.
        if at >= done {
            out.push_str(&raw[done..at]);
            out.push(sign);
            done = at + length;
        }
    }
    out.push_str(&raw[done..]);
}

/// Undoes [`split`].
pub fn join(rest: &str, id: &str, time: Timestamp, resources: &[&str]) -> String {
    let mut raw = String::with_capacity(rest.len() + 160);
    let mut done = 0;
    while let Some(at) = next_mark(rest.as_bytes(), done) {
        raw.push_str(&rest[done..at]);
        done = at + 1;
        match char::from(rest.as_bytes()[at]) {
            MARK_ID => raw.push_str(id),
            MARK_TIME_MICROS => write_time(time, &TIME_MICROS, &mut raw),
            MARK_TIME_SECONDS => write_time(time, &TIME_SECONDS, &mut raw),
            other => {
                let at = MARK_RESOURCES.iter().position(|&mark| mark == other);
                raw.push_str(at.and_then(|at| resources.get(at)).copied().unwrap_or_default());
            }
        }
    }
    raw.push_str(&rest[done..]);
    raw
}

/// The place of the next mark, from a place on. Stretches without any are passed over many bytes at a time.
fn next_mark(bytes: &[u8], from: usize) -> Option<usize> {
    const AT_ONCE: usize = 32;
    let is_mark = |byte: u8| (1..=7).contains(&byte);
    let mut at = from;
    for piece in bytes[from..].chunks(AT_ONCE) {
        // Without a way out in the middle, a compiler makes a few wide instructions of it.
        if piece.iter().fold(false, |any, &byte| any | is_mark(byte)) {
            return piece.iter().position(|&byte| is_mark(byte)).map(|place| at + place);
        }
        at += piece.len();
    }
    None
}

/// Where `text` lies in `raw`, if it was borrowed from there.
#[expect(clippy::ptr_arg, reason = "whether it is borrowed is the question")]
fn offset(raw: &str, text: &Cow<str>) -> Option<usize> {
    let Cow::Borrowed(text) = text else { return None };
    let at = (text.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
    (at + text.len() <= raw.len() && !text.is_empty()).then_some(at)
}

/// The mark for the activity's time, if the text is just what an engine writes for it.
fn time_mark(activity: &Activity) -> Option<char> {
    let text = activity.created_at_text.as_bytes();
    if text.last() != Some(&b'Z') || text.get(10) != Some(&b'T') || text[0] == b'-' || text[0] == b'+' {
        return None;
    }
    match text.len() {
        27 if text[19] == b'.' => Some(MARK_TIME_MICROS),
        20 => Some(MARK_TIME_SECONDS),
        _ => None,
    }
    // A leap second is the one text of this form that is not written back as it was.
    .filter(|_| &text[17..19] != b"60")
}

fn write_time(time: Timestamp, printer: &DateTimePrinter, out: &mut String) {
    // Only writing to `out` could fail, and a text takes everything.
    let _ = printer.print_timestamp(&time, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &str, resources: &[&str], rest: &str) {
        let activity = Activity::parse_str(raw).unwrap();
        let found: Vec<Cow<str>> = resources
            .iter()
            .map(|text| {
                raw.find(text).map_or(Cow::Owned(text.to_string()), |at| Cow::Borrowed(&raw[at..at + text.len()]))
            })
            .collect();
        let mut out = String::new();
        split(&activity, &found, &mut out);
        assert_eq!(out, rest);
        assert_eq!(join(&out, &activity.id, activity.created_at, resources), raw);
    }

    #[test]
    fn stores_once() {
        check(
            r#"{"id":"activity_01A","created_at":"2026-04-10T08:09:10.000120Z","type":"t","chat":"chat_1","proj":"proj_2"}"#,
            &["proj_2", "chat_1"],
            "{\"id\":\"\u{1}\",\"created_at\":\"\u{2}\",\"type\":\"t\",\"chat\":\"\u{4}\",\"proj\":\"\u{3}\"}",
        );
        check(
            r#"{"type":"t","created_at":"2026-04-10T08:09:10Z","id":"A"}"#,
            &[],
            "{\"type\":\"t\",\"created_at\":\"\u{7}\",\"id\":\"\u{1}\"}",
        );
    }

    #[test]
    fn leaves_other_spellings_alone() {
        for time in [
            "2026-04-10T08:09:10.12Z",
            "2026-04-10T10:09:10+02:00",
            "2016-12-31T23:59:60Z",
            "2026-04-10T08:09:10.1234567Z",
        ] {
            let raw = format!(r#"{{"id":"a\u0062","created_at":"{time}","type":"t"}}"#);
            check(&raw, &[], &raw);
        }
    }

    proptest! {
        #[test]
        fn comes_back(id in "[a-zA-Z0-9_]{1,20}", micros in -60_000_000_000_000_000i64..250_000_000_000_000_000, resources in proptest::collection::vec("[a-z0-9]{1,6}", 0..7), text in "[ -~]{0,30}") {
            let time = Timestamp::from_microsecond(micros).unwrap();
            let text = serde_json::to_string(&text).unwrap();
            let list = serde_json::to_string(&resources).unwrap();
            let raw = format!(r#"{{"id":"{id}","x":{list},"created_at":"{}","t":{text},"type":"{id}"}}"#, time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"));
            let Ok(activity) = Activity::parse_str(&raw) else { return Ok(()) };
            let start = raw.find("\"x\":").unwrap();
            let mut at = start + 5;
            let found: Vec<Cow<str>> = resources.iter().map(|r| { at += 1; let s = &raw[at..at + r.len()]; at += r.len() + 2; Cow::Borrowed(s) }).collect();
            let mut out = String::new();
            split(&activity, &found, &mut out);
            let plain: Vec<&str> = resources.iter().map(String::as_str).collect();
            prop_assert_eq!(join(&out, &activity.id, activity.created_at, &plain), raw);
        }
    }
}
