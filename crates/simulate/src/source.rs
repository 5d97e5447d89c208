//! Pages: finds what a query asks for among the computed events, and applies the faults that change a page's data.
//!
//! A cursor is a position (time, id, which of two deliveries), never a row, so it stays right while time moves on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use feed::{ApiError, Cursor, ErrorType, Order, Page, Query, Source};
use jiff::Timestamp;

use crate::{
    Simulation,
    access::Echo,
    calendar::Micros,
    event::{Event, UNKNOWN},
    faults::{FaultKind, Faults},
    hash::{happens, named},
    ids::{Id, digits, number},
    people::{Organization, Unit},
    script::{Part, TypeSet, book, kind_of},
    stream::People,
    unknown,
};

/// A position in the feed: time, id, and which delivery of a duplicate.
type Key = (Micros, Id, u8);

/// A row that is to be served.
enum Row {
    Event(Event),
    Echo(Echo),
}

/// What a query asks for.
struct Wanted {
    types: TypeSet,
    /// Names that no catalogue has, asked for or excluded.
    named: HashSet<String>,
    excluded: HashSet<String>,
    users: Option<HashSet<Id>>,
    units: [bool; 4],
    people: People,
    /// First and behind last.
    low: Key,
    high: Key,
    now: Micros,
}

#[async_trait::async_trait]
impl Source for Simulation {
    async fn page(&self, query: &Query) -> Result<Page, ApiError> {
        self.find(query)
    }
}

impl Simulation {
    /// The page that a query asks for, at this moment.
    pub fn find(&self, query: &Query) -> Result<Page, ApiError> {
        let now = self.clock.micros();
        let mut wanted = self.wanted(query, now);
        let forward = match &query.cursor {
            Some(Cursor::Before(text)) => {
                narrow(&mut wanted, parse("before_id", text)?, query.order == Order::Desc);
                false
            }
            Some(Cursor::After(text)) => {
                narrow(&mut wanted, parse("after_id", text)?, query.order == Order::Asc);
                true
            }
            None => true,
        };
        let ascending = (query.order == Order::Asc) == forward;
        let limit = query.limit as usize;
        let mut rows = self.walk(&wanted, ascending, limit + 1);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        if !forward {
            rows.reverse();
        }
        let page = self.render(&rows, has_more);
        Ok(self.memory.end_early(query, page, &self.faults))
    }

    fn wanted(&self, query: &Query, now: Micros) -> Wanted {
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
            Some(users) => self.stream.around(&users.iter().copied().collect::<Vec<_>>()),
            None => People::All,
        };
        let window = &query.created_at;
        let low = [window.gte.map(at_or_after), window.gt.map(|at| at_or_before(at) + 1)];
        let high = [window.lte.map(|at| at_or_before(at) + 1), window.lt.map(at_or_after), Some(now + 1)];
        let low = low.into_iter().flatten().fold(Micros::MIN, Micros::max);
        let high = high.into_iter().flatten().fold(Micros::MAX, Micros::min);
        Wanted {
            types,
            named,
            excluded,
            users,
            units: units(self.organization(), &query.organization_ids),
            people,
            low: (low, Id::MIN, 0),
            high: (high, Id::MIN, 0),
            now,
        }
    }

    /// The first `count` wanted rows, from the low or the high end.
    fn walk(&self, wanted: &Wanted, ascending: bool, count: usize) -> Vec<(Key, Row)> {
        let plain = wanted.types == TypeSet::ALL && wanted.users.is_none();
        let chunk = self.stream.chunk_length();
        // Nothing lies before the start; accesses lie behind it.
        let (low, high) = (wanted.low.0.max(self.stream.start), wanted.high.0.saturating_add(1));
        let mut found = Vec::new();
        let mut buffer = Vec::new();
        let mut length = chunk;
        let (mut from, mut to) = (low, high);
        while from < to && found.len() < count {
            let before = found.len();
            // A filtered walk looks at spans that grow until something is found, without keeping them.
            let (begins, ends) = match (plain, ascending) {
                (true, true) => (from, to.min((from.div_euclid(chunk) + 1) * chunk)),
                (true, false) => (from.max((to - 1).div_euclid(chunk) * chunk), to),
                (false, true) => (from, to.min(from + length)),
                (false, false) => (from.max(to - length), to),
            };
            let kept;
            let events: &[Event] = if plain {
                kept = self.stream.chunk(begins.div_euclid(chunk));
                &kept
            } else {
                self.stream.collect(begins, ends, wanted.types, &wanted.people, &mut buffer);
                &buffer
            };
            let first = events.partition_point(|event| event.at < begins);
            let last = events.partition_point(|event| event.at < ends);
            self.take(&events[first..last], (begins, ends), wanted, ascending, count, &mut found);
            if found.len() - before < 1_000 {
                length = (length * 2).min(64 * chunk.max(crate::calendar::HOUR));
            }
            if ascending { from = ends } else { to = begins }
        }
        found
    }

    /// Appends what is wanted of a span, in the direction of the walk.
    fn take(
        &self,
        events: &[Event],
        (begins, ends): (Micros, Micros),
        wanted: &Wanted,
        ascending: bool,
        count: usize,
        found: &mut Vec<(Key, Row)>,
    ) {
        let echoes = if wanted.echoes() { self.recorder.between(begins, ends) } else { Vec::new() };
        let mut echoes: Box<dyn Iterator<Item = &Echo>> =
            if ascending { Box::new(echoes.iter()) } else { Box::new(echoes.iter().rev()) };
        let mut echo = echoes.next();
        let mut at = 0;
        while found.len() < count {
            let event = match (at < events.len(), ascending) {
                (false, _) => None,
                (true, true) => events.get(at),
                (true, false) => events.get(events.len() - 1 - at),
            };
            let echo_first = match (event, echo) {
                (None, None) => return,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some(event), Some(echo)) => ((echo.at, echo.id) < event.position()) == ascending,
            };
            if let Some(row) = echo.filter(|_| echo_first) {
                let key = (row.at, row.id, 0);
                if wanted.lies(key) && row.visible <= wanted.now {
                    found.push((key, Row::Echo(row.clone())));
                }
                echo = echoes.next();
            } else if let Some(event) = event {
                at += 1;
                if wanted.has(event, self.organization()) && self.visible(event) <= wanted.now {
                    self.deliver(event, wanted, ascending, found);
                }
            }
        }
    }

    /// Appends an event once, or twice where it is delivered twice.
    fn deliver(&self, event: &Event, wanted: &Wanted, ascending: bool, found: &mut Vec<(Key, Row)>) {
        let copies: &[u8] = match (self.is_duplicate(event), ascending) {
            (false, _) => &[0],
            (true, true) => &[0, 1],
            (true, false) => &[1, 0],
        };
        for &copy in copies {
            let key = (event.at, event.id, copy);
            if wanted.lies(key) {
                found.push((key, Row::Event(*event)));
            }
        }
    }

    fn render(&self, rows: &[(Key, Row)], has_more: bool) -> Page {
        let mut text = Vec::with_capacity(rows.len() * 640);
        let mut ends = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            match row {
                Row::Event(event) => self.renderer.write(event, self.memory.is_blank(event, &self.faults), &mut text),
                Row::Echo(echo) => text.extend_from_slice(&echo.json),
            }
            ends.push(text.len());
        }
        // One allocation for the whole page.
        let text = Bytes::from(text);
        let mut begins = 0;
        let data = ends.into_iter().map(|end| text.slice(std::mem::replace(&mut begins, end)..end)).collect();
        Page {
            data,
            has_more,
            first_id: rows.first().map(|(key, _)| cursor(*key)),
            last_id: rows.last().map(|(key, _)| cursor(*key)),
        }
    }
}

impl Wanted {
    fn lies(&self, key: Key) -> bool {
        self.low <= key && key < self.high
    }

    fn has(&self, event: &Event, organization: &Organization) -> bool {
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
                .is_none_or(|users| user(event).is_some_and(|who| users.contains(&organization.user(who))))
    }

    /// Whether no type was asked for by name.
    fn everything(&self) -> bool {
        self.named.is_empty() && self.types.has(u16::MAX >> 6)
    }

    fn echoes(&self) -> bool {
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

fn narrow(wanted: &mut Wanted, (at, id, copy): Key, behind: bool) {
    if behind {
        wanted.low = wanted.low.max((at, id, copy + 1));
    } else {
        wanted.high = wanted.high.min((at, id, copy));
    }
}

fn at_or_before(at: Timestamp) -> Micros {
    at.as_nanosecond().div_euclid(1_000) as Micros
}

fn at_or_after(at: Timestamp) -> Micros {
    (at.as_nanosecond() + 999).div_euclid(1_000) as Micros
}

fn cursor((at, id, copy): Key) -> String {
    let mut text = [0; 34];
    digits(at as u64, &mut text[..11]);
    digits(id.0, &mut text[11..22]);
    digits(id.1, &mut text[22..33]);
    text[33] = b'0' + copy;
    let text = String::from_utf8_lossy(&text);
    format!("at_{text}{:04x}", named(&text) & 0xffff)
}

fn parse(parameter: &str, text: &str) -> Result<Key, ApiError> {
    let read = || {
        let (text, check) = text.strip_prefix("at_")?.split_at_checked(34)?;
        let bytes = text.as_bytes();
        let copy = bytes[33].checked_sub(b'0').filter(|copy| *copy < 2)?;
        (format!("{:04x}", named(text) & 0xffff) == check).then_some(())?;
        Some((number(&bytes[..11])? as Micros, Id(number(&bytes[11..22])?, number(&bytes[22..33])?), copy))
    };
    read().ok_or_else(|| ApiError {
        status: 400,
        kind: ErrorType::InvalidRequest,
        message: format!("{parameter}: no such cursor: {text:?}"),
        request_id: None,
        retry_after: None,
        should_retry: None,
    })
}

/// What the faults that depend on earlier requests remember, bounded.
pub(crate) struct Memory {
    /// Queries that were told that the end is reached.
    ended: Mutex<HashSet<u64>>,
    /// When the activities whose names will be blank were first read.
    read: Mutex<HashMap<Id, Instant>>,
    early_end: f64,
    blank: Option<(f64, Duration)>,
}

/// How much is remembered; what exceeds it goes right.
const REMEMBERED: usize = 1_000_000;

impl Memory {
    pub(crate) fn new(faults: &Faults) -> Memory {
        Memory {
            ended: Mutex::default(),
            read: Mutex::default(),
            early_end: faults.rate(|kind| kind == FaultKind::EarlyEnd),
            blank: faults.all.iter().find_map(|fault| match fault.kind {
                FaultKind::BlankNames(after) if fault.rate > 0.0 => Some((fault.rate, after)),
                _ => None,
            }),
        }
    }

    fn end_early(&self, query: &Query, mut page: Page, faults: &Faults) -> Page {
        if self.early_end > 0.0 && page.has_more {
            let query = named(&format!("{query:?}"));
            if happens(faults.luck(3, query), self.early_end) {
                let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                if ended.len() < REMEMBERED && ended.insert(query) {
                    page.has_more = false;
                }
            }
        }
        page
    }

    fn is_blank(&self, event: &Event, faults: &Faults) -> bool {
        let Some((rate, after)) = self.blank else { return false };
        if !happens(faults.luck(4, event.id.0), rate) {
            return false;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.get(&event.id) {
            Some(first) => first.elapsed() >= after,
            None => {
                if read.len() < REMEMBERED {
                    read.insert(event.id, Instant::now());
                }
                false
            }
        }
    }
}
