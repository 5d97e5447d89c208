//! The reference evaluator over one row: single texts, and raw logs that are put together and parsed only where a cheap
//! look at what is stored cannot say no.

use std::{
    borrow::Cow,
    cell::{Cell, OnceCell, RefCell},
};

use activity::{Activity, Actor, value::Value};
use auditlake_store::{
    filter::{Field, Filter, Glob, Known, Test, matches, parse_time, word_forms},
    raw::{MARK_ID, MARK_RESOURCES, MARK_TIME_MICROS, MARK_TIME_SECONDS},
    schema::RESOURCE_SEPARATOR,
};
use jiff::{Timestamp, tz::Offset};
use memchr::memmem::Finder;

/// Whether a value passes, as it would in a raw log.
pub(super) fn passes(test: &Test, value: Value<'_>) -> bool {
    let activity = Activity {
        raw: "",
        id: Cow::Borrowed(""),
        created_at: Timestamp::UNIX_EPOCH,
        created_at_text: Cow::Borrowed(""),
        kind: Cow::Borrowed(""),
        organization_id: None,
        organization_uuid: None,
        actor: Actor::default(),
        fields: vec![(Cow::Borrowed("value"), value)],
    };
    matches(&Filter::test(Field::Raw(vec!["value".to_owned()]), test.clone()), &activity)
}

/// The time that a text stands for; no age and not `now`, which have no `-` behind four digits.
pub(super) fn time_of(text: &str) -> Option<Timestamp> {
    (text.as_bytes().get(4) == Some(&b'-')).then(|| parse_time(text, Timestamp::UNIX_EPOCH)).flatten()
}

/// A test, ready for many texts.
pub(super) struct TextTest {
    test: Test,
    /// The text of a network, which passes as well.
    network: String,
}

impl TextTest {
    pub(super) fn new(test: Test) -> Self {
        let network = match &test {
            Test::InNetwork(network) => network.with_bits(),
            _ => String::new(),
        };
        TextTest { test, network }
    }

    /// Whether a text passes. The empty one is a value.
    pub(super) fn passes(&self, text: &str) -> bool {
        match &self.test {
            Test::Equals(wanted) => wanted.eq_ignore_ascii_case(text),
            Test::Pattern(glob) => glob.matches(text),
            Test::InNetwork(network) => match text.parse() {
                Ok(address) => network.contains(address),
                Err(_) => self.network.eq_ignore_ascii_case(text),
            },
            test => passes(test, Value::String(Cow::Borrowed(text))),
        }
    }

    /// Whether one of the resources passes. Empty ones do not.
    pub(super) fn passes_any(&self, texts: &str) -> bool {
        texts.split(RESOURCE_SEPARATOR).any(|text| !text.is_empty() && self.passes(text))
    }
}

/// What is stored of an activity's raw log.
pub(crate) struct Stored<'r> {
    pub(crate) rest: &'r str,
    pub(crate) id: &'r str,
    pub(crate) time: Timestamp,
    pub(crate) resources: &'r str,
}

impl Stored<'_> {
    /// Adds the raw log to `out`: as [`auditlake_store::raw::join`] does, for a million rows at a time.
    pub(crate) fn join(&self, out: &mut String) {
        let mut rest = self.rest;
        while let Some(at) = first_mark(rest.as_bytes()) {
            out.push_str(&rest[..at]);
            let mark = char::from(rest.as_bytes()[at]);
            rest = &rest[at + 1..];
            match mark {
                MARK_ID => out.push_str(self.id),
                MARK_TIME_MICROS => push_time(self.time, true, out),
                MARK_TIME_SECONDS => push_time(self.time, false, out),
                other => {
                    let at = MARK_RESOURCES.iter().position(|&mark| mark == other);
                    let resource = at.and_then(|at| self.resources.split(RESOURCE_SEPARATOR).nth(at));
                    out.push_str(resource.unwrap_or_default());
                }
            }
        }
        out.push_str(rest);
    }
}

/// Where the first byte from 1 to 7 stands. Looks at many bytes at once, as there are few.
fn first_mark(bytes: &[u8]) -> Option<usize> {
    let is_mark = |byte: &u8| byte.wrapping_sub(1) < 7;
    let mut start = 0;
    for chunk in bytes.chunks(32) {
        if chunk.iter().fold(false, |found, byte| found | is_mark(byte)) {
            return chunk.iter().position(is_mark).map(|at| start + at);
        }
        start += chunk.len();
    }
    None
}

/// Whether nothing but quotes touches what the marks stand for.
fn marks_stand_in_quotes(rest: &[u8]) -> bool {
    let mut done = 0;
    while let Some(at) = first_mark(&rest[done..]) {
        let at = done + at;
        if at == 0 || rest[at - 1] != b'"' || rest.get(at + 1) != Some(&b'"') {
            return false;
        }
        done = at + 1;
    }
    true
}

/// Adds a time as the marks stand for it: of the years 0 to 9999.
fn push_time(time: Timestamp, with_micros: bool, out: &mut String) {
    const MINUTE_MICROS: i64 = 60_000_000;
    let (minute, micros) =
        (time.as_microsecond().div_euclid(MINUTE_MICROS), time.as_microsecond().rem_euclid(MINUTE_MICROS) as u32);
    let (known, mut text) = MINUTE.get();
    // Rows that lie side by side are of the same minute, more often than not.
    if known != Some(minute) {
        text = minute_of(time);
        MINUTE.set((Some(minute), text));
    }
    let mut all = [b'Z'; 27];
    all[..17].copy_from_slice(&text);
    all[17..19].copy_from_slice(&two_digits(micros / 1_000_000));
    let length = match with_micros {
        true => {
            all[19] = b'.';
            for (at, pair) in [micros / 10_000, micros / 100, micros].into_iter().map(|pair| pair % 100).enumerate() {
                all[20 + 2 * at..22 + 2 * at].copy_from_slice(&two_digits(pair));
            }
            27
        }
        false => 20,
    };
    out.push_str(str::from_utf8(&all[..length]).unwrap_or_default());
}

/// Year to minute, with what stands behind each.
fn minute_of(time: Timestamp) -> [u8; 17] {
    let time = Offset::UTC.to_datetime(time);
    let year = u32::from(time.year().unsigned_abs());
    let mut text = *b"0000-00-00T00:00:";
    let numbers = [year / 100, year % 100]
        .into_iter()
        .chain([time.month(), time.day(), time.hour(), time.minute()].map(|number| u32::from(number.unsigned_abs())));
    for (at, number) in [0, 2, 5, 8, 11, 14].into_iter().zip(numbers) {
        text[at..at + 2].copy_from_slice(&two_digits(number));
    }
    text
}

fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

thread_local! {
    /// The minute that was written last, counted from 1970, and its text.
    static MINUTE: Cell<(Option<i64>, [u8; 17])> = const { Cell::new((None, [0; 17])) };
}

/// A filter, ready for many rows.
pub(super) enum RawTest {
    And(Vec<RawTest>),
    Or(Vec<RawTest>),
    Not(Box<RawTest>),
    /// One of these texts stands in the raw log, in lower case on both sides.
    Word(Vec<Word>),
    /// The raw log is of this form; and these are its pieces in lower case.
    Form(Glob, Vec<Word>),
    /// The parsed activity passes, which needs all of the keys.
    Path(Vec<Key>, Filter),
}

/// A text to look for, in lower case.
pub(super) struct Word {
    finder: Finder<'static>,
    /// Whether it can only stand within one of the texts that are stored apart, if each of those stands between quotes in the raw log.
    is_apart: bool,
}

/// A key of an object, and how to see that it is not there.
pub(super) struct Key {
    quoted: Finder<'static>,
    /// What stands in every other spelling of it.
    escape: Finder<'static>,
}

impl RawTest {
    pub(super) fn new(filter: &Filter) -> Self {
        let all = |list: &[Filter]| list.iter().map(RawTest::new).collect();
        match filter {
            Filter::All => RawTest::And(Vec::new()),
            Filter::And(list) => RawTest::And(all(list)),
            Filter::Or(list) => RawTest::Or(all(list)),
            Filter::Not(inner) => RawTest::Not(Box::new(RawTest::new(inner))),
            Filter::Word(word) => RawTest::Word(word_forms(word).iter().map(|form| Word::new(form)).collect()),
            Filter::Test { field: Field::Known(Known::RawLog), test: Test::Pattern(glob) } => {
                RawTest::Form(glob.clone(), glob.pieces().iter().map(|piece| Word::new(piece)).collect())
            }
            Filter::Test { field: Field::Raw(path), .. } => {
                RawTest::Path(path.iter().map(|key| Key::new(key)).collect(), filter.clone())
            }
            Filter::Test { .. } => RawTest::Path(Vec::new(), filter.clone()),
        }
    }

    /// Whether the row passes.
    pub(super) fn passes(&self, stored: &Stored) -> bool {
        SCRATCH.with_borrow_mut(|(parts, lower)| {
            parts.clear();
            lower.clear();
            let raw = OnceCell::new();
            self.passes_row(&mut Row { stored, raw: &raw, parts, lower, activity: OnceCell::new() })
        })
    }

    fn passes_row<'t>(&self, row: &mut Row<'t, '_>) -> bool {
        match self {
            RawTest::And(all) => all.iter().all(|test| test.passes_row(row)),
            RawTest::Or(any) => any.iter().any(|test| test.passes_row(row)),
            RawTest::Not(inner) => !inner.passes_row(row),
            RawTest::Word(forms) => forms.iter().any(|form| row.holds(form)),
            RawTest::Form(glob, pieces) => pieces.iter().all(|piece| row.holds(piece)) && glob.matches(row.raw()),
            RawTest::Path(keys, filter) => {
                // The last key is the rarest.
                keys.iter().rev().all(|key| key.may_stand_in(row.stored.rest))
                    && row.activity().is_some_and(|activity| matches(filter, activity))
            }
        }
    }
}

impl Word {
    fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        // A time is written out of its column; an empty text stands everywhere.
        let may_be_of_a_time = lower.bytes().all(|byte| byte.is_ascii_digit() || b"-:.tz".contains(&byte));
        let is_apart = !may_be_of_a_time && !lower.bytes().any(|byte| byte == b'"' || byte.is_ascii_control());
        Word { finder: Finder::new(&lower).into_owned(), is_apart }
    }

    fn stands_in(&self, lower: &str) -> bool {
        self.finder.find(lower.as_bytes()).is_some()
    }
}

impl Key {
    fn new(key: &str) -> Self {
        // A string takes all of this without an error.
        let quoted = serde_json::to_string(key).unwrap_or_default();
        let escape = if is_plain_key(key) { "\\u" } else { "\\" };
        Key { quoted: Finder::new(&quoted).into_owned(), escape: Finder::new(escape) }
    }

    /// Keys are stored as they stand in the raw log: what has a column is a value.
    fn may_stand_in(&self, rest: &str) -> bool {
        self.quoted.find(rest.as_bytes()).is_some() || self.escape.find(rest.as_bytes()).is_some()
    }
}

/// Whether every other spelling of the key has a `\u` in it.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.contains(|sign: char| sign.is_control() || matches!(sign, '"' | '\\' | '/'))
}

thread_local! {
    /// Room for what is stored of a raw log and for all of it, in lower case.
    static SCRATCH: RefCell<(String, String)> = const { RefCell::new((String::new(), String::new())) };
}

/// A row, and what was made of it so far.
struct Row<'t, 's> {
    stored: &'s Stored<'s>,
    raw: &'t OnceCell<String>,
    /// What is stored of the raw log, side by side. Empty before it is made, as is the next one; no raw log is empty.
    parts: &'s mut String,
    lower: &'s mut String,
    activity: OnceCell<Option<Activity<'t>>>,
}

impl<'t> Row<'t, '_> {
    fn raw(&self) -> &'t str {
        self.raw.get_or_init(|| {
            let mut raw = String::with_capacity(self.stored.rest.len() + 160);
            self.stored.join(&mut raw);
            raw
        })
    }

    /// Whether a text stands in the raw log, in lower case on both sides. Most raw logs need not be put together for a no.
    fn holds(&mut self, word: &Word) -> bool {
        if word.is_apart && !word.stands_in(self.parts()) && marks_stand_in_quotes(self.stored.rest.as_bytes()) {
            return false;
        }
        word.stands_in(self.lower())
    }

    fn parts(&mut self) -> &str {
        if self.parts.is_empty() {
            for part in [self.stored.rest, self.stored.id, self.stored.resources] {
                self.parts.push_str(part);
                self.parts.push(RESOURCE_SEPARATOR);
            }
            self.parts.make_ascii_lowercase();
        }
        self.parts
    }

    fn lower(&mut self) -> &str {
        if self.lower.is_empty() {
            self.stored.join(self.lower);
            self.lower.make_ascii_lowercase();
        }
        self.lower
    }

    fn activity(&self) -> Option<&Activity<'t>> {
        self.activity.get_or_init(|| Activity::parse_str(self.raw()).ok()).as_ref()
    }
}
