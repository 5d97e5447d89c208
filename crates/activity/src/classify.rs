//! What follows from an activity's type and fields: category, outcome, surface, whether anything changed, what was
//! touched.
//!
//! Known types go by the catalogue. Types that it does not have yet go by the rules on names in `classify/guess.rs`,
//! and are marked as guessed, so that nobody takes a guess for knowledge. Called for every activity: a known type costs
//! one look-up and no allocation.

use std::{borrow::Cow, collections::HashSet};

use crate::{
    catalog::{self, Outcome, TypeInfo},
    value::{Fields, each_at},
};

mod guess;
#[cfg(test)]
mod tests;

pub use guess::{
    OTHER, resources_in_words as guess_resources, summary as guess_summary, target_in_words as guess_target,
};

/// What can be said of an activity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Classification<'n> {
    /// The wire value of the activity's `type`.
    pub name: &'n str,
    /// The name of one of [`catalog::categories`].
    pub category: &'static str,
    /// The name of one of [`catalog::surfaces`].
    pub surface: &'static str,
    /// How the action ended.
    pub outcome: Outcome,
    /// Whether everything is as it was before.
    pub read_only: bool,
    /// Whether all this was guessed from the name, because the catalogue does not have the type.
    pub guessed: bool,
    /// What the catalogue says of the type.
    pub info: Option<&'static TypeInfo>,
}

/// Classifies an activity of the type `name` with these fields beside the envelope.
pub fn classify<'n>(name: &'n str, fields: &Fields) -> Classification<'n> {
    classify_with(name, |path| first(fields, path))
}

/// As [`classify`], for a caller that holds the fields in another form: `field` answers the first scalar at a path as
/// text, and is asked only for types whose name alone does not tell.
pub fn classify_with<'n, 'v>(name: &'n str, field: impl Fn(&str) -> Option<Cow<'v, str>>) -> Classification<'n> {
    let Some(info) = catalog::get(name) else { return guess::classify(name) };
    Classification {
        name,
        category: &info.category,
        surface: &info.surface,
        outcome: info.outcome.apply(&field),
        read_only: info.read_only.apply(&field),
        guessed: false,
        info: Some(info),
    }
}

impl Classification<'_> {
    /// The ids of the things that the activity touched, in the order of its fields' paths, each once, none empty.
    pub fn resources<'f>(&self, fields: &'f Fields) -> Vec<Cow<'f, str>> {
        let mut found = Distinct::default();
        match self.info {
            Some(info) => {
                for path in &info.resources {
                    each_at(fields, path, &mut |value| found.extend(value.scalar_text()));
                }
            }
            None => guess::each_resource(fields, &mut |id| found.extend(Some(id))),
        }
        found.list
    }

    /// The first name of whom or what the action was done to: an id mostly, else an address or a name.
    pub fn target<'f>(&self, fields: &'f Fields) -> Option<Cow<'f, str>> {
        match self.info {
            Some(info) => first(fields, info.target.as_deref()?),
            None => guess::target(self.name, fields),
        }
    }
}

/// The first scalar at a path as text; the empty string counts as absent.
fn first<'f>(fields: &'f Fields, path: &str) -> Option<Cow<'f, str>> {
    let mut found = None;
    each_at(fields, path, &mut |value| {
        if found.is_none() {
            found = value.scalar_text().filter(|text| !text.is_empty());
        }
    });
    found
}

/// A list without repetition, in order. Most lists hold one or two ids, a bulk change thousands.
#[derive(Default)]
struct Distinct<'f> {
    list: Vec<Cow<'f, str>>,
    seen: HashSet<Cow<'f, str>>,
}

impl<'f> Distinct<'f> {
    const SCANNED: usize = 32;

    fn extend(&mut self, id: Option<Cow<'f, str>>) {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return };
        let is_new = if self.list.len() < Self::SCANNED {
            !self.list.contains(&id)
        } else {
            if self.seen.is_empty() {
                self.seen.extend(self.list.iter().cloned());
            }
            self.seen.insert(id.clone())
        };
        if is_new {
            self.list.push(id);
        }
    }
}
