//! Where a JSON object ends, found byte by byte, across as many reads as it takes.
//!
//! No parser: just as much grammar as it takes to notice soon that an object is broken, so that a lost quote or brace costs
//! one record and not the rest of the file. The workers parse for good.

use std::fmt;

use super::scan::MAX_RECORD_BYTES;

/// Objects that nest deeper are not parsed either.
const MAX_DEPTH: u32 = 127;

/// What is wrong with a stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The file ends inside the record.
    Cut,
    /// A line ends inside a string.
    LineBreak,
    /// Something else stands where a record should.
    NoObject,
    /// Something stands where it cannot stand.
    Unexpected(u8),
    /// Nested too deeply.
    TooDeep,
    /// Longer than a record may be.
    TooLong,
    /// The file ends inside a list or a page.
    OpenList,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Flaw::Cut => f.write_str("the file ends inside this record"),
            Flaw::LineBreak => f.write_str("invalid JSON: the line ends inside a string"),
            Flaw::NoObject => f.write_str("not a JSON object"),
            Flaw::Unexpected(byte) => write!(f, "invalid JSON: unexpected `{}`", byte.escape_ascii()),
            Flaw::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep"),
            Flaw::TooLong => write!(f, "longer than {} MiB; only its first bytes are kept", MAX_RECORD_BYTES >> 20),
            Flaw::OpenList => f.write_str("the file ends before its list is closed: it may have been cut short"),
        }
    }
}

/// How far an object has been scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To the end of the bytes.
    More,
    /// To its end.
    Done,
    /// Into the list `data` of a saved page.
    Page,
    /// To where it is broken.
    Flaw(Flaw),
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Not known yet.
    Open,
    /// As `Open`; the last key was `data`.
    Data,
    /// Anything but a page.
    Record,
}

/// The state of scanning one object.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// A bit for each open bracket, the innermost lowest; set for an object.
    kinds: u128,
    depth: u32,
    /// The last byte that was no white space; `"` for a whole string, `0` for a number or word.
    last: u8,
    in_string: bool,
    is_escaped: bool,
    role: Role,
    /// Where the last key of the outermost object lies, counted from the object's start.
    key: (usize, usize),
    /// Line breaks so far.
    pub(super) lines: u64,
}

impl Shape {
    /// An object, before its opening brace.
    pub(super) fn new() -> Self {
        Shape {
            kinds: 0,
            depth: 0,
            last: b':',
            in_string: false,
            is_escaped: false,
            role: Role::Open,
            key: (0, 0),
            lines: 0,
        }
    }

    /// The rest of a page, behind its list.
    pub(super) fn rest_of_page() -> Self {
        Shape { kinds: 1, depth: 1, last: b'0', role: Role::Record, ..Shape::new() }
    }

    /// The object's start is not at hand any more: do not look for what it is.
    pub(super) fn forget_start(&mut self) {
        self.role = Role::Record;
    }

    /// Scans on from `at`, and moves it. The object began at `start`.
    pub(super) fn scan(&mut self, bytes: &[u8], start: usize, at: &mut usize) -> Step {
        loop {
            if self.in_string
                && let Some(step) = self.string(bytes, start, at)
            {
                return step;
            }
            let Some(&byte) = bytes.get(*at) else { return Step::More };
            let step = match byte {
                b'"' => self.open_string(*at - start),
                b',' => self.comma(),
                b':' => self.colon(bytes, start),
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => self.close(byte),
                b' ' | b'\t' | b'\r' => None,
                b'\n' => {
                    self.lines += 1;
                    None
                }
                other => self.word(other),
            };
            match step {
                None => *at += 1,
                Some(Step::Flaw(flaw)) => return Step::Flaw(flaw),
                Some(step) => {
                    *at += 1;
                    return step;
                }
            }
        }
    }

    /// Scans the rest of a string.
    fn string(&mut self, bytes: &[u8], start: usize, at: &mut usize) -> Option<Step> {
        loop {
            if self.is_escaped {
                if *at >= bytes.len() {
                    return Some(Step::More);
                }
                if bytes[*at] == b'\n' {
                    return Some(Step::Flaw(Flaw::LineBreak));
                }
                self.is_escaped = false;
                *at += 1;
            }
            let Some(found) = special(&bytes[*at..]) else {
                *at = bytes.len();
                return Some(Step::More);
            };
            *at += found;
            match bytes[*at] {
                b'"' => {
                    self.in_string = false;
                    if self.depth == 1 && self.role != Role::Record {
                        self.key.1 = *at - start;
                    }
                    self.last = b'"';
                    *at += 1;
                    return None;
                }
                b'\\' => {
                    self.is_escaped = true;
                    *at += 1;
                }
                b'\n' => return Some(Step::Flaw(Flaw::LineBreak)),
                _ => *at += 1,
            }
        }
    }

    fn in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    fn value_may_follow(&self) -> bool {
        match self.last {
            b':' => true,
            b'[' => true,
            b',' => !self.in_object(),
            _ => false,
        }
    }

    fn open_string(&mut self, at: usize) -> Option<Step> {
        if !matches!(self.last, b':' | b'[' | b',' | b'{') {
            return Some(Step::Flaw(Flaw::Unexpected(b'"')));
        }
        self.in_string = true;
        if self.depth == 1 && self.role != Role::Record && self.last != b':' {
            self.key.0 = at + 1;
        }
        None
    }

    fn word(&mut self, byte: u8) -> Option<Step> {
        if self.last != b'0' && !self.value_may_follow() {
            return Some(Step::Flaw(Flaw::Unexpected(byte)));
        }
        self.last = b'0';
        None
    }

    fn comma(&mut self) -> Option<Step> {
        if !matches!(self.last, b'"' | b'0' | b'}' | b']') {
            return Some(Step::Flaw(Flaw::Unexpected(b',')));
        }
        self.last = b',';
        None
    }

    fn colon(&mut self, bytes: &[u8], start: usize) -> Option<Step> {
        if !self.in_object() || self.last != b'"' {
            return Some(Step::Flaw(Flaw::Unexpected(b':')));
        }
        self.last = b':';
        if self.depth == 1 && self.role != Role::Record {
            self.role = match &bytes[start + self.key.0..start + self.key.1] {
                b"id" | b"created_at" | b"type" | b"actor" | b"organization_id" | b"organization_uuid" => Role::Record,
                b"data" => Role::Data,
                _ => Role::Open,
            };
        }
        None
    }

    fn open(&mut self, byte: u8) -> Option<Step> {
        if !self.value_may_follow() {
            return Some(Step::Flaw(Flaw::Unexpected(byte)));
        }
        if byte == b'[' && self.depth == 1 && self.role == Role::Data {
            return Some(Step::Page);
        }
        if self.depth >= MAX_DEPTH {
            return Some(Step::Flaw(Flaw::TooDeep));
        }
        self.kinds = self.kinds << 1 | u128::from(byte == b'{');
        self.depth += 1;
        self.last = byte;
        None
    }

    fn close(&mut self, byte: u8) -> Option<Step> {
        if self.in_object() != (byte == b'}') || self.last == b',' || self.last == b':' {
            return Some(Step::Flaw(Flaw::Unexpected(byte)));
        }
        self.kinds >>= 1;
        self.depth -= 1;
        self.last = byte;
        (self.depth == 0).then_some(Step::Done)
    }
}

/// The first quote, backslash or control character, eight bytes at a time.
fn special(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special_in(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
    Some(words.len() * 8 + at)
}

/// The high bit of each byte that is special; those above the lowest special one may be wrong.
fn special_in(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = is_zero(word ^ (ONES * u64::from(b'"')));
    let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}

#[cfg(test)]
mod tests;
