//! The simulation as its users hold it: configured once, then shared by everybody who reads.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    access::Recorder,
    calendar::{DAY, Micros, day_of, timestamp},
    clock::{Clock, Pace},
    event::Event,
    faults::{Fault, FaultKind, Faults, memory::Memory},
    hash::{below, happens, mix, named},
    ids::Id,
    people::Organization,
    render::Renderer,
    scenario,
    stream::Stream,
};

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Config {
    /// What everything follows from.
    pub seed: u64,
    /// The number of people, 1 to 1,000,000.
    pub people: u32,
    /// How many days of past there are.
    pub days: u32,
    /// What the simulated clock shows at first.
    pub now: Timestamp,
    /// When the past begins. `None`: `days` before `now`, at midnight UTC. A run that should continue an earlier one has
    /// to give the earlier one's [`Simulation::start`], because the rarities are counted from it.
    pub start: Option<Timestamp>,
    /// How time passes.
    pub pace: Pace,
    /// The scenarios that happen, by name.
    pub scenarios: Vec<String>,
    /// Those of them that happen a second time, soon after `scenarios_at`, some minutes apart.
    pub scenarios_soon: Vec<String>,
    /// The moment that scenarios happen before and after; `now` without it. Whoever starts the same organization again names the same.
    pub scenarios_at: Option<Timestamp>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 1,
            people: 200,
            days: 30,
            now: Timestamp::now(),
            start: None,
            pace: Pace::Real,
            scenarios: Vec::new(),
            scenarios_soon: Vec::new(),
            scenarios_at: None,
            faults: Vec::new(),
        }
    }
}

/// What is wrong with a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The number of people.
    #[error("a simulation needs 1 to 1000000 people, not {0}")]
    People(u32),
    /// The span of the past.
    #[error("the past has to begin before now and at most 36500 days ago")]
    Start,
    /// The speed.
    #[error("the speed has to be a positive number")]
    Speed,
    /// A scenario's name.
    #[error("no scenario is named {name:?}; there are {known}")]
    Scenario {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A simulated organization and its feed. Implements [`feed::Source`].
pub struct Simulation {
    pub(crate) stream: Stream,
    pub(crate) renderer: Renderer,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    pub(crate) memory: Memory,
    pub(crate) late: Option<(f64, Duration)>,
    pub(crate) duplicate: f64,
    /// The number of requests that were planned for.
    pub(crate) requests: AtomicU64,
    key: RwLock<String>,
    key_id: String,
}

impl Simulation {
    /// Sets the organization up; nothing is computed yet.
    pub fn new(config: Config) -> Result<Simulation, ConfigError> {
        if config.people == 0 || config.people > 1_000_000 {
            return Err(ConfigError::People(config.people));
        }
        if matches!(config.pace, Pace::Times(speed) if !(speed > 0.0 && speed.is_finite())) {
            return Err(ConfigError::Speed);
        }
        let now = config.now.as_microsecond();
        let start = match config.start {
            Some(start) => start.as_microsecond(),
            None => (day_of(now) - i64::from(config.days)) * DAY,
        };
        if start >= now || start < now - 36_500 * DAY {
            return Err(ConfigError::Start);
        }
        let organization = Organization::new(config.seed, config.people);
        let mut placed = Vec::new();
        let at = config.scenarios_at.map_or(now, Timestamp::as_microsecond);
        for name in &config.scenarios {
            let soon = config.scenarios_soon.contains(name);
            let more = scenario::place(&organization, name, start, at, soon);
            placed.extend(more.ok_or_else(|| unknown_scenario(name))?);
        }
        let faults = Faults::new(config.faults, config.seed);
        let unknown = faults.rate(|kind| kind == FaultKind::Unknown);
        let duplicate = faults.rate(|kind| kind == FaultKind::Duplicate);
        let late = faults.all.iter().find_map(|fault| match fault.kind {
            FaultKind::Late(by) if fault.rate > 0.0 => Some((fault.rate, by)),
            _ => None,
        });
        let anchor = timestamp(now + skew(&faults, |rate| rate >= 1.0));
        let renderer = Renderer::new(organization.clone());
        let key_id = renderer.old_key(KEY).text("apikey_");
        Ok(Simulation {
            memory: Memory::new(&faults),
            stream: Stream::new(organization, start, placed, unknown),
            clock: Clock::new(anchor, config.pace),
            recorder: Recorder::default(),
            requests: AtomicU64::new(0),
            key: RwLock::new(format!("sk-ant-api01-sim-{}", Id::of(config.seed, 0x4e4).text(""))),
            key_id,
            renderer,
            faults,
            late,
            duplicate,
        })
    }

    /// The organization.
    pub fn organization(&self) -> &Organization {
        &self.stream.organization
    }

    /// The access key that the feed's server should demand.
    pub fn key(&self) -> String {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The id under which that key appears in the feed, `apikey_01…`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What the simulated clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When the simulated past begins.
    pub fn start(&self) -> Timestamp {
        timestamp(self.stream.start)
    }

    /// The text of a new key, which is accepted from now on in place of the old one. A revocation is forgotten.
    pub fn replace_key(&self) -> String {
        let mut key = self.key.write().unwrap_or_else(PoisonError::into_inner);
        *key = format!("sk-ant-api01-sim-{}", Id::of(named(&key), 0x4e4).text(""));
        self.requests.store(0, Ordering::Relaxed);
        key.clone()
    }

    /// When an event can be read.
    pub(crate) fn visible(&self, event: &Event) -> Micros {
        match self.late {
            Some((rate, by)) if happens(self.faults.luck(1, event.id.0), rate) => {
                event.at + below(mix(event.id.1, 2), by.as_micros() as u64 + 1) as Micros
            }
            _ => event.at,
        }
    }

    /// Whether an event is delivered twice.
    pub(crate) fn is_duplicate(&self, event: &Event) -> bool {
        self.duplicate > 0.0 && happens(self.faults.luck(2, event.id.0), self.duplicate)
    }
}

/// The number of the organization's old key that reads the feed.
const KEY: u64 = 5;

/// How far a clock is off that is hit by the faults that `hit` says.
pub(crate) fn skew(faults: &Faults, hit: impl Fn(f64) -> bool) -> Micros {
    faults
        .all
        .iter()
        .filter_map(|fault| match fault.kind {
            FaultKind::Skew(skew) if hit(fault.rate) => {
                let by = skew.by.as_micros() as Micros;
                Some(if skew.behind { -by } else { by })
            }
            _ => None,
        })
        .sum()
}

fn unknown_scenario(name: &str) -> ConfigError {
    let known: Vec<&str> = scenario::scenarios().iter().map(|info| info.name).collect();
    ConfigError::Scenario { name: name.to_owned(), known: known.join(", ") }
}
