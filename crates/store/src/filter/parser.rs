//! The grammar: `OR` binds least, then `AND` and juxtaposition, then `NOT` and `-`.
//!
//! ```text
//! any   = all ("OR" all)*
//! all   = one ("AND"? one)*
//! one   = ("NOT" | "-") one | "(" any ")" | term
//! term  = phrase | word | field ":" value | field ":(" any of values ")"
//! ```
//! Every way into depth is counted, so that no text can exhaust the stack.

use std::ops::Range;

use jiff::Timestamp;

use super::{
    Cidr, Field, Filter, FilterError,
    lexer::Cursor,
    term::{self, Comparison},
};

/// The longest filter, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// How deep parentheses and negations may stand in each other.
pub const MAX_DEPTH: usize = 64;
/// The most words and tests in one filter.
pub const MAX_TERMS: usize = 1024;

pub(super) fn parse(text: &str, now: Timestamp) -> Result<Filter, FilterError> {
    if text.len() > MAX_BYTES {
        return Err(FilterError::new(
            0..0,
            format!("the filter has {} bytes, more than {MAX_BYTES}", text.len()),
            "split it, or search with SQL",
        ));
    }
    let mut parser = Parser { cursor: Cursor::new(text), now, depth: 0, terms: 0 };
    parser.cursor.skip_space();
    if parser.cursor.peek().is_none() {
        return Ok(Filter::All);
    }
    let filter = parser.any(None)?;
    match parser.cursor.peek() {
        None => Ok(filter),
        // Only a closing parenthesis ends `any` before the end.
        Some(_) => Err(FilterError::new(
            parser.cursor.at()..parser.cursor.at() + 1,
            "this parenthesis closes nothing",
            "remove it, or write `\\)` for the sign itself",
        )),
    }
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    now: Timestamp,
    depth: usize,
    terms: usize,
}

/// What is parsed at a spot where a term belongs to `field:(…)` has this field.
type Group<'f> = Option<&'f Field>;

impl Parser<'_> {
    fn any(&mut self, group: Group) -> Result<Filter, FilterError> {
        let mut list = vec![self.all(group)?];
        while let Some(spot) = self.cursor.take_keyword("OR") {
            self.cursor.skip_space();
            self.expect_operand("OR", spot)?;
            list.push(self.all(group)?);
        }
        Ok(Filter::or(list))
    }

    fn all(&mut self, group: Group) -> Result<Filter, FilterError> {
        let mut list = vec![self.one(group)?];
        loop {
            self.cursor.skip_space();
            if let Some(spot) = self.cursor.take_keyword("AND") {
                self.cursor.skip_space();
                self.expect_operand("AND", spot)?;
            } else if matches!(self.cursor.peek(), None | Some(')')) || self.cursor.keyword() == Some("OR") {
                return Ok(Filter::and(list));
            }
            list.push(self.one(group)?);
        }
    }

    fn one(&mut self, group: Group) -> Result<Filter, FilterError> {
        let start = self.cursor.at();
        if let Some(keyword @ ("AND" | "OR")) = self.cursor.keyword() {
            return Err(FilterError::new(
                start..start + keyword.len(),
                format!("nothing stands before `{keyword}`"),
                format!("put a term before it, or write `\"{keyword}\"` to search for the word"),
            ));
        }
        if let Some(spot) = self.cursor.take_keyword("NOT") {
            self.cursor.skip_space();
            self.expect_operand("NOT", spot.clone())?;
            return self.deeper(spot, |parser| Ok(Filter::negated(parser.one(group)?)));
        }
        if self.cursor.take("-") {
            if self.cursor.peek() != Some('(') && self.cursor.at_end_of_term() {
                return Err(FilterError::new(
                    start..start + 1,
                    "`-` stands before nothing",
                    "put it directly before what it excludes, or write `\\-` for the sign itself",
                ));
            }
            return self.deeper(start..start + 1, |parser| Ok(Filter::negated(parser.one(group)?)));
        }
        if self.cursor.peek() == Some('(') {
            return self.parentheses(group);
        }
        self.count_term(start)?;
        match group {
            Some(field) => self.value(field),
            None => self.term(),
        }
    }

    /// The parentheses that open here.
    fn parentheses(&mut self, group: Group) -> Result<Filter, FilterError> {
        let start = self.cursor.at();
        self.cursor.take("(");
        self.cursor.skip_space();
        if self.cursor.take(")") {
            return Err(FilterError::new(
                start..self.cursor.at(),
                "nothing stands between these parentheses",
                "remove them, or write `\\(\\)` for the signs themselves",
            ));
        }
        let inner = self.deeper(start..start + 1, |parser| parser.any(group))?;
        if !self.cursor.take(")") {
            return Err(FilterError::new(
                start..start + 1,
                "this parenthesis is never closed",
                "add `)`, or write `\\(` for the sign itself",
            ));
        }
        Ok(inner)
    }

    /// A word, a phrase or a test with its field.
    fn term(&mut self) -> Result<Filter, FilterError> {
        if self.cursor.peek() == Some('"') {
            let (phrase, spot) = self.cursor.phrase()?;
            return term::phrase(phrase, spot);
        }
        let start = self.cursor.at();
        let bare = self.cursor.bare(!is_word(self.cursor.term()))?;
        if !self.cursor.take(":") {
            return term::word(&bare);
        }
        let field = term::field(&bare)?;
        if self.cursor.peek() == Some('(') {
            return self.parentheses(Some(&field));
        }
        if self.cursor.at_end_of_term() {
            let name = bare.text();
            return Err(FilterError::new(
                start..self.cursor.at(),
                format!("`{name}:` has no value"),
                format!("write the value directly after the colon; `{name}:*` finds where the field is there"),
            ));
        }
        self.value(&field)
    }

    /// What stands behind a field's colon.
    fn value(&mut self, field: &Field) -> Result<Filter, FilterError> {
        let start = self.cursor.at();
        if let Some(comparison) = Comparison::ALL.into_iter().find(|comparison| self.cursor.take(comparison.sign())) {
            let text = match self.cursor.peek() {
                Some('"') => self.cursor.phrase()?.0,
                _ => self.cursor.bare(false)?.text(),
            };
            return term::compare(field, comparison, &text, start..self.cursor.at(), self.now);
        }
        let filter = if self.cursor.peek() == Some('"') {
            let (phrase, spot) = self.cursor.phrase()?;
            term::literal(field, phrase, spot)?
        } else {
            term::value(field, &self.cursor.bare(false)?)?
        };
        if matches!(filter, Filter::And(_)) {
            // A span of time: two tests in canonical text, perhaps in parentheses.
            self.count_term(start)?;
            return self.deeper(start..self.cursor.at(), |_| Ok(filter));
        }
        Ok(filter)
    }

    fn count_term(&mut self, at: usize) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(FilterError::new(
                at..at,
                format!("the filter has more than {MAX_TERMS} terms"),
                "use wildcards or networks instead of long lists, or search with SQL",
            ));
        }
        Ok(())
    }

    fn expect_operand(&self, keyword: &str, spot: Range<usize>) -> Result<(), FilterError> {
        if matches!(self.cursor.peek(), None | Some(')')) {
            return Err(FilterError::new(
                spot,
                format!("nothing stands after `{keyword}`"),
                format!("put a term after it, or write `\"{keyword}\"` to search for the word"),
            ));
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        spot: Range<usize>,
        inner: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.depth == MAX_DEPTH {
            return Err(FilterError::new(
                spot,
                format!("parentheses and negations stand in each other more than {MAX_DEPTH} deep"),
                "remove some, or search with SQL",
            ));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}

/// Whether a term with a colon is a word all the same: an address, a URL, or what starts with a digit, such as a time.
fn is_word(term: &str) -> bool {
    term.starts_with(|char: char| char.is_ascii_digit())
        || behind_colon(term).is_some_and(|rest| rest.starts_with("//"))
        || term.parse::<Cidr>().is_ok()
}

/// What stands behind the first colon that is one.
fn behind_colon(term: &str) -> Option<&str> {
    let mut escaped = false;
    let at = term.bytes().position(|byte| {
        let found = byte == b':' && !escaped;
        escaped = byte == b'\\' && !escaped;
        found
    })?;
    Some(&term[at + 1..])
}
