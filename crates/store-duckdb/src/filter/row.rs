//! The reference evaluator over one row: single texts, and raw logs that are put together and parsed only where a cheap
//! look at what is stored cannot say no.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
};

use activity::{Activity, Actor, value::Value};
use auditlake_store::{
    filter::{Field, Filter, Glob, Known, Test, matches, parse_time, word_forms},
    raw,
    schema::RESOURCE_SEPARATOR,
};
use jiff::Timestamp;

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
}

impl TextTest {
    pub(super) fn new(test: Test) -> Self {
        TextTest { test }
    }

    /// Whether a text passes. The empty one is a value.
    pub(super) fn passes(&self, text: &str) -> bool {
        match &self.test {
            Test::Equals(wanted) => wanted.eq_ignore_ascii_case(text),
            Test::Pattern(glob) => glob.matches(text),
            test => passes(test, Value::String(Cow::Borrowed(text))),
        }
    }

    /// Whether one of the resources passes. Empty ones do not.
    pub(super) fn passes_any(&self, texts: &str) -> bool {
        texts.split(RESOURCE_SEPARATOR).any(|text| !text.is_empty() && self.passes(text))
    }
}

/// What is stored of an activity's raw log.
pub(super) struct Stored<'r> {
    pub(super) rest: &'r str,
    pub(super) id: &'r str,
    pub(super) time: Timestamp,
    pub(super) resources: &'r str,
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
        let has_short_escape = key.contains(|sign: char| sign.is_control() || matches!(sign, '"' | '\\' | '/'));
        Key { quoted, escape: if has_short_escape { "\\" } else { "\\u" } }
    }

    /// Keys are stored as they stand in the raw log: what has a column is a value.
    fn may_stand_in(&self, rest: &str) -> bool {
        rest.contains(self.quoted.as_str()) || rest.contains(self.escape)
    }
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
            let resources: Vec<&str> = self.stored.resources.split(RESOURCE_SEPARATOR).collect();
            raw::join(self.stored.rest, self.stored.id, self.stored.time, &resources)
        })
    }

    fn lower(&mut self) -> &str {
        if self.lower.is_empty() {
            let raw = self.raw();
            self.lower.push_str(raw);
            self.lower.make_ascii_lowercase();
        }
        self.lower
    }

    fn activity(&self) -> Option<&Activity<'t>> {
        self.activity.get_or_init(|| Activity::parse_str(self.raw()).ok()).as_ref()
    }
}
