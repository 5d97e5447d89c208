//! The letters of a filter: bare words, quoted phrases, escapes and keywords.

use std::ops::Range;

use super::FilterError;

/// A place in the text.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// A text without quotes, in which a letter may be special or, behind a backslash, only itself.
pub(super) struct Bare {
    letters: Vec<Letter>,
    /// Where it stands.
    pub(super) spot: Range<usize>,
}

/// A letter of a [`Bare`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    /// The letter itself.
    pub(super) char: char,
    /// Whether a backslash took its special meaning away.
    pub(super) escaped: bool,
}

/// The words that are operators, in upper case only.
pub(super) const KEYWORDS: [&str; 3] = ["AND", "OR", "NOT"];

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Cursor<'t> {
        Cursor { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes `literal` if it stands here.
    pub(super) fn take(&mut self, literal: &str) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Whether a term is over here.
    pub(super) fn at_end_of_term(&self) -> bool {
        self.peek().is_none_or(ends_term)
    }

    /// The operator that stands here.
    pub(super) fn keyword(&self) -> Option<&'static str> {
        KEYWORDS.into_iter().find(|keyword| {
            self.rest().strip_prefix(keyword).is_some_and(|rest| rest.chars().next().is_none_or(ends_term))
        })
    }

    /// Takes the operator `keyword` if it stands here, and tells where.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> Option<Range<usize>> {
        let start = self.at;
        (self.keyword() == Some(keyword)).then(|| {
            self.at += keyword.len();
            start..self.at
        })
    }

    /// The term that stands here as it is written, up to its first quote.
    pub(super) fn term(&self) -> &'t str {
        let rest = self.rest();
        &rest[..rest.find(|char| ends_term(char) || char == '"').unwrap_or(rest.len())]
    }

    /// The text without quotes that stands here; it may be empty.
    pub(super) fn bare(&mut self, stop_at_colon: bool) -> Result<Bare, FilterError> {
        let start = self.at;
        let mut letters = Vec::new();
        while let Some(char) = self.peek().filter(|char| !ends_term(*char)) {
            match char {
                '\\' => letters.push(Letter { char: self.escape()?, escaped: true }),
                ':' if stop_at_colon => break,
                '"' => {
                    return Err(FilterError::new(
                        self.at..self.at + 1,
                        "a quote inside a word",
                        "put the whole value between quotes, or write `\\\"` for the sign itself",
                    ));
                }
                _ => {
                    self.at += char.len_utf8();
                    letters.push(Letter { char, escaped: false });
                }
            }
        }
        Ok(Bare { letters, spot: start..self.at })
    }

    /// The phrase whose opening quote stands here.
    pub(super) fn phrase(&mut self) -> Result<(String, Range<usize>), FilterError> {
        let start = self.at;
        self.at += 1;
        let mut phrase = String::new();
        loop {
            match self.peek() {
                None => {
                    return Err(FilterError::new(
                        start..start + 1,
                        "this quote is never closed",
                        "add `\"` at the end of the phrase",
                    ));
                }
                Some('"') => break self.at += 1,
                Some('\\') => phrase.push(self.escape()?),
                Some(char) => {
                    self.at += char.len_utf8();
                    phrase.push(char);
                }
            }
        }
        if self.peek() == Some(':') {
            return Err(FilterError::new(
                start..self.at,
                "a field name between quotes",
                "write the field without quotes, with `\\` before special signs, as in `status_code:400`",
            ));
        }
        if !self.at_end_of_term() {
            return Err(FilterError::new(
                self.at..self.at + self.peek().map_or(0, char::len_utf8),
                "something sticks to the end of a phrase",
                "leave a space after the closing quote; for a wildcard write the value without quotes, with `\\` before each space",
            ));
        }
        Ok((phrase, start..self.at))
    }

    /// The letter that the backslash here stands before.
    fn escape(&mut self) -> Result<char, FilterError> {
        let start = self.at;
        self.at += 1;
        let hint = "write `\\\\` for a backslash itself";
        match self.peek() {
            Some(char) if char.is_ascii_punctuation() || char.is_whitespace() => {
                self.at += char.len_utf8();
                Ok(char)
            }
            Some(char) => Err(FilterError::new(
                start..self.at + char.len_utf8(),
                format!("`\\{}` means nothing", char.escape_debug()),
                hint,
            )),
            None => Err(FilterError::new(start..self.at, "a backslash at the end", hint)),
        }
    }
}

/// Whether `char` ends a term that is not between quotes.
fn ends_term(char: char) -> bool {
    char.is_whitespace() || matches!(char, '(' | ')')
}

impl Bare {
    pub(super) fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// The letters, escaped or not.
    pub(super) fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.char).collect()
    }

    /// Whether no backslash stands in it.
    pub(super) fn is_plain(&self) -> bool {
        self.letters.iter().all(|letter| !letter.escaped)
    }

    /// The texts between the wildcards; one if there is none.
    pub(super) fn pieces(&self) -> Vec<String> {
        self.split('*').map(|piece| piece.iter().map(|letter| letter.char).collect()).collect()
    }

    /// The parts between each special `sign`.
    pub(super) fn split(&self, sign: char) -> impl Iterator<Item = &[Letter]> {
        self.letters.split(move |letter| letter.is(sign))
    }
}

impl Letter {
    /// Whether this is the special letter `sign`.
    pub(super) fn is(self, sign: char) -> bool {
        self.char == sign && !self.escaped
    }
}
