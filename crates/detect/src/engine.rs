//! Alerts from activities that come in any order.
//!
//! What is kept in memory is a view of the stored activities, day by day: whoever feeds the engine loads the days that
//! [`Engine::missing`] names before it hands over new activities, so that nothing here has to survive a crash.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use activity::Activity;
use auditlake_store::alert::Finding;

use crate::{
    evaluate::{Tally, baseline, evaluate},
    finding,
    matching::{Entry, Match},
    pack::{DAY, Pack, Unit},
    plan::Plan,
    seen::{Enrichment, Seen},
};

/// An activity for the engine.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The activity.
    pub activity: &'a Activity<'a>,
    /// What enrichment says of it.
    pub enrichment: Enrichment<'a>,
    /// Where it came from.
    pub source: &'a str,
}

/// Which rules an activity is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Depth {
    /// Those that look at the days next to an activity.
    Near,
    /// Those that compare with days long ago.
    Far,
}

/// Days that have to be loaded, the first and the one behind the last, counted since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// For which rules.
    pub depth: Depth,
    /// The first day.
    pub from: i64,
    /// The day after the last.
    pub to: i64,
}

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Alerts that are new or say something else, by id.
    pub findings: Vec<Finding>,
    /// Alerts that are none any more.
    pub withdrawn: Vec<String>,
}

/// Computes alerts.
pub struct Engine {
    pack: Arc<Pack>,
    states: Vec<State>,
    /// What each alert said last; `None` for one that was stored before.
    known: HashMap<String, Option<Finding>>,
    names: Names,
    /// When each source began to be followed.
    followed: HashMap<String, i64>,
    /// Days in memory, and when each was last asked for.
    days: BTreeMap<(Depth, i64), u64>,
    turn: u64,
    entries: usize,
    room: usize,
    /// So many entries were left when days were last let go of.
    trimmed: usize,
    /// So many activities are listed in an alert.
    most: usize,
}

/// What is kept for one rule, by entity.
enum State {
    Lines(Entities<Line>),
    Tallies(Entities<Tallied>),
}

/// What is kept of each entity, and which of them new activities are about: only these have to be looked at.
#[derive(Default)]
struct Entities<T> {
    all: HashMap<Arc<str>, T>,
    touched: Vec<Arc<str>>,
}

impl<T: Default + Touched> Entities<T> {
    /// Puts something to an entity. Answers what `put` does.
    fn put(&mut self, entity: &str, put: impl FnOnce(&mut T) -> usize) -> usize {
        let Some(kept) = self.all.get_mut(entity) else {
            let name: Arc<str> = Arc::from(entity);
            let kept = self.all.entry(name.clone()).or_default();
            let more = put(kept);
            self.touched.extend((!kept.touched().is_empty()).then_some(name));
            return more;
        };
        let was_touched = !kept.touched().is_empty();
        let more = put(kept);
        if !was_touched && !kept.touched().is_empty() {
            self.touched.extend(self.all.get_key_value(entity).map(|(name, _)| name.clone()));
        }
        more
    }

    /// Calls `each` for the entities that were touched since the last time.
    fn settle(&mut self, mut each: impl FnMut(&str, &mut T)) {
        for name in std::mem::take(&mut self.touched) {
            if let Some(kept) = self.all.get_mut(&name) {
                each(&name, kept);
            }
        }
    }
}

/// The stretches of an entity that new activities are about.
trait Touched {
    fn touched(&self) -> &[i64];
}

impl Touched for Line {
    fn touched(&self) -> &[i64] {
        &self.touched
    }
}

impl Touched for Tallied {
    fn touched(&self) -> &[i64] {
        &self.touched
    }
}

struct Line {
    entries: Vec<Entry>,
    is_ordered: bool,
    touched: Vec<i64>,
}

impl Default for Line {
    fn default() -> Self {
        Line { entries: Vec::new(), is_ordered: true, touched: Vec::new() }
    }
}

#[derive(Default)]
struct Tallied {
    days: BTreeMap<i64, Tally>,
    touched: Vec<i64>,
}

/// Texts that recur in entries.
#[derive(Default)]
pub(crate) struct Names {
    list: Vec<Option<String>>,
    by_name: HashMap<Option<String>, u32>,
}

impl Names {
    fn number(&mut self, name: Option<&str>) -> u32 {
        // Mostly the same organization and source as the last time.
        if let Some(at) = self.list.iter().take(8).position(|known| known.as_deref() == name) {
            return at as u32;
        }
        *self.by_name.entry(name.map(str::to_owned)).or_insert_with(|| {
            self.list.push(name.map(str::to_owned));
            (self.list.len() - 1) as u32
        })
    }

    pub(crate) fn name(&self, number: u32) -> Option<&str> {
        self.list.get(number as usize)?.as_deref()
    }
}

/// So many entries are kept before days that were not asked for in a while are let go.
const ROOM: usize = 3_000_000;

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(pack: Arc<Pack>) -> Engine {
        let states = pack.units.iter().map(|unit| match unit.plan {
            Plan::Baseline { .. } => State::Tallies(Entities::default()),
            _ => State::Lines(Entities::default()),
        });
        Engine {
            states: states.collect(),
            pack,
            known: HashMap::new(),
            names: Names::default(),
            followed: HashMap::new(),
            days: BTreeMap::new(),
            turn: 0,
            entries: 0,
            room: ROOM,
            trimmed: 0,
            most: Finding::MAX_ACTIVITIES,
        }
    }

    /// An engine that keeps at most about so many entries in memory.
    #[must_use]
    pub fn with_room(mut self, entries: usize) -> Self {
        self.room = entries;
        self
    }

    /// An engine that lists every activity in its alerts.
    #[must_use]
    pub fn with_all_evidence(mut self) -> Self {
        self.most = usize::MAX;
        self
    }

    /// The rules.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// Says which alerts are stored, so that one that is none any more can be withdrawn.
    pub fn know(&mut self, ids: impl IntoIterator<Item = String>) {
        self.known.extend(ids.into_iter().map(|id| (id, None)));
    }

    /// Says since when sources are followed: what happened before is of the past.
    pub fn follow(&mut self, since: impl IntoIterator<Item = (String, i64)>) {
        self.followed = since.into_iter().collect();
    }

    /// Whether any rule could look at activities of this type.
    pub fn wants(&self, kind: &str) -> bool {
        !self.pack.candidates(kind).is_empty()
    }

    /// The types to load for these rules; empty for all.
    pub fn types(&self, depth: Depth) -> Vec<String> {
        match depth {
            Depth::Near => self.pack.types(),
            Depth::Far => self.pack.far_types(),
        }
    }

    /// The days that have to be loaded before activities of these times (in microseconds) are taken, and counts them as
    /// loaded.
    pub fn missing(&mut self, times: impl IntoIterator<Item = i64>) -> Vec<Missing> {
        self.turn += 1;
        let days: BTreeSet<i64> = times.into_iter().map(|time| time.div_euclid(DAY)).collect();
        let far = self.pack.units.iter().filter(|unit| unit.is_far());
        let far = far.map(|unit| (unit.plan.reach() + unit.group) / DAY + 1).max();
        let mut missing = Vec::new();
        for (depth, reach) in [(Depth::Near, Some(2)), (Depth::Far, far)] {
            let Some(reach) = reach else { continue };
            let wanted: BTreeSet<i64> = days.iter().flat_map(|day| day - reach..=day + reach).collect();
            let mut run: Option<Missing> = None;
            for day in wanted {
                if self.days.insert((depth, day), self.turn).is_some() {
                    missing.extend(run.take());
                    continue;
                }
                match &mut run {
                    Some(run) if run.to == day => run.to += 1,
                    _ => missing.extend(run.replace(Missing { depth, from: day, to: day + 1 })),
                }
            }
            missing.extend(run);
        }
        missing
    }

    /// Takes a stored activity of a day that was missing.
    pub fn recall(&mut self, input: &Input, depth: Depth) {
        self.put(input, Some(depth));
    }

    /// Takes a new activity.
    pub fn take(&mut self, input: &Input) {
        self.put(input, None);
    }

    fn put(&mut self, input: &Input, recalled: Option<Depth>) {
        let pack = self.pack.clone();
        if pack.candidates(&input.activity.kind).is_empty() {
            return;
        }
        let seen = Seen::new(input.activity, input.enrichment);
        let mut id: Option<Arc<str>> = None;
        let mut origin = None;
        pack.matches(&seen, |found| {
            let unit = &pack.units[found.unit];
            if recalled.is_some_and(|depth| (depth == Depth::Far) != unit.is_far()) {
                return;
            }
            let (organization, source) = *origin.get_or_insert_with(|| {
                let organization = input.activity.organization_id.as_deref();
                (self.names.number(organization), self.names.number(Some(input.source)))
            });
            let id = id.get_or_insert_with(|| Arc::from(input.activity.id.as_ref())).clone();
            let Match { entity, slot, value, place, captured, .. } = found;
            let time = input.activity.created_at.as_microsecond();
            let value = value.map(Arc::from);
            let entry = Entry { time, id, slot, organization, source, place, value, captured };
            self.entries += self.states[found.unit].put(unit, &entity, entry, recalled.is_none());
        });
    }

    /// What has changed by the activities taken since the last time.
    pub fn settle(&mut self) -> Update {
        let mut update = Update::default();
        let pack = self.pack.clone();
        for (at, unit) in pack.units.iter().enumerate() {
            let mut say = |entity: &str, start: i64, found| {
                let id = finding::id(&unit.rule.id, entity, start);
                let Some(found) = found else {
                    if self.known.remove(&id).is_some() {
                        update.withdrawn.push(id);
                    }
                    return;
                };
                let finding = finding::make(unit, id.clone(), entity, found, &self.names, &self.followed, self.most);
                if self.known.get(&id).is_some_and(|known| known.as_ref() == Some(&finding)) {
                    return;
                }
                self.known.insert(id, Some(finding.clone()));
                update.findings.push(finding);
            };
            match &mut self.states[at] {
                State::Lines(lines) => lines.settle(|entity, line| {
                    line.order(&unit.plan);
                    for stretch in stretches(unit, &mut line.touched) {
                        let start = stretch * unit.group;
                        say(entity, start, evaluate(&unit.plan, &line.entries, start, start + unit.group));
                    }
                }),
                State::Tallies(all) => all.settle(|entity, tallied| {
                    for day in stretches(unit, &mut tallied.touched) {
                        say(entity, day * DAY, baseline(&unit.plan, &tallied.days, day));
                    }
                }),
            }
        }
        update.findings.sort_by(|one, other| (one.last, &one.id).cmp(&(other.last, &other.id)));
        update.withdrawn.sort();
        self.trim();
        update
    }

    /// Lets go of days that were not asked for in a while, if there are too many entries.
    fn trim(&mut self) {
        if self.entries <= self.room.max(self.trimmed + self.trimmed / 4) || self.days.is_empty() {
            return;
        }
        let mut turns: Vec<u64> = self.days.values().copied().collect();
        turns.sort_unstable();
        // The younger half stays, and always what was asked for last.
        let limit = turns[turns.len() / 2].min(self.turn - 1);
        let gone: BTreeSet<(Depth, i64)> =
            self.days.iter().filter(|(_, turn)| **turn <= limit).map(|(day, _)| *day).collect();
        if !gone.is_empty() {
            self.let_go(&gone);
        }
        // What is needed may be more than there is room for: it is not gone through again before it has grown.
        self.trimmed = self.entries;
    }

    fn let_go(&mut self, gone: &BTreeSet<(Depth, i64)>) {
        self.days.retain(|day, _| !gone.contains(day));
        for (unit, state) in self.pack.units.iter().zip(&mut self.states) {
            let depth = if unit.is_far() { Depth::Far } else { Depth::Near };
            self.entries -= state.forget(|day| gone.contains(&(depth, day)));
        }
        // What an alert said is only kept to say nothing twice; the store knows.
        for finding in self.known.values_mut() {
            *finding = None;
        }
    }

    /// Lets go of everything before a day, for whoever walks through time in order.
    pub fn forget_before(&mut self, day: i64) {
        for state in &mut self.states {
            self.entries -= state.forget(|known| known < day);
        }
    }
}

impl State {
    /// Answers how many entries there are more.
    fn put(&mut self, unit: &Unit, entity: &str, entry: Entry, is_new: bool) -> usize {
        match self {
            State::Lines(lines) => lines.put(entity, |line| line.put(unit, entry, is_new)),
            State::Tallies(all) => all.put(entity, |tallied| tallied.put(entry, is_new)),
        }
    }

    /// Answers how many entries there are less.
    fn forget(&mut self, is_gone: impl Fn(i64) -> bool) -> usize {
        let mut fewer = 0;
        match self {
            State::Lines(lines) => lines.all.retain(|_, line| {
                let before = line.entries.len();
                line.entries.retain(|entry| !is_gone(entry.time.div_euclid(DAY)));
                fewer += before - line.entries.len();
                !line.entries.is_empty()
            }),
            State::Tallies(all) => all.all.retain(|_, tallied| {
                tallied.days.retain(|day, tally| {
                    let goes = is_gone(*day);
                    fewer += if goes { tally.first.len() } else { 0 };
                    !goes
                });
                !tallied.days.is_empty()
            }),
        }
        fewer
    }
}

fn touch(touched: &mut Vec<i64>, stretch: i64) {
    if touched.last() != Some(&stretch) {
        touched.push(stretch);
    }
}

impl Tallied {
    fn put(&mut self, entry: Entry, is_new: bool) -> usize {
        let day = entry.time.div_euclid(DAY);
        if is_new {
            touch(&mut self.touched, day);
        }
        self.days.entry(day).or_default().put(entry)
    }
}

impl Line {
    fn put(&mut self, unit: &Unit, entry: Entry, is_new: bool) -> usize {
        if matches!(unit.plan, Plan::NewValue { .. }) && self.is_had(&entry) {
            return 0;
        }
        if is_new {
            touch(&mut self.touched, entry.time.div_euclid(unit.group));
        }
        let last = self.entries.last();
        self.is_ordered &=
            last.is_none_or(|last| (last.time, &last.id, last.slot) <= (entry.time, &entry.id, entry.slot));
        self.entries.push(entry);
        1
    }

    /// Whether an entry in order is not the first of its value and day: only the first counts for a value that is new.
    fn is_had(&self, entry: &Entry) -> bool {
        let is_next = self.is_ordered && self.entries.last().is_some_and(|last| last.time <= entry.time);
        let day = entry.time.div_euclid(DAY) * DAY;
        let mut today = self.entries.iter().rev().take_while(|known| known.time >= day);
        is_next && today.any(|known| known.value == entry.value && known.time < entry.time)
    }

    fn order(&mut self, plan: &Plan) {
        let was_ordered = self.is_ordered;
        if !was_ordered {
            // The sort is adaptive: entries come in a few runs.
            self.entries.sort_by(|one, other| (one.time, &one.id, one.slot).cmp(&(other.time, &other.id, other.slot)));
            self.is_ordered = true;
        }
        if !was_ordered && matches!(plan, Plan::NewValue { .. }) {
            let mut met: std::collections::HashSet<(i64, Option<Arc<str>>)> = std::collections::HashSet::new();
            self.entries.retain(|entry| met.insert((entry.time.div_euclid(DAY), entry.value.clone())));
        }
    }
}

impl Tally {
    fn put(&mut self, entry: Entry) -> usize {
        self.last = if self.count == 0 { entry.time } else { self.last.max(entry.time) };
        self.count += 1;
        let is_before = |known: &Entry| (known.time, &known.id) < (entry.time, &entry.id);
        let at = match self.first.last() {
            Some(last) if !is_before(last) => self.first.partition_point(is_before),
            _ => self.first.len(),
        };
        if at >= Finding::MAX_ACTIVITIES {
            return 0;
        }
        self.first.insert(at, entry);
        if self.first.len() > Finding::MAX_ACTIVITIES {
            self.first.pop();
            return 0;
        }
        1
    }
}

/// The stretches that activities in the touched ones can change.
fn stretches(unit: &Unit, touched: &mut Vec<i64>) -> BTreeSet<i64> {
    // An activity at the end of a stretch reaches farthest.
    let stretches = |reach: i64| (reach + unit.group - 1) / unit.group;
    let (before, more) = match unit.plan.ahead() {
        0 => (0, stretches(unit.plan.reach())),
        // What ends something says so where that began, and nowhere later.
        ahead => (stretches(ahead), 0),
    };
    std::mem::take(touched).into_iter().flat_map(|stretch| stretch - before..=stretch + more).collect()
}
