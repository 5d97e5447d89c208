//! The truth: every activity with its label, in the order of time, exactly as the feed serves it.

use bytes::Bytes;
use feed::RawActivity;
use jiff::Timestamp;

use crate::{
    Simulation,
    calendar::{Micros, timestamp},
    event::{Event, UNKNOWN},
    ids::Id,
    scenario::scenarios,
    script::{TypeSet, book},
    stream::People,
    unknown,
};

/// An activity and what the feed does not say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its bytes, as the feed serves them.
    pub json: RawActivity,
    /// When it happened.
    pub created_at: Timestamp,
    /// Its type.
    pub kind: &'static str,
    /// The scenario that it belongs to.
    pub scenario: Option<&'static str>,
    id: Id,
}

impl Activity {
    /// `activity_01…`
    pub fn id(&self) -> String {
        self.id.text("activity_")
    }

    /// Appends the line of the truth file, with its line break.
    pub fn write_truth(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"activity":"#);
        out.extend_from_slice(&self.json);
        out.extend_from_slice(br#","scenario":"#);
        match self.scenario {
            Some(name) => {
                out.push(b'"');
                out.extend_from_slice(name.as_bytes());
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Walks activities in the order of time; see [`Simulation::activities`].
pub struct Activities<'a> {
    simulation: &'a Simulation,
    next: Micros,
    to: Micros,
    /// Only what became readable in this span.
    seen: Option<(Micros, Micros)>,
    events: Vec<Event>,
    ready: std::vec::IntoIter<Activity>,
}

impl Simulation {
    /// Every activity that happens in `from..to`, in the order of time, whether it can be read yet or not. What reading the
    /// feed leaves behind is not among them.
    pub fn activities(&self, from: Timestamp, to: Timestamp) -> Activities<'_> {
        self.iterate(from.as_microsecond(), to.as_microsecond(), None)
    }

    /// What became readable after `after` (from the beginning if `None`) and until `until`, late arrivals and recorded
    /// accesses included, in the order of `created_at`. This is what a perfect collector that looked at `after` still has to
    /// get at `until`; consecutive calls give every activity exactly once.
    pub fn truth(&self, after: Option<Timestamp>, until: Timestamp) -> Activities<'_> {
        let until = until.as_microsecond();
        let after = after.map_or(Micros::MIN, Timestamp::as_microsecond);
        let delay = self.late.map_or(0, |(_, by)| by.as_micros() as Micros).max(crate::calendar::SECOND);
        self.iterate(after.saturating_sub(delay), until.saturating_add(1), Some((after, until)))
    }

    fn iterate(&self, from: Micros, to: Micros, seen: Option<(Micros, Micros)>) -> Activities<'_> {
        let next = from.max(self.stream.start);
        Activities { simulation: self, next, to, seen, events: Vec::new(), ready: Vec::new().into_iter() }
    }
}

impl Activities<'_> {
    fn fill(&mut self) {
        let simulation = self.simulation;
        let length = simulation.stream.chunk_length();
        let to = self.to.min((self.next.div_euclid(length) + 1) * length);
        simulation.stream.collect(self.next, to, TypeSet::ALL, &People::All, &mut self.events);
        if let Some((after, until)) = self.seen {
            self.events.retain(|event| (after + 1..=until).contains(&simulation.visible(event)));
        }
        let mut text = Vec::with_capacity(self.events.len() * 640);
        let ends: Vec<usize> = self
            .events
            .iter()
            .map(|event| {
                simulation.renderer.write(event, false, &mut text);
                text.len()
            })
            .collect();
        let text = Bytes::from(text);
        let mut begins = 0;
        let mut ready: Vec<Activity> = self
            .events
            .iter()
            .zip(ends)
            .map(|(event, end)| activity(event, text.slice(std::mem::replace(&mut begins, end)..end)))
            .collect();
        if let Some((after, until)) = self.seen {
            let echoes = simulation.recorder.between(self.next, to);
            let seen = echoes.into_iter().filter(|echo| (after + 1..=until).contains(&echo.visible));
            ready.extend(seen.map(|echo| Activity {
                json: echo.json,
                created_at: timestamp(echo.at),
                kind: "compliance_api_accessed",
                scenario: None,
                id: echo.id,
            }));
            ready.sort_by_key(|activity| (activity.created_at, activity.id));
        }
        self.ready = ready.into_iter();
        self.next = to;
    }
}

/// An event with its bytes.
pub(crate) fn activity(event: &Event, json: RawActivity) -> Activity {
    Activity {
        json,
        created_at: timestamp(event.at),
        kind: if event.step == UNKNOWN {
            unknown::name(event.turn)
        } else {
            book().steps[usize::from(event.step)].name
        },
        scenario: event.label.checked_sub(1).map(|number| scenarios()[usize::from(number)].name),
        id: event.id,
    }
}

impl Iterator for Activities<'_> {
    type Item = Activity;

    fn next(&mut self) -> Option<Activity> {
        loop {
            if let Some(activity) = self.ready.next() {
                return Some(activity);
            }
            if self.next >= self.to {
                return None;
            }
            self.fill();
        }
    }
}
