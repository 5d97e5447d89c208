//! The script: what happens in the organization, as data.
//!
//! `data/*.txt` hold *stories*, each a run of *steps*; a step is one activity. Sessions are what people do, routines what
//! the organization does all the time, rarities what it does once a quarter, scenarios what attackers do. [`book`] reads
//! the files once and turns each step into a short program ([`Op`]) that writes the activity's own fields.
//!
//! The format, a line at a time (`#` begins a comment):
//! ```text
//! KIND NAME [attribute | attribute=value]…
//!   [+DELAY[..DELAY]] [?PERCENT%] TYPE[*TIMES[..TIMES]] [@ACTOR[/PLACE[/CLIENT]]] [unlabelled] [FIELD=VALUE]…
//! ```
//! Fields that a step does not name take the value of `data/fields.txt`; [`value`] explains the values.

mod compile;
mod parse;
pub(crate) mod value;
mod words;

use std::sync::LazyLock;

use crate::{calendar::Micros, devices::Client, networks::NetworkKind, people::Unit, script::value::Op};

/// Everything that can happen.
pub(crate) struct Book {
    pub(crate) steps: Vec<Step>,
    pub(crate) sessions: Vec<Story>,
    pub(crate) routines: Vec<Story>,
    pub(crate) rarities: Vec<Story>,
    pub(crate) scenarios: Vec<Story>,
}

/// One activity of a story.
pub(crate) struct Step {
    /// The number of the type in the catalogue.
    pub(crate) kind: u16,
    pub(crate) name: &'static str,
    /// After the step before, or after the story's beginning.
    pub(crate) delay: (Micros, Micros),
    /// In a thousand.
    pub(crate) chance: u16,
    pub(crate) times: (u8, u8),
    pub(crate) actor: Part,
    pub(crate) place: Option<NetworkKind>,
    pub(crate) client: Option<Client>,
    /// An everyday activity amid a scenario, which carries no label.
    pub(crate) unlabelled: bool,
    pub(crate) unit: Unit,
    pub(crate) fields: Vec<Op>,
}

/// Who acts in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Part {
    /// Whose story it is.
    Own,
    /// The other person of the story.
    Target,
    /// The primary owner.
    Owner,
    /// Another person each time that the step is repeated.
    Each,
    /// Somebody who has not signed in, with the address of [`Part::Own`], [`Part::Target`], [`Part::Each`], or none.
    Anonymous,
    AnonymousTarget,
    AnonymousEach,
    Stranger,
    /// A signed-in person of whom only placeholders are known.
    Ghost,
    Scim,
    System,
    Anthropic,
    Service,
    Key,
    AdminKey,
    /// The keys that the story created.
    StoryKey,
    StoryAdminKey,
    Federated,
    Identity,
    Device,
}

/// A run of activities that belong together.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    /// What it is, for people (scenarios only).
    pub(crate) about: &'static str,
    /// Its first step in [`Book::steps`], and how many it has.
    pub(crate) first: u16,
    pub(crate) steps: u16,
    /// Whose story it is, and who else is in it.
    pub(crate) own: Casting,
    pub(crate) target: Casting,
    pub(crate) hours: Hours,
    /// How likely a session is, for developers and for others; how many routines a weekday, and for each person.
    pub(crate) weight: (u32, u32),
    pub(crate) rate: (f64, f64),
    /// How likely a session happens in the person's project, in a thousand.
    pub(crate) project: u32,
    /// The session leaves a chat behind to which people come back.
    pub(crate) lasting: bool,
    /// Which programs people use for it.
    pub(crate) surface: Surface,
    /// What waits for an hour or more waits for the working hours.
    pub(crate) patient: bool,
    /// Only in the quarterly change weeks, a month or more after the beginning.
    pub(crate) late: bool,
    /// The longest that it can take.
    pub(crate) span: Micros,
    pub(crate) types: TypeSet,
}

impl Story {
    /// Whether a step is one of its own.
    pub(crate) fn has(&self, step: u16) -> bool {
        (self.first..self.first + self.steps).contains(&step)
    }
}

/// How a person of a story is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Casting {
    Owner,
    Admin,
    Anybody,
    /// Somebody new to the organization.
    Newcomer,
    Colleague,
}

/// When a story begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hours {
    Work,
    Any,
    Night,
}

/// Which of a person's programs a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    Any,
    Web,
    Code,
    Phone,
    Desktop,
}

/// A set of catalogue types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TypeSet([u64; 16]);

impl TypeSet {
    pub(crate) fn add(&mut self, kind: u16) {
        if let Some(word) = self.0.get_mut(usize::from(kind) / 64) {
            *word |= 1 << (kind % 64);
        }
    }

    pub(crate) fn has(&self, kind: u16) -> bool {
        self.0.get(usize::from(kind) / 64).is_some_and(|word| word >> (kind % 64) & 1 == 1)
    }

    pub(crate) fn meets(&self, other: &TypeSet) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn with(&self, other: &TypeSet) -> TypeSet {
        TypeSet(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    pub(crate) fn without(&self, other: &TypeSet) -> TypeSet {
        TypeSet(std::array::from_fn(|at| self.0[at] & !other.0[at]))
    }

    /// All types.
    pub(crate) const ALL: TypeSet = TypeSet([u64::MAX; 16]);
}

/// The number of a type in the catalogue, by its wire name.
pub(crate) fn kind_of(name: &str) -> Option<u16> {
    activity::catalog::types().binary_search_by(|info| info.name.as_str().cmp(name)).ok().map(|at| at as u16)
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the files are compiled in, and a test reads them")]
    parse::book().expect("the script in data/")
});

/// The script.
pub(crate) fn book() -> &'static Book {
    &BOOK
}

impl Book {
    /// The steps of a story, with their numbers.
    pub(crate) fn of(&self, story: &Story) -> impl Iterator<Item = (u16, &Step)> {
        (story.first..story.first + story.steps).map(|at| (at, &self.steps[usize::from(at)]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_script_reads_and_tells_of_every_type() {
        let book = parse::book().unwrap_or_else(|error| panic!("{error}"));
        let told: BTreeSet<&str> = book.steps.iter().map(|step| step.name).collect();
        let missing: Vec<&str> = activity::catalog::types()
            .iter()
            .map(|info| info.name.as_str())
            .filter(|name| !told.contains(name))
            .collect();
        assert!(missing.is_empty(), "{} types in no story: {missing:?}", missing.len());
    }

    #[test]
    fn every_step_has_an_actor_that_its_type_allows() {
        for step in &book().steps {
            let info = activity::catalog::get(step.name).unwrap();
            let wire = crate::actor::wire_type(step.actor);
            assert!(info.actors.iter().any(|allowed| allowed == wire), "{}: {wire}", step.name);
        }
    }
}
