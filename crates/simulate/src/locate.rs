//! Where an activity stands, told from its id: clients may send the id of the last activity that they have in the place of
//! a cursor, and nothing of what was served is remembered.
//!
//! An id is made of the root of a story and the number of a step, a root of who and when, all by a mixing that can be undone.
//! So the step tells the story and the root its days; these are computed once more, to see whether the activity is among
//! what happens. How a root comes about, and back, is known to `habits`, `project`, `schedule`, `scenario` and `unknown`.

use std::ops::Range;

use crate::{
    Simulation,
    calendar::{DAY, HOUR, Micros, day_of},
    event::Event,
    habits,
    ids::Id,
    project::Project,
    schedule,
    script::{Story, TypeSet, book},
    stream::{People, Stream},
    unknown,
};

/// A span in which an activity lies, and of whom and what: little enough to be computed.
struct Place {
    from: Micros,
    to: Micros,
    types: TypeSet,
    people: People,
}

impl Simulation {
    /// The time of the activity with this id, if it can be read by now.
    pub(crate) fn locate(&self, id: Id) -> Option<Micros> {
        let now = self.clock.micros();
        if let Some(at) = self.recorder.locate(id, now) {
            return Some(at);
        }
        let event = self.stream.find(id, now)?;
        (self.visible(&event) <= now).then_some(event.at)
    }
}

impl Stream {
    /// The event with this id, if it happens until `now`.
    fn find(&self, id: Id, now: Micros) -> Option<Event> {
        let (root, number) = id.parts();
        let mut events = Vec::new();
        let places = [self.place_of_unknown(root, number, now), self.place_of_step(root, number, now)];
        places.into_iter().flatten().find_map(|Place { from, to, types, people }| {
            self.collect(from, to.min(now + 1), types, &people, &mut events);
            events.iter().find(|event| event.id == id).copied()
        })
    }

    fn place_of_unknown(&self, root: u64, number: u64, now: Micros) -> Option<Place> {
        if self.unknown == 0.0 || number != unknown::NUMBER {
            return None;
        }
        let hours = self.start.div_euclid(HOUR)..now.div_euclid(HOUR) + 1;
        let hour = unknown::hour_of_root(&self.organization, self.unknown, root, &hours)?;
        Some(Place { from: hour * HOUR, to: (hour + 1) * HOUR, types: TypeSet::ALL, people: People::Only(Vec::new()) })
    }

    /// Where the step of a story lies. A number that is none of the script's is nobody's: no other id gets further.
    fn place_of_step(&self, root: u64, number: u64, now: Micros) -> Option<Place> {
        let (book, step) = (book(), u16::try_from(number >> 8).ok()?);
        let mut types = TypeSet::default();
        types.add(book.steps.get(usize::from(step))?.kind);
        let organization = &self.organization;
        // A local day is another one than that of UTC, and some stories begin before the past does.
        let days = day_of(self.start) - 2..day_of(now) + 2;
        let of = |stories: &'static [Story]| stories.iter().find(|story| story.has(step));
        let mut people = Vec::new();
        let (from, to) = if let Some(story) = of(&book.sessions) {
            let (who, days) = self.person_of(story, root, &days)?;
            people.push(who);
            around(&days)
        } else if let Some(story) = of(&book.routines) {
            let day = schedule::day_of_root(organization, story, root, &days)?;
            let (from, to) = around(&(day..day + 1));
            (from, to + story.span)
        } else if let Some(story) = of(&book.rarities) {
            let days = schedule::quarter_of_root(organization, story, root, &days, self.start)?;
            let (from, to) = around(&days);
            (from, to + story.span)
        } else {
            self.scenarios.iter().find_map(|placed| placed.of_root(root))?
        };
        Some(Place { from, to, types, people: People::Only(people) })
    }

    /// Whose story a root belongs to, and the days among which it lies: a question to everybody, some nanoseconds each.
    fn person_of(&self, story: &Story, root: u64, days: &Range<i64>) -> Option<(u32, Range<i64>)> {
        (0..self.organization.people()).find_map(|who| {
            let hash = self.organization.traits_hash(who);
            let found = match story.name {
                name @ ("project_begins" | "project_ends") => {
                    Project::days_of_root(root, name == "project_begins", hash, days)
                }
                _ => habits::day_of_root(story, root, hash, days).map(|day| day..day + 1),
            };
            Some((who, found?))
        })
    }
}

/// The moments that these local days hold in any city, with what goes on into the night.
fn around(days: &Range<i64>) -> (Micros, Micros) {
    ((days.start - 1) * DAY, (days.end + 2) * DAY)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Config, Pace, scenarios};

    /// A long past with everything that can happen in it.
    fn simulation(people: u32, days: u32) -> Simulation {
        let names: Vec<String> = scenarios().iter().map(|info| info.name.to_owned()).collect();
        let now = "2026-11-20T15:00:00Z".parse().unwrap();
        let faults = ["unknown=1%", "late=10%:2h"].map(|text| text.parse().unwrap()).to_vec();
        let config = Config { people, days, now, pace: Pace::Frozen, scenarios: names, faults, ..Config::default() };
        Simulation::new(config).unwrap()
    }

    #[test]
    fn every_activity_is_found_by_its_id() {
        for (people, days, every, at_least) in [(3, 20, 1, 200), (30, 200, 61, 600)] {
            let simulation = simulation(people, days);
            let (mut events, mut steps) = (Vec::new(), HashSet::new());
            let now = simulation.clock.micros();
            simulation.stream.collect(simulation.stream.start, now + 1, TypeSet::ALL, &People::All, &mut events);
            for (number, event) in events.iter().enumerate() {
                // Each step once, and of the many a few more.
                if steps.insert(event.step) || number % every == 0 {
                    let expected = (simulation.visible(event) <= now).then_some(event.at);
                    assert_eq!(simulation.locate(event.id), expected, "{event:?}");
                }
            }
            assert!(steps.len() > at_least, "{} of {} steps", steps.len(), book().steps.len());
        }
    }

    #[test]
    fn no_other_id_is_found() {
        let simulation = simulation(20, 10);
        for number in 0..10_000 {
            assert_eq!(simulation.locate(Id::of(number, 1 << 40)), None);
            assert_eq!(simulation.locate(Id::of(number, (number % 600) << 8)), None, "a root of nothing");
        }
        // What lies ahead cannot be told yet.
        let (now, mut events) = (simulation.clock.micros(), Vec::new());
        simulation.stream.collect(now + HOUR, now + 2 * HOUR, TypeSet::ALL, &People::All, &mut events);
        assert!(!events.is_empty() && events.iter().all(|event| simulation.locate(event.id).is_none()));
    }
}
