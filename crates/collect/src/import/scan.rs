//! Cuts a stream of bytes into records: lines, lists, pages, pretty-printed or not, one behind the other.
//!
//! A record keeps its exact bytes. Where one is broken, the scanner reports it, looks for the next place where a record
//! plausibly begins, and goes on from there. Works on whatever part of the stream is at hand and remembers the rest.

use std::ops::Range;

use super::shape::{Flaw, Shape, Step};

/// A single record may have so many bytes.
pub const MAX_RECORD_BYTES: usize = 32 << 20;
/// Of what is too long, so many bytes are kept.
pub(super) const KEPT_BYTES: usize = 64 << 10;
/// Lists of pages of lists: nobody writes more.
const MAX_LISTS: usize = 8;
/// The key with which records begin, until one was seen.
const FIRST_KEY: &[u8] = b"id";

/// A record, or something broken, in the bytes that were scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    /// Where its bytes lie.
    pub(super) range: Range<usize>,
    /// The line on which it begins, counted from 1.
    pub(super) line: u64,
    /// What is wrong with it.
    pub(super) flaw: Option<Flaw>,
}

/// What is open around a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Array,
    Page,
}

#[derive(Debug)]
enum State {
    /// Between records.
    Between,
    /// In a record that began on this line; `kept` unless it is too long already.
    Record { shape: Shape, line: u64, kept: bool },
    /// In a page, behind its list.
    Page(Shape),
    /// Behind something broken, looking for the next record.
    Lost { flaw: Flaw, line: u64, kept: bool },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    lists: Vec<List>,
    /// Where the current record or broken stretch begins in the bytes at hand, if it is kept.
    start: usize,
    /// Where to go on.
    at: usize,
    /// The line at `at`; in a record, the line on which it began.
    line: u64,
    is_line_start: bool,
    first_key: Option<Vec<u8>>,
    max: usize,
}

impl Scanner {
    /// A scanner at the start of a stream.
    pub(super) fn new() -> Self {
        Scanner {
            state: State::Between,
            lists: Vec::new(),
            start: 0,
            at: 0,
            line: 1,
            is_line_start: true,
            first_key: None,
            max: MAX_RECORD_BYTES,
        }
    }

    /// Scans bytes until they end or `most` records are found, adds what it finds to `spans`, and says how many bytes it
    /// is done with: the caller passes the rest again, with more behind it. `is_end` says that no more will come.
    pub(super) fn scan(&mut self, bytes: &[u8], is_end: bool, most: usize, spans: &mut Vec<Span>) -> usize {
        let mut found = 0;
        while found < most {
            let before = spans.len();
            let goes_on = match &self.state {
                State::Between => self.between(bytes, is_end, spans),
                State::Record { .. } => self.record(bytes, is_end, spans),
                State::Page(_) => self.page(bytes, is_end, spans),
                State::Lost { .. } => self.lost(bytes, is_end, spans),
            };
            found += spans[before..].iter().filter(|span| span.flaw.is_none()).count();
            if !goes_on {
                break;
            }
        }
        let keeps = matches!(self.state, State::Record { kept: true, .. } | State::Lost { kept: true, .. });
        let done = if keeps { self.start } else { self.at };
        self.at -= done;
        self.start = 0;
        done
    }

    fn lose(&mut self, flaw: Flaw) {
        self.start = self.at;
        self.state = State::Lost { flaw, line: self.line, kept: true };
        self.at += 1;
        self.is_line_start = false;
    }

    fn between(&mut self, bytes: &[u8], is_end: bool, spans: &mut Vec<Span>) -> bool {
        let Some(&byte) = bytes.get(self.at) else {
            if is_end && !self.lists.is_empty() {
                spans.push(Span { range: self.at..self.at, line: self.line, flaw: Some(Flaw::OpenList) });
                self.lists.clear();
            }
            return false;
        };
        match byte {
            b'{' => {
                self.start = self.at;
                self.state = State::Record { shape: Shape::new(), line: self.line, kept: true };
                return true;
            }
            b'\n' => self.line += 1,
            b' ' | b'\t' | b'\r' | b',' => {}
            b'[' if self.lists.len() < MAX_LISTS => self.lists.push(List::Array),
            b']' if !self.lists.is_empty() => {
                if self.lists.pop() == Some(List::Page) {
                    self.state = State::Page(Shape::rest_of_page());
                }
            }
            0xef => match bytes.get(self.at..self.at + 3) {
                Some(b"\xef\xbb\xbf") => self.at += 2,
                None if !is_end => return false,
                _ => {
                    self.lose(Flaw::NoObject);
                    return true;
                }
            },
            _ => {
                self.lose(Flaw::NoObject);
                return true;
            }
        }
        self.at += 1;
        true
    }

    fn record(&mut self, bytes: &[u8], is_end: bool, spans: &mut Vec<Span>) -> bool {
        let State::Record { shape, line, kept } = &mut self.state else { return false };
        let (line, was_kept) = (*line, *kept);
        let step = shape.scan(bytes, self.start, &mut self.at);
        let lines = shape.lines;
        let is_long = was_kept && self.at - self.start > self.max;
        if is_long {
            spans.push(Span {
                range: self.start..self.start + KEPT_BYTES.min(self.max),
                line,
                flaw: Some(Flaw::TooLong),
            });
            shape.forget_start();
            *kept = false;
        }
        let is_kept = *kept;
        match step {
            Step::Done => {
                if is_kept {
                    let range = self.start..self.at;
                    self.first_key.get_or_insert_with(|| first_key(&bytes[range.clone()]));
                    spans.push(Span { range, line, flaw: None });
                }
                self.line = line + lines;
                self.state = State::Between;
            }
            Step::Page => {
                self.line = line + lines;
                self.state = State::Between;
                self.lists.push(List::Page);
            }
            Step::More if !is_end => return false,
            Step::More => self.break_off(Flaw::Cut, line, lines, is_kept),
            Step::Flaw(flaw) => self.break_off(flaw, line, lines, is_kept),
        }
        true
    }

    /// Looks for the next record right behind the start of a broken one, if its bytes are still at hand.
    fn break_off(&mut self, flaw: Flaw, line: u64, lines: u64, kept: bool) {
        self.line = line;
        if kept {
            self.at = self.start;
            self.lose(flaw);
        } else {
            self.line += lines;
            self.is_line_start = false;
            self.state = State::Lost { flaw, line, kept: false };
        }
    }

    fn page(&mut self, bytes: &[u8], is_end: bool, spans: &mut Vec<Span>) -> bool {
        let State::Page(shape) = &mut self.state else { return false };
        let step = shape.scan(bytes, 0, &mut self.at);
        let lines = std::mem::take(&mut shape.lines);
        self.line += lines;
        match step {
            Step::More if !is_end => return false,
            Step::More => {
                spans.push(Span { range: self.at..self.at, line: self.line, flaw: Some(Flaw::OpenList) });
                self.state = State::Between;
            }
            Step::Flaw(flaw) => self.lose(flaw),
            Step::Done | Step::Page => self.state = State::Between,
        }
        true
    }

    fn lost(&mut self, bytes: &[u8], is_end: bool, spans: &mut Vec<Span>) -> bool {
        let State::Lost { flaw, line, kept } = self.state else { return false };
        let mut is_found = false;
        while let Some(&byte) = bytes.get(self.at) {
            match self.begins(bytes, is_end) {
                Some(true) => {
                    is_found = true;
                    break;
                }
                Some(false) => {}
                None => return false,
            }
            self.is_line_start = byte == b'\n';
            self.line += u64::from(byte == b'\n');
            self.at += 1;
        }
        let is_over = is_found || is_end;
        let is_long = kept && self.at - self.start > self.max;
        if kept && (is_over || is_long) {
            let end = if is_long { self.start + KEPT_BYTES.min(self.max) } else { self.at };
            let range = self.start..self.start + bytes[self.start..end].trim_ascii_end().len();
            spans.push(Span { range, line, flaw: Some(flaw) });
            self.state = State::Lost { flaw, line, kept: false };
        }
        if is_over {
            self.state = State::Between;
        }
        is_over
    }

    /// Whether a record, or another broken stretch, plausibly begins here. `None` if that takes more bytes.
    fn begins(&self, bytes: &[u8], is_end: bool) -> Option<bool> {
        let byte = bytes[self.at];
        if self.is_line_start {
            // A line of its own in a file of lines; pretty-printed rests are indented or close something.
            let is_new = match self.lists.is_empty() {
                true => !byte.is_ascii_whitespace() && !matches!(byte, b'}' | b']' | b','),
                false => matches!(byte, b'{' | b'['),
            };
            if is_new {
                return Some(true);
            }
        }
        if byte != b'{' {
            return Some(false);
        }
        let key = self.first_key.as_deref().unwrap_or(FIRST_KEY);
        let rest = bytes[self.at + 1..].trim_ascii_start();
        if rest.len() < key.len() + 2 && !is_end && bytes.len() - self.at < KEPT_BYTES {
            return None;
        }
        Some(
            rest.strip_prefix(b"\"")
                .and_then(|rest| rest.strip_prefix(key))
                .is_some_and(|rest| rest.starts_with(b"\"")),
        )
    }
}

/// The first key of an object, as it is written.
fn first_key(object: &[u8]) -> Vec<u8> {
    let key = object[1..].trim_ascii_start().strip_prefix(b"\"").and_then(|rest| rest.split(|&b| b == b'"').next());
    key.filter(|key| !key.is_empty() && key.len() < 64).unwrap_or(FIRST_KEY).to_vec()
}

#[cfg(test)]
mod tests;
