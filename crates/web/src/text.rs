//! How pages write things: numbers, times, ages, sizes, and texts that strangers chose.

use std::{
    borrow::Borrow,
    fmt::{self, Write},
};

use askama::filters::HtmlSafe;
use jiff::{Timestamp, fmt::strtime};

/// A text that a stranger chose, as HTML: escaped, isolated from the direction of what stands around it, cut where it is
/// too long, and with every character that cannot be seen or that moves others shown by its number.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    text: &'a str,
    max_chars: usize,
    has_tooltip: bool,
}

/// So many characters of a text that is cut are in its tooltip.
const TOOLTIP_CHARS: usize = 300;

impl HtmlSafe for Shown<'_> {}

/// The text, cut to `max_chars`.
pub fn shown(text: &str, max_chars: usize) -> Shown<'_> {
    Shown { text, max_chars, has_tooltip: text.len() > max_chars }
}

/// The text, cut to `max_chars`, with a tooltip for where the style sheet cuts it further.
pub fn cell(text: &str, max_chars: usize) -> Shown<'_> {
    Shown { text, max_chars, has_tooltip: true }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let end = self.text.char_indices().nth(self.max_chars).map_or(self.text.len(), |(at, _)| at);
        let is_cut = end < self.text.len();
        if self.has_tooltip {
            f.write_str("<bdi title=\"")?;
            plain(self.text, TOOLTIP_CHARS).chars().try_for_each(|sign| escape(sign, f))?;
            f.write_str("\">")?;
        } else {
            f.write_str("<bdi>")?;
        }
        escape_text(&self.text[..end], f)?;
        f.write_str(if is_cut { "…</bdi>" } else { "</bdi>" })
    }
}

/// A text that a stranger chose, for tooltips and titles: cut, and without what cannot be seen. To be escaped as usual.
pub fn plain(text: &str, max_chars: usize) -> String {
    let sign = |sign: char| if is_unseen(sign) { '\u{fffd}' } else { sign };
    let mut plain: String = text.chars().take(max_chars).map(sign).collect();
    if text.chars().nth(max_chars).is_some() {
        plain.push('…');
    }
    plain
}

/// A text that a stranger chose, as the exact value of an attribute that a form sends back: what cannot be seen stands there
/// as a reference, so that it moves nothing for whoever reads the page's text.
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a>(&'a str);

impl HtmlSafe for Exact<'_> {}

/// The text as an attribute's value.
pub fn exact(text: &str) -> Exact<'_> {
    Exact(text)
}

impl fmt::Display for Exact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.chars().try_for_each(|sign| match sign {
            // HTML has no way to write it.
            '\0' => f.write_char('\u{fffd}'),
            _ if is_unseen(sign) => write!(f, "&#x{:X};", u32::from(sign)),
            _ => escape(sign, f),
        })
    }
}

/// Writes text as HTML, with what cannot be seen shown by its number.
pub fn escape_text(text: &str, f: &mut impl Write) -> fmt::Result {
    for sign in text.chars() {
        if is_unseen(sign) {
            write!(f, "<span class=\"sign\">U+{:04X}</span>", u32::from(sign))?;
        } else {
            escape(sign, f)?;
        }
    }
    Ok(())
}

fn escape(sign: char, f: &mut (impl Write + ?Sized)) -> fmt::Result {
    match sign {
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '&' => f.write_str("&amp;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        other => f.write_char(other),
    }
}

/// Controls, marks of direction, and characters without width.
fn is_unseen(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(sign, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A message in pieces: what stands between backticks is code.
pub fn coded(message: &str) -> impl Iterator<Item = (bool, &str)> {
    message.split('`').enumerate().map(|(at, part)| (at % 2 == 1, part)).filter(|(_, part)| !part.is_empty())
}

/// How templates write a count.
pub trait Count {
    /// `1,234,567`
    fn grouped(&self) -> String;

    /// As a number of bytes: `1.2 MB`
    fn as_size(&self) -> String;
}

impl Count for u64 {
    fn grouped(&self) -> String {
        number(*self)
    }

    fn as_size(&self) -> String {
        bytes(*self)
    }
}

/// How templates write a time.
pub trait Moment {
    /// In UTC, written as strftime says.
    fn utc(&self, format: &str) -> String;

    /// How long before `now`, in one unit.
    fn age(&self, now: impl Borrow<Timestamp>) -> String;
}

impl Moment for Timestamp {
    fn utc(&self, format: &str) -> String {
        utc(*self, format)
    }

    fn age(&self, now: impl Borrow<Timestamp>) -> String {
        age(*self, *now.borrow())
    }
}

/// `1,234,567`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 activity`, `2 activities`
pub fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `1.2 MB`
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["bytes", "kB", "MB", "GB", "TB", "PB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if size < 1_000.0 {
            break;
        }
        (size, unit) = (size / 1_000.0, next);
    }
    if unit == "bytes" || size >= 100.0 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

/// How long ago, in one unit.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - time.as_second();
    match seconds {
        ..-59 => "in the future".to_owned(),
        -59..=1 => "just now".to_owned(),
        2..=99 => format!("{seconds} s ago"),
        100..=5_399 => format!("{} min ago", (seconds + 30) / 60),
        5_400..=129_599 => format!("{} h ago", (seconds + 1_800) / 3_600),
        _ => format!("{} days ago", (seconds + 43_200) / 86_400),
    }
}

/// How long a stretch of time is, in one unit.
pub fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.as_second() - from.as_second()).max(0);
    let of = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds {
        0..=119 => of(seconds, "second"),
        120..=7_199 => of(seconds / 60, "minute"),
        7_200..=172_799 => of(seconds / 3_600, "hour"),
        _ => of(seconds / 86_400, "day"),
    }
}

/// A time in UTC, written as strftime says.
pub fn utc(time: Timestamp, format: &str) -> String {
    strtime::format(format, time.to_zoned(jiff::tz::TimeZone::UTC).datetime()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts() {
        let check = |text: &str, max, html: &str| assert_eq!(shown(text, max).to_string(), html);
        check("<b a='\"'>&", 99, "<bdi>&lt;b a=&#39;&quot;&#39;&gt;&amp;</bdi>");
        check("a\u{202e}b\0", 99, "<bdi>a<span class=\"sign\">U+202E</span>b<span class=\"sign\">U+0000</span></bdi>");
        check("äöü\u{202e}", 2, "<bdi title=\"äöü\u{fffd}\">äö…</bdi>");
        check("שלום", 8, "<bdi>שלום</bdi>");
        assert_eq!(cell("a", 9).to_string(), "<bdi title=\"a\">a</bdi>");
        assert_eq!(exact("a\u{202e}\"\r").to_string(), "a&#x202E;&quot;&#xD;");
    }

    #[test]
    fn writes_quantities() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 999, 1_500, 123_456_789].map(bytes), ["0 bytes", "999 bytes", "1.5 kB", "123 MB"]);
    }

    #[test]
    fn writes_times() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ages = [0, 5, 150, 7_200, 300_000].map(|seconds| age(at(0), at(seconds)));
        assert_eq!(ages, ["just now", "5 s ago", "3 min ago", "2 h ago", "3 days ago"]);
        assert_eq!(age(at(7_200), at(0)), "in the future");
        assert_eq!(
            [1, 200, 8_000, 2_592_000].map(|s| span(at(0), at(s))),
            ["1 second", "3 minutes", "2 hours", "30 days"]
        );
        assert_eq!(utc(at(0), "%-d %b %Y %H:%M"), "1 Jan 1970 00:00");
    }
}
