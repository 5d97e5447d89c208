//! Pages: finds what a query asks for among the computed events, and applies the faults that change a page's data.

use bytes::Bytes;
use feed::{ApiError, Cursor, Order, Page, Query, Source};

use crate::{
    Simulation,
    access::Echo,
    calendar::{HOUR, Micros},
    cursor::{self, Key},
    event::Event,
    ids::Id,
    script::TypeSet,
    wanted::Wanted,
};

/// A row that is to be served.
enum Row {
    Event(Event),
    Echo(Echo),
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
        let mut wanted = Wanted::new(&self.stream, query, now);
        let forward = match &query.cursor {
            Some(Cursor::Before(text)) => {
                let behind = query.order == Order::Desc;
                wanted.narrow(self.anchor(text, behind)?, behind);
                false
            }
            Some(Cursor::After(text)) => {
                let behind = query.order == Order::Asc;
                wanted.narrow(self.anchor(text, behind)?, behind);
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

    /// Where a cursor stands: it says so itself, or is the id of an activity, and then of both its deliveries if it has two.
    fn anchor(&self, text: &str, behind: bool) -> Result<Key, ApiError> {
        match text.strip_prefix("activity_").and_then(Id::parse) {
            Some(id) => {
                let at = self.locate(id).ok_or_else(|| ApiError::unknown_cursor(text))?;
                Ok((at, id, u8::from(behind)))
            }
            None => cursor::parse(text),
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
                length = (length * 2).min(64 * chunk.max(HOUR));
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
                if wanted.has(event) && self.visible(event) <= wanted.now {
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
            first_id: rows.first().map(|(key, _)| cursor::write(*key)),
            last_id: rows.last().map(|(key, _)| cursor::write(*key)),
        }
    }
}
