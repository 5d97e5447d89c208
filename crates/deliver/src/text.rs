//! What strangers wrote, made harmless before anybody's program shows it.
//!
//! Any text of an activity may be hostile: an HTML page, a mention that wakes a whole company, a link that looks like ours, a line
//! break that begins a new header, marks that turn the reading direction around, or a megabyte of anything. [`line`] and
//! [`block`] answer text that is bounded, has no such characters, mentions nobody and links nowhere; what is special to one
//! destination's markup is that destination's own affair. Cost is bounded by the length of the answer, not of the text.

/// Stands where a character was that nobody should be shown.
const REMOVED: char = '\u{fffd}';

/// Words that call many people when an `@` stands before them.
const CALLS: [&str; 8] = ["channel", "here", "everyone", "all", "group", "team", "room", "online"];

/// Beginnings of links, as text that is a link nowhere: people read `hxxps`, programs do not.
const LINKS: [(&str, &str); 4] =
    [("https://", "hxxps[://]"), ("http://", "hxxp[://]"), ("www.", "www[.]"), ("://", "[://]")];

/// One line of at most `most` characters, an ellipsis at its end if something was cut off.
pub fn line(text: &str, most: usize) -> String {
    clean(text, most, false, |_| 1)
}

/// As [`line`], with its line breaks.
pub fn block(text: &str, most: usize) -> String {
    clean(text, most, true, |_| 1)
}

/// As [`line`], no longer than `most` once `cost` is added up over its characters: for markup in which some characters are
/// written with several.
pub(crate) fn line_of(text: &str, most: usize, cost: impl Fn(char) -> usize) -> String {
    clean(text, most, false, cost)
}

/// As [`block`], with a cost for each character.
pub(crate) fn block_of(text: &str, most: usize, cost: impl Fn(char) -> usize) -> String {
    clean(text, most, true, cost)
}

fn clean(text: &str, most: usize, keeps_lines: bool, cost: impl Fn(char) -> usize) -> String {
    let mut out = Fitting { text: String::new(), used: 0, most, cost, full: false };
    let mut rest = text.trim();
    let mut before = ' ';
    while let Some(sign) = rest.chars().next() {
        if out.full {
            break;
        }
        let word = before.is_ascii_alphanumeric();
        let starts = LINKS.iter().find(|(start, _)| begins_with(rest, start) && !(word && *start == "www."));
        if let Some((start, shown)) = starts
            // What has been through here already is left as it is.
            && !(before == '[' && *start == "://")
        {
            shown.chars().for_each(|sign| out.push(sign));
            rest = &rest[start.len()..];
            before = ']';
            continue;
        }
        rest = &rest[sign.len_utf8()..];
        match sign {
            '\r' => {}
            '\n' if keeps_lines => out.push('\n'),
            // The wide form reads the same and calls nobody.
            '@' if !word && CALLS.iter().any(|call| begins_with(rest, call)) => out.push('\u{ff20}'),
            sign if sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}') => out.push(' '),
            sign if is_invisible(sign) => out.push(REMOVED),
            sign => out.push(sign),
        }
        before = sign;
    }
    out.finish()
}

/// The answer as it grows, up to its bound.
struct Fitting<F> {
    text: String,
    used: usize,
    most: usize,
    cost: F,
    full: bool,
}

impl<F: Fn(char) -> usize> Fitting<F> {
    fn push(&mut self, sign: char) {
        let cost = (self.cost)(sign);
        if self.full || self.used + cost > self.most {
            self.full = true;
            return;
        }
        self.used += cost;
        self.text.push(sign);
    }

    fn finish(mut self) -> String {
        if self.full {
            let ellipsis = (self.cost)('…');
            while self.used + ellipsis > self.most {
                match self.text.pop() {
                    Some(sign) => self.used -= (self.cost)(sign),
                    None => return self.text,
                }
            }
            self.text.push('…');
        } else {
            self.text.truncate(self.text.trim_end().len());
        }
        self.text
    }
}

fn begins_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Marks of direction, joiners, variation and tags: they change how other characters look, or hide text.
fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Text for HTML, between tags or in a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
    }
    out
}

/// A link of this deployment, if it is an address that no markup could take for anything else.
pub(crate) fn link(text: &str) -> Option<String> {
    let is_plain = |sign: char| sign.is_ascii_graphic() && !"<>|\"'`()[]{}\\^".contains(sign);
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_web && text.len() <= 2_000 && text.chars().all(is_plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_nobody_and_links_nowhere() {
        for (text, expected) in [
            ("hello", "hello"),
            ("  a\r\nBcc: x@y.z\0 ", "a Bcc: x@y.z"),
            ("@channel @HERE (@everyone) mail me@here.example", "＠channel ＠HERE (＠everyone) mail me@here.example"),
            ("see https://evil.example/x and HTTP://a", "see hxxps[://]evil.example/x and hxxp[://]a"),
            ("slack://open?x javascript:alert(1)", "slack[://]open?x javascript:alert(1)"),
            ("www.evil.example", "www[.]evil.example"),
            ("gpj\u{202e}exe.\u{200b}x\u{e0041}", "gpj\u{fffd}exe.\u{fffd}x\u{fffd}"),
            ("a\u{2028}b\tc\u{85}d\u{1b}[31m", "a b c d [31m"),
            ("été ✓ 日本", "été ✓ 日本"),
        ] {
            assert_eq!(line(text, 1_000), expected, "{text:?}");
        }
        assert_eq!(block("a\r\nb\n\nc", 100), "a\nb\n\nc");
    }

    #[test]
    fn is_cut_with_an_ellipsis() {
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(line("ééé", 2), "é…");
        assert_eq!(line_of("a<<<<", 8, |sign| if sign == '<' { 4 } else { 1 }), "a<…");
        assert_eq!(line("abc", 0), "");
        let long = "x".repeat(1 << 20);
        assert_eq!(line(&long, 150).chars().count(), 150);
    }

    #[test]
    fn links_are_plain_addresses() {
        assert!(link("https://auditlake.example/alerts/alert_01?x=1&y=2#z").is_some());
        for text in ["javascript:alert(1)", "https://a/|b", "https://a/>", "https://a/\n", "", "https://a/\u{202e}"] {
            assert_eq!(link(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in "\\PC{0,40}([@<>:/\r\n\u{202e}\u{200b}a-w.]|://|@here|www\\.){0,20}\\PC{0,20}", most in 0usize..80) {
            let shown = line(&text, most);
            prop_assert!(shown.chars().count() <= most);
            prop_assert!(!shown.chars().any(|sign| sign.is_control() || is_invisible(sign)));
            prop_assert!(!shown.replace("[://", "").contains("://"), "{shown}");
            prop_assert_eq!(line(&shown, usize::MAX), shown.as_str());
            let wide = format!(" {shown}");
            for (at, _) in wide.match_indices("www.") {
                prop_assert!(wide[..at].ends_with(|sign: char| sign.is_ascii_alphanumeric()), "{shown}");
            }
        }
    }
}
