//! What a query asks for, made ready to be compared with events.

use std::collections::HashSet;

use feed::Query;
use jiff::Timestamp;

use crate::{
    calendar::Micros,
    cursor::Key,
    event::{Event, UNKNOWN},
    ids::Id,
    people::{Organization, Unit},
    script::{Part, TypeSet, book, kind_of},
    stream::{People, Stream},
    unknown,
};

/// What a query asks for.
pub(crate) struct Wanted<'a> {
    organization: &'a Organization,
    pub(crate) types: TypeSet,
    /// Names that no catalogue has, asked for or excluded.
    named: HashSet<String>,
    excluded: HashSet<String>,
    pub(crate) users: Option<HashSet<Id>>,
    units: [bool; 4],
    pub(crate) people: People,
    /// First and behind last.
    pub(crate) low: Key,
    pub(crate) high: Key,
    pub(crate) now: Micros,
}

impl<'a> Wanted<'a> {
    /// What `query` asks for at the moment `now`.
    pub(crate) fn new(stream: &'a Stream, query: &Query, now: Micros) -> Wanted<'a> {
        let mut types = TypeSet::ALL;
        let mut named = HashSet::new();
        let mut excluded = HashSet::new();
        if !query.activity_types.is_empty() {
            types = set(&query.activity_types, &mut named);
        }
        types = types.without(&set(&query.exclude_activity_types, &mut excluded));
        let users = (!query.actor_ids.is_empty()).then(|| {
            query.actor_ids.iter().filter_map(|id| Id::parse(id.strip_prefix("user_")?)).collect::<HashSet<Id>>()
        });
        let people = match &users {
            Some(users) => stream.around(&users.iter().copied().collect::<Vec<_>>()),
            None => People::All,
        };
        let window = &query.created_at;
        let low = [window.gte.map(at_or_after), window.gt.map(|at| at_or_before(at) + 1)];
        let high = [window.lte.map(|at| at_or_before(at) + 1), window.lt.map(at_or_after), Some(now + 1)];
        let low = low.into_iter().flatten().fold(Micros::MIN, Micros::max);
        let high = high.into_iter().flatten().fold(Micros::MAX, Micros::min);
        Wanted {
            organization: &stream.organization,
            types,
            named,
            excluded,
            users,
            units: units(&stream.organization, &query.organization_ids),
            people,
            low: (low, Id::MIN, 0),
            high: (high, Id::MIN, 0),
            now,
        }
    }

    /// Leaves only what lies behind a position, or before it.
    pub(crate) fn narrow(&mut self, (at, id, copy): Key, behind: bool) {
        if behind {
            self.low = self.low.max((at, id, copy + 1));
        } else {
            self.high = self.high.min((at, id, copy));
        }
    }

    /// Whether a position lies within the window and the cursor.
    pub(crate) fn lies(&self, key: Key) -> bool {
        self.low <= key && key < self.high
    }

    /// Whether an event passes all filters but those of [`Wanted::lies`].
    pub(crate) fn has(&self, event: &Event) -> bool {
        let (typed, unit) = if event.step == UNKNOWN {
            let name = unknown::name(event.turn);
            let typed = match unknown::kind(event.turn) {
                Some(kind) => self.types.has(kind),
                None if self.excluded.contains(name) => false,
                None => self.named.contains(name) || self.everything(),
            };
            (typed, Unit::Main)
        } else {
            let step = &book().steps[usize::from(event.step)];
            (self.types.has(step.kind), step.unit)
        };
        typed
            && self.units[unit as usize]
            && self
                .users
                .as_ref()
                .is_none_or(|users| user(event).is_some_and(|who| users.contains(&self.organization.user(who))))
    }

    /// Whether no type was asked for by name.
    fn everything(&self) -> bool {
        self.named.is_empty() && self.types.has(u16::MAX >> 6)
    }

    /// Whether recorded accesses pass the filters.
    pub(crate) fn echoes(&self) -> bool {
        self.users.is_none() && kind_of("compliance_api_accessed").is_some_and(|kind| self.types.has(kind))
    }
}

/// The number of the person whose `user_id` the actor carries.
fn user(event: &Event) -> Option<u32> {
    let unknown_actor = event.step == UNKNOWN && matches!(event.turn, 1 | 3);
    match event.actor.part {
        Part::Own | Part::Target | Part::Owner | Part::Each | Part::Ghost if !unknown_actor => Some(event.actor.who),
        _ => None,
    }
}

fn set(names: &[String], unknown: &mut HashSet<String>) -> TypeSet {
    let mut set = TypeSet::default();
    for name in names {
        match kind_of(name) {
            Some(kind) => set.add(kind),
            None => _ = unknown.insert(name.clone()),
        }
    }
    set
}

/// Which organizations' activities are wanted. Those of none always are.
fn units(organization: &Organization, ids: &[String]) -> [bool; 4] {
    [Unit::Main, Unit::Platform, Unit::Sandbox, Unit::None].map(|unit| {
        if ids.is_empty() || unit == Unit::None {
            return true;
        }
        let (id, uuid) = organization.unit(unit);
        ids.iter().any(|wanted| *wanted == id || wanted.eq_ignore_ascii_case(&uuid))
    })
}

fn at_or_before(at: Timestamp) -> Micros {
    at.as_nanosecond().div_euclid(1_000) as Micros
}

fn at_or_after(at: Timestamp) -> Micros {
    (at.as_nanosecond() + 999).div_euclid(1_000) as Micros
}
