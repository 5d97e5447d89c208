//! The reference evaluator over one row: single texts, and raw logs that are put together and parsed only where a cheap
//! look at what is stored cannot say no.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
};

use activity::{Activity, Actor, value::Value};
use auditlake_store::{
    filter::{Field, Filter, Glob, Known, Test, matches, parse_time, word_forms},
    raw::{MARK_ID, MARK_RESOURCES, MARK_TIME_MICROS, MARK_TIME_SECONDS},
    schema::RESOURCE_SEPARATOR,
};
use jiff::{Timestamp, tz::Offset};

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

/// Adds a time as the marks stand for it: of the years 0 to 9999.
fn push_time(time: Timestamp, with_micros: bool, out: &mut String) {
    let time = Offset::UTC.to_datetime(time);
    let mut digits = |number: i32, count: u32, end: char| {
        for place in (0..count).rev() {
            out.push(char::from(b'0' + (number / 10_i32.pow(place) % 10).unsigned_abs() as u8));
        }
        out.push(end);
    };
    digits(time.year().into(), 4, '-');
    digits(time.month().into(), 2, '-');
    digits(time.day().into(), 2, 'T');
    digits(time.hour().into(), 2, ':');
    digits(time.minute().into(), 2, ':');
    match with_micros {
        true => {
            digits(time.second().into(), 2, '.');
            digits(time.subsec_nanosecond() / 1_000, 6, 'Z');
        }
        false => digits(time.second().into(), 2, 'Z'),
    }
}

/// A filter, ready for many rows.
pub(super) enum RawTest {
    And(Vec<RawTest>),
    Or(Vec<RawTest>),
    Not(Box<RawTest>),
    /// One of these texts stands in the raw log, in lower case on both sides.
    Word(Vec<String>),
    /// The raw log is of this form; and these are its pieces in lower case.
    Form(Glob, Vec<String>),
    /// The parsed activity passes, which needs all of the keys.
    Path(Vec<Key>, Filter),
}

/// A key of an object, and how to see that it is not there.
pub(super) struct Key {
    quoted: String,
    /// What stands in every other spelling of it.
    escape: &'static str,
}

impl RawTest {
    pub(super) fn new(filter: &Filter) -> Self {
        let all = |list: &[Filter]| list.iter().map(RawTest::new).collect();
        match filter {
            Filter::All => RawTest::And(Vec::new()),
            Filter::And(list) => RawTest::And(all(list)),
            Filter::Or(list) => RawTest::Or(all(list)),
            Filter::Not(inner) => RawTest::Not(Box::new(RawTest::new(inner))),
            Filter::Word(word) => {
                RawTest::Word(word_forms(word).iter().map(|form| form.to_ascii_lowercase()).collect())
            }
            Filter::Test { field: Field::Known(Known::RawLog), test: Test::Pattern(glob) } => {
                RawTest::Form(glob.clone(), glob.pieces().iter().map(|piece| piece.to_ascii_lowercase()).collect())
            }
            Filter::Test { field: Field::Raw(path), .. } => {
                RawTest::Path(path.iter().map(|key| Key::new(key)).collect(), filter.clone())
            }
            Filter::Test { .. } => RawTest::Path(Vec::new(), filter.clone()),
        }
    }

    /// Whether the row passes.
    pub(super) fn passes(&self, stored: &Stored) -> bool {
        SCRATCH.with_borrow_mut(|lower| {
            lower.clear();
            let raw = OnceCell::new();
            self.passes_row(&mut Row { stored, raw: &raw, lower, activity: OnceCell::new() })
        })
    }

    fn passes_row<'t>(&self, row: &mut Row<'t, '_>) -> bool {
        match self {
            RawTest::And(all) => all.iter().all(|test| test.passes_row(row)),
            RawTest::Or(any) => any.iter().any(|test| test.passes_row(row)),
            RawTest::Not(inner) => !inner.passes_row(row),
            RawTest::Word(forms) => {
                let lower = row.lower();
                forms.iter().any(|form| lower.contains(form.as_str()))
            }
            RawTest::Form(glob, pieces) => {
                let lower = row.lower();
                pieces.iter().all(|piece| lower.contains(piece.as_str())) && glob.matches(row.raw())
            }
            RawTest::Path(keys, filter) => {
                // The last key is the rarest.
                keys.iter().rev().all(|key| key.may_stand_in(row.stored.rest))
                    && row.activity().is_some_and(|activity| matches(filter, activity))
            }
        }
    }
}

impl Key {
    fn new(key: &str) -> Self {
        // A string takes all of this without an error.
        let quoted = serde_json::to_string(key).unwrap_or_default();
        Key { quoted, escape: if is_plain_key(key) { "\\u" } else { "\\" } }
    }

    /// Keys are stored as they stand in the raw log: what has a column is a value.
    fn may_stand_in(&self, rest: &str) -> bool {
        rest.contains(self.quoted.as_str()) || rest.contains(self.escape)
    }
}

/// Whether every other spelling of the key has a `\u` in it.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.contains(|sign: char| sign.is_control() || matches!(sign, '"' | '\\' | '/'))
}

thread_local! {
    /// Room for a raw log in lower case.
    static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A row, and what was made of it so far.
struct Row<'t, 's> {
    stored: &'s Stored<'s>,
    raw: &'t OnceCell<String>,
    /// Empty before it is made; no raw log is empty.
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
