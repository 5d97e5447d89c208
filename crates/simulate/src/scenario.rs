//! Attack scenarios: what they are, and when and to whom they happen.
//!
//! Labels go to the truth and never into the feed. With no scenario asked for, none occurs.

use std::sync::LazyLock;
use std::time::Duration;

use crate::{
    calendar::{DAY, MINUTE, Micros, SECOND, day_of, is_weekend},
    event::Event,
    hash::{below, mix, named},
    people::{OUTSIDERS, Organization},
    schedule::telling,
    script::{Story, TypeSet, book, kind_of},
    telling::{Span, Telling},
};

/// What a scenario is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioInfo {
    /// Its name, as `--scenario` takes it and the truth labels it.
    pub name: &'static str,
    /// What the attacker does.
    pub description: &'static str,
    /// The longest that it takes.
    pub length: Duration,
}

static INFOS: LazyLock<Vec<ScenarioInfo>> = LazyLock::new(|| {
    let info = |story: &Story| ScenarioInfo {
        name: story.name,
        description: story.about,
        length: Duration::from_micros(story.span as u64),
    };
    book().scenarios.iter().map(info).collect()
});

/// All scenarios, in the order of their labels.
pub fn scenarios() -> &'static [ScenarioInfo] {
    &INFOS
}

/// A scenario that happens.
pub(crate) struct Placed {
    telling: Telling<'static>,
    /// While the scenario keeps the log switched off, nothing else is logged.
    silence: Option<(Micros, Micros)>,
}

impl Placed {
    fn new(telling: Telling<'static>, organization: &Organization) -> Placed {
        let mut events = Vec::new();
        let span = Span { from: Micros::MIN, to: Micros::MAX, types: TypeSet::ALL };
        if telling.story.name == "logging-tampered" {
            telling.tell(organization, &span, &mut events);
        }
        let switches = kind_of("org_compliance_api_settings_updated");
        let mut switched = events
            .iter()
            .filter(|event| Some(book().steps[usize::from(event.step)].kind) == switches)
            .map(|event| event.at);
        Placed { silence: switched.next().zip(switched.next()), telling }
    }

    /// Whether it silences the log at all.
    pub(crate) fn is_silent(&self) -> bool {
        self.silence.is_some()
    }

    /// Whether nothing is logged at a moment.
    pub(crate) fn silences(&self, at: Micros) -> bool {
        self.silence.is_some_and(|(off, on)| off < at && at < on)
    }

    /// The moments between which it lies, if it is the one with this root.
    pub(crate) fn of_root(&self, root: u64) -> Option<(Micros, Micros)> {
        let Telling { begins, story, .. } = self.telling;
        (self.telling.root == root).then_some((begins, begins + story.span + 1))
    }

    /// Appends its events.
    pub(crate) fn tell(&self, organization: &Organization, span: &Span, out: &mut Vec<Event>) {
        self.telling.tell(organization, span, out);
    }
}

/// Places a scenario in the past between `start` and `now`; `soon` also shortly after `now`. `None` for an unknown name.
pub(crate) fn place(
    organization: &Organization,
    name: &str,
    start: Micros,
    now: Micros,
    soon: bool,
) -> Option<Vec<Placed>> {
    let number = book().scenarios.iter().position(|story| story.name == name)?;
    let story = &book().scenarios[number];
    let root = mix(mix(organization.seed, 0x5ce), named(name));
    // In the second half of the past, when everybody's habits are known, and over before now.
    let latest = now - story.span - 10 * MINUTE;
    let last_day = day_of(latest) - 1;
    let first_day = day_of(start) + (last_day - day_of(start)) / 2;
    let mut day = first_day + below(mix(root, 1), (last_day - first_day + 1).max(1) as u64) as i64;
    while is_weekend(day) {
        day -= 1;
    }
    let label = number as u8 + 1;
    let mut past = Telling { label, ..telling(organization, story, root, day, OUTSIDERS + u32::from(label)) };
    if past.begins < start + DAY / 2 || past.begins > latest {
        // A past too short for a choice.
        past.begins = latest.max(start);
    }
    let mut placed = vec![Placed::new(past, organization)];
    if soon {
        let root = mix(root, 2);
        let telling = telling(organization, story, root, day_of(now), OUTSIDERS + 100 + u32::from(label));
        // One scenario after another, some minutes apart.
        let begins = now + (60 + 120 * Micros::from(label)) * SECOND;
        placed.push(Placed::new(Telling { label, begins, ..telling }, organization));
    }
    Some(placed)
}
