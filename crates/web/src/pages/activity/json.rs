//! JSON as people read it: indented, its parts told apart, not a digit changed.
//!
//! The text itself is walked, not a parsed tree, so that numbers, the order of members and repeated ones stay as they were
//! received. What is too long to be read is cut, and says so.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;

use crate::text::escape_text;

/// A string longer than this is cut.
const STRING_CHARS: usize = 2_000;
/// What is shown ends after about so many bytes, long strings counted as they are shown.
const TOTAL_BYTES: usize = 200_000;
/// Nothing is indented deeper.
const DEPTH: usize = 40;

/// JSON to be shown.
pub struct Pretty<'a>(pub &'a str);

impl HtmlSafe for Pretty<'_> {}

impl fmt::Display for Pretty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut rest = self.0.trim_start();
        let (mut depth, mut budget) = (0usize, TOTAL_BYTES);
        while !rest.is_empty() {
            let (token, after) = rest.split_at(token_length(rest));
            let after = after.trim_start();
            let Some(left) = budget.checked_sub(token.len().min(STRING_CHARS)) else {
                return write!(f, "\n<span class=\"cut\">… {} more bytes: see the raw log</span>", rest.len());
            };
            (rest, budget) = (after, left);
            match token {
                // Empty ones stay on their line.
                "{" | "[" if after.starts_with(['}', ']']) => {
                    let (close, after) = after.split_at(1);
                    rest = after.trim_start();
                    write!(f, "{token}{close}")?;
                }
                "{" | "[" => {
                    depth += 1;
                    f.write_str(token)?;
                    indent(f, depth)?;
                }
                "}" | "]" => {
                    depth = depth.saturating_sub(1);
                    indent(f, depth)?;
                    f.write_str(token)?;
                }
                "," => {
                    f.write_char(',')?;
                    indent(f, depth)?;
                }
                ":" => f.write_str(": ")?,
                text if text.starts_with('"') => string(text, after.starts_with(':'), f)?,
                plain => {
                    f.write_str("<span class=\"plain\">")?;
                    escape_text(plain, f)?;
                    f.write_str("</span>")?;
                }
            }
        }
        Ok(())
    }
}

/// The length of the token at the beginning of a text that is not empty.
fn token_length(text: &str) -> usize {
    match text.as_bytes()[0] {
        b'"' => string_length(text),
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        _ => text.find(['{', '}', '[', ']', ',', ':', '"', ' ', '\t', '\r', '\n']).unwrap_or(text.len()).max(1),
    }
}

/// Up to and with the closing quote, if there is one.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |at| at + 2)
}

fn string(text: &str, is_key: bool, f: &mut fmt::Formatter) -> fmt::Result {
    let kind = if is_key { "key" } else { "string" };
    write!(f, "<bdi class=\"{kind}\">")?;
    match text.char_indices().nth(STRING_CHARS) {
        None => escape_text(text, f)?,
        Some((end, _)) => {
            escape_text(&text[..end], f)?;
            write!(f, "<span class=\"cut\">… {} more bytes: see the raw log</span>", text.len() - end)?;
        }
    }
    f.write_str("</bdi>")
}

fn indent(f: &mut fmt::Formatter, depth: usize) -> fmt::Result {
    f.write_char('\n')?;
    (0..depth.min(DEPTH)).try_for_each(|_| f.write_str("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, without what marks its parts.
    fn read(json: &str) -> String {
        let html = Pretty(json).to_string();
        let mut text = String::new();
        let mut is_tag = false;
        for sign in html.chars() {
            match sign {
                '<' => is_tag = true,
                '>' => is_tag = false,
                _ if !is_tag => text.push(sign),
                _ => {}
            }
        }
        text.replace("&quot;", "\"")
    }

    #[test]
    fn indents_and_changes_nothing_else() {
        let json = r#"{"a":1.50e+10,"b":[],"c":{},"d":[true,null,"x, \"y\": {z}"],"a":12345678901234567890}"#;
        let wanted = "{\n  \"a\": 1.50e+10,\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    true,\n    null,\n    \
                      \"x, \\\"y\\\": {z}\"\n  ],\n  \"a\": 12345678901234567890\n}";
        assert_eq!(read(json), wanted);
        assert_eq!(read(" { \"a\" : [ ] , \"b\" : 2 } "), "{\n  \"a\": [],\n  \"b\": 2\n}");
    }

    #[test]
    fn cuts_what_is_too_long() {
        let long = format!(r#"{{"t":"{}","u":1}}"#, "ä".repeat(1 << 20));
        assert!(Pretty(&long).to_string().len() < 10_000);
        assert!(read(&long).contains("more bytes: see the raw log") && read(&long).ends_with("\"u\": 1\n}"));
        let many = format!("[{}1]", "1,".repeat(1 << 20));
        assert!(read(&many).ends_with("more bytes: see the raw log"));
    }

    #[test]
    fn stands_anything() {
        for text in ["", "\"", "\"\\", "\"\\ä", "}}}", "[[[", "<b>\u{202e}", "{\"a\"", "\u{0}", "\u{a0}", "["] {
            let html = Pretty(text).to_string();
            assert!(!html.contains("<b>") && !html.contains('\u{202e}'), "{text:?}");
        }
    }
}
