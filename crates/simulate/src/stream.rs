//! The stream of all events, computed for any span of time: people, routines, rarities, scenarios and unknowns together.
//!
//! The line of time is cut into chunks that hold some thousands of events each. A chunk depends on nothing but the seed and
//! its number, and the few that were used last are kept.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros},
    event::Event,
    habits::Habits,
    ids::Id,
    people::Organization,
    scenario::Placed,
    schedule,
    script::{TypeSet, book},
    telling::Span,
    unknown,
};

static HABITS: LazyLock<Habits<'static>> = LazyLock::new(|| Habits::new(book()));

/// Everything that happens, from `start` on.
pub(crate) struct Stream {
    pub(crate) organization: Organization,
    pub(crate) start: Micros,
    pub(crate) scenarios: Vec<Placed>,
    /// The share of extra activities that no catalogue knows.
    pub(crate) unknown: f64,
    chunk: Micros,
    kept: Mutex<Vec<(i64, Arc<Vec<Event>>)>>,
    numbers: OnceLock<HashMap<Id, u32>>,
}

/// How many events are kept, of 64 bytes each.
const KEPT: usize = 500_000;
/// What a chunk should hold on an average day. Looking at everybody costs something even if nobody does anything, so the
/// chunks of a large organization hold more.
const CHUNK: f64 = 8_000.0;
const CHUNK_OF_EACH: f64 = 0.4;
/// What a person does on an average day, all days counted.
pub(crate) const A_DAY: f64 = 30.0;

/// Whose events are wanted.
pub(crate) enum People {
    All,
    /// Those of these people, and those that the organization does.
    Only(Vec<u32>),
}

impl Stream {
    pub(crate) fn new(organization: Organization, start: Micros, scenarios: Vec<Placed>, unknown: f64) -> Stream {
        let a_day = f64::from(organization.people()) * A_DAY;
        // Lengths that divide a day, so that the same chunk begins at the same time every day.
        let chunk = [DAY, 6 * HOUR, HOUR, 15 * MINUTE, 5 * MINUTE, MINUTE]
            .into_iter()
            .find(|&length| {
                a_day * length as f64 / DAY as f64 <= CHUNK.max(CHUNK_OF_EACH * f64::from(organization.people()))
            })
            .unwrap_or(MINUTE / 4);
        Stream { organization, start, scenarios, unknown, chunk, kept: Mutex::default(), numbers: OnceLock::new() }
    }

    /// The length of a chunk.
    pub(crate) fn chunk_length(&self) -> Micros {
        self.chunk
    }

    /// The events of the chunk with this number, in order. Chunk 0 begins in 1970.
    pub(crate) fn chunk(&self, number: i64) -> Arc<Vec<Event>> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.iter().position(|(other, _)| *other == number) {
                let found = kept.remove(at);
                let events = found.1.clone();
                kept.push(found);
                return events;
            }
        }
        let mut events = Vec::new();
        self.collect(number * self.chunk, (number + 1) * self.chunk, TypeSet::ALL, &People::All, &mut events);
        let events = Arc::new(events);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((number, events.clone()));
        while kept.len() > 2 && kept.iter().map(|(_, events)| events.len()).sum::<usize>() > KEPT {
            kept.remove(0);
        }
        events
    }

    /// Replaces `out` by the events of a span, in order.
    pub(crate) fn collect(&self, from: Micros, to: Micros, types: TypeSet, people: &People, out: &mut Vec<Event>) {
        out.clear();
        let span = Span { from: from.max(self.start), to, types };
        if span.from >= span.to {
            return;
        }
        let organization = &self.organization;
        match people {
            People::All => {
                if HABITS.types().meets(&types) {
                    (0..organization.people()).for_each(|who| HABITS.person(organization, who, self.start, &span, out));
                }
            }
            People::Only(people) => {
                people.iter().for_each(|&who| HABITS.person(organization, who, self.start, &span, out))
            }
        }
        schedule::routines(organization, book(), self.start, &span, out);
        schedule::rarities(organization, book(), self.start, &span, out);
        for placed in &self.scenarios {
            placed.tell(organization, &span, out);
        }
        if self.unknown > 0.0 {
            unknown::events(organization, self.unknown, &span, out);
        }
        for placed in self.scenarios.iter().filter(|placed| placed.is_silent()) {
            // Other scenarios stay whole.
            out.retain(|event| event.label > 0 || !placed.silences(event.at));
        }
        out.sort_unstable_by_key(Event::position);
    }

    /// Everybody whose sessions can hold activities of these users: they themselves and their teams.
    pub(crate) fn around(&self, users: &[Id]) -> People {
        let numbers = self
            .numbers
            .get_or_init(|| (0..self.organization.people()).map(|who| (self.organization.user(who), who)).collect());
        let mut around: Vec<u32> = users
            .iter()
            .filter_map(|user| numbers.get(user))
            .flat_map(|who| (who & !7)..((who & !7) + 8).min(self.organization.people()))
            .collect();
        around.sort_unstable();
        around.dedup();
        People::Only(around)
    }
}
