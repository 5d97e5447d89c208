//! From the matches of one entity to what is an alert in one stretch of time. Pure: the same entries, in the order of time
//! and id, always give the same.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use rsigma_parser::{ConditionExpr, ConditionOperator, Quantifier};

use crate::{
    finding,
    matching::Entry,
    pack::{DAY, SECOND},
    plan::{Plan, Stage},
};

/// What an entity did on a day, for rules that only count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub count: u64,
    pub last: i64,
    /// The first ones, in the order of time and id.
    pub first: Vec<Entry>,
}

/// What makes an alert.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The evidence, in the order of time and id; only the first ones where `count` is more.
    pub evidence: Vec<Entry>,
    pub count: u64,
    pub last: i64,
    pub values: Vec<Arc<str>>,
    /// Where it is a gap: its beginning, and its end if it has one.
    pub gap: Option<(i64, Option<i64>)>,
}

/// The alert that entries make between `start` and `end`, if they make one. `entries` are in order.
pub(crate) fn evaluate(plan: &Plan, entries: &[Entry], start: i64, end: i64) -> Option<Found> {
    let from = entries.partition_point(|entry| entry.time < start.saturating_sub(plan.reach()));
    let to = entries.partition_point(|entry| entry.time < end.saturating_add(plan.ahead()));
    let entries = &entries[from..to.max(from)];
    let begin = entries.partition_point(|entry| entry.time < start);
    if begin == entries.len() {
        return None;
    }
    let mut proof = Proof::new(entries);
    match plan {
        Plan::Gap { within } => return gap(&entries[begin..], *within, end),
        Plan::Staged { stages, last } => staged(stages, last, entries, start, &mut proof),
        plan => met(plan, entries, begin, |from, to| proof.add(from, to)),
    }
    proof.found()
}

/// Calls `add` with the first entry, and the one behind the last, wherever a plan is met at an entry from `begin` on. Both grow from call to
/// call.
fn met(plan: &Plan, entries: &[Entry], begin: usize, mut add: impl FnMut(usize, usize)) {
    match plan {
        Plan::Each | Plan::Posture { .. } => add(begin, entries.len()),
        Plan::Count { checks, span } => windows(entries, begin, *span, |low, at| {
            if passes(checks, (at - low + 1) as u64) {
                add(low, at + 1);
            }
        }),
        Plan::Distinct { checks, span } => {
            let mut counts: HashMap<&str, u32> = HashMap::new();
            let (mut low_before, mut seen) = (0, 0);
            windows(entries, begin, *span, |low, at| {
                let text = |at: usize| entries[at].value.as_deref().unwrap_or_default();
                while seen <= at {
                    *counts.entry(text(seen)).or_default() += 1;
                    seen += 1;
                }
                while low_before < low {
                    if let Some(count) = counts.get_mut(text(low_before)) {
                        *count -= 1;
                        if *count == 0 {
                            counts.remove(text(low_before));
                        }
                    }
                    low_before += 1;
                }
                if passes(checks, counts.len() as u64) {
                    add(low, at + 1);
                }
            });
        }
        Plan::Together { names, wanted, span } => windows(entries, begin, *span, |low, at| {
            let met = entries[low..=at].iter().fold(0u64, |met, entry| met | 1 << entry.slot);
            let is_met = match wanted {
                Some(expression) => holds(expression, names, met),
                None => met.count_ones() as usize == names.len(),
            };
            if is_met {
                add(low, at + 1);
            }
        }),
        Plan::Ordered { conditions, span } => windows(entries, begin, *span, |low, at| {
            if usize::from(entries[at].slot) + 1 == *conditions
                && let Some(first) = in_order(&entries[low..=at], *conditions)
            {
                add(low + first, at + 1);
            }
        }),
        Plan::Travel { speed_kmh, distance_km, span } => {
            for at in begin.max(1)..entries.len() {
                let (one, other) = (&entries[at - 1], &entries[at]);
                let km = distance(one.place, other.place);
                let hours = (other.time - one.time) as f64 / 3.6e9;
                if other.time - one.time <= *span && km > *distance_km && km > *speed_kmh * hours {
                    add(at - 1, at + 1);
                }
            }
        }
        Plan::NewValue { within, learn } => new_values(entries, begin, *within, *learn, &mut add),
        Plan::Baseline { .. } | Plan::Staged { .. } | Plan::Gap { .. } => {}
    }
}

/// The gaps that begin before `end`: each from the first match of condition 0 to the next one of condition 1.
fn gap(entries: &[Entry], within: i64, end: i64) -> Option<Found> {
    let mut evidence: Vec<Entry> = Vec::new();
    let mut gaps: Vec<(i64, Option<i64>)> = Vec::new();
    for entry in entries {
        let open = gaps.last().filter(|(_, end)| end.is_none()).map(|(begun, _)| *begun);
        match (entry.slot, open) {
            (0, Some(_)) if entry.time < end => {}
            (0, None) if entry.time < end => gaps.push((entry.time, None)),
            (1, Some(begun)) if entry.time - begun <= within => {
                gaps.pop();
                gaps.push((begun, Some(entry.time)));
            }
            _ => continue,
        }
        evidence.push(entry.clone());
    }
    let values = gaps.iter().map(|(begun, ended)| gap_in_words(*begun, *ended).into()).collect();
    let last = evidence.last()?.time;
    Some(Found { count: evidence.len() as u64, evidence, last, values, gap: gaps.last().copied() })
}

fn gap_in_words(begun: i64, ended: Option<i64>) -> String {
    match ended {
        Some(ended) => {
            let minutes = (ended - begun) / (60 * SECOND);
            format!("{} to {}, {} h {} min", shown(begun), shown(ended), minutes / 60, minutes % 60)
        }
        None => format!("since {}", shown(begun)),
    }
}

fn shown(micros: i64) -> String {
    finding::shown(jiff::Timestamp::from_microsecond(micros).unwrap_or_default())
}

/// A plan whose conditions are partly what other plans find in the same entries.
fn staged(stages: &[Stage], last: &Plan, entries: &[Entry], start: i64, proof: &mut Proof) {
    // What stands for matches: entries, and the moments at which a stage is met, each with what it is made of.
    let mut marks: Vec<Mark> = entries.iter().enumerate().map(|(at, entry)| Mark::of(at, entry.slot)).collect();
    let is_below = |slot: u8| stages.iter().any(|stage| (stage.first..stage.first + stage.conditions).contains(&slot));
    for stage in stages {
        let own = |mark: &&Mark| (stage.first..stage.first + stage.conditions).contains(&mark.slot);
        let below: Vec<Mark> = marks.iter().filter(own).copied().collect();
        let seen: Vec<Entry> = below.iter().map(|mark| mark.entry(entries, stage.first)).collect();
        let mut last = None;
        met(&stage.plan, &seen, 0, |from, to| {
            let Some(end) = below.get(to - 1) else { return };
            if last == Some(end.at) {
                return;
            }
            last = Some(end.at);
            let made = &below[from..to];
            let first = made.iter().map(|mark| mark.from).min().unwrap_or(end.from);
            let slots = made.iter().fold(0, |slots, mark| slots | mark.slots);
            marks.push(Mark { at: end.at, from: first, slot: stage.slot, slots });
        });
        marks.sort_by_key(|mark| (mark.at, mark.slot));
    }
    marks.retain(|mark| !is_below(mark.slot));
    let seen: Vec<Entry> = marks.iter().map(|mark| mark.entry(entries, 0)).collect();
    let begin = seen.partition_point(|entry| entry.time < start);
    let mut spans: Vec<(usize, usize)> = Vec::new();
    met(last, &seen, begin, |from, to| match spans.last_mut() {
        Some(span) if from <= span.1 => *span = (span.0.min(from), span.1.max(to)),
        _ => spans.push((from, to)),
    });
    let mut is_proof = vec![false; entries.len()];
    let mut open: HashMap<u64, (usize, usize)> = HashMap::new();
    let mut prove = |slots: u64, from: usize, to: usize| {
        for at in from..to {
            is_proof[at] |= slots & (1 << entries[at].slot) != 0;
        }
    };
    for mark in spans.iter().flat_map(|(from, to)| &marks[*from..*to]) {
        // Windows of one stage overlap: each stretch is gone through once.
        let (from, to) = (mark.from, mark.at + 1);
        let span = open.entry(mark.slots).or_insert((from, to));
        if from <= span.1 {
            *span = (span.0.min(from), span.1.max(to));
        } else {
            prove(mark.slots, span.0, span.1);
            *span = (from, to);
        }
    }
    for (slots, (from, to)) in open {
        prove(slots, from, to);
    }
    for at in (0..entries.len()).filter(|at| is_proof[*at]) {
        proof.add(at, at + 1);
    }
}

/// A match of a condition at an entry, and the entries that it is made of: those of some conditions from another entry on.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    from: usize,
    slot: u8,
    slots: u64,
}

impl Mark {
    fn of(at: usize, slot: u8) -> Mark {
        Mark { at, from: at, slot, slots: 1 << slot }
    }

    /// As an entry, the conditions counted from `first` on.
    fn entry(&self, entries: &[Entry], first: u8) -> Entry {
        Entry { slot: self.slot - first, ..entries[self.at].clone() }
    }
}

/// Calls `each` with the first and the last entry of the window that ends at each entry from `begin` on.
fn windows(entries: &[Entry], begin: usize, span: i64, mut each: impl FnMut(usize, usize)) {
    let mut low = 0;
    for at in begin..entries.len() {
        while entries[low].time < entries[at].time - span {
            low += 1;
        }
        each(low, at);
    }
}

/// Spans of entries, joined.
struct Proof<'e> {
    entries: &'e [Entry],
    spans: Vec<(usize, usize)>,
}

impl<'e> Proof<'e> {
    fn new(entries: &'e [Entry]) -> Self {
        Proof { entries, spans: Vec::new() }
    }

    fn add(&mut self, from: usize, to: usize) {
        match self.spans.last_mut() {
            Some(last) if from <= last.1 => {
                last.0 = last.0.min(from);
                last.1 = last.1.max(to);
            }
            _ => self.spans.push((from, to)),
        }
    }

    fn found(self) -> Option<Found> {
        let picked: Vec<&Entry> = self.spans.iter().flat_map(|(from, to)| &self.entries[*from..*to]).collect();
        let last = picked.last()?.time;
        let mut met = HashSet::new();
        let values =
            picked.iter().filter_map(|entry| entry.value.clone()).filter(|value| met.insert(value.clone())).take(20);
        let values = values.collect();
        // One activity may meet several conditions of a rule; it is one piece of evidence.
        let mut evidence: Vec<Entry> = picked.into_iter().cloned().collect();
        evidence.dedup_by(|one, other| one.time == other.time && one.id == other.id);
        let count = evidence.len() as u64;
        Some(Found { evidence, count, last, values, gap: None })
    }
}

fn passes(checks: &[(ConditionOperator, u64)], count: u64) -> bool {
    checks.iter().all(|(operator, than)| match operator {
        ConditionOperator::Lt => count < *than,
        ConditionOperator::Lte => count <= *than,
        ConditionOperator::Gt => count > *than,
        ConditionOperator::Gte => count >= *than,
        ConditionOperator::Eq => count == *than,
        ConditionOperator::Neq => count != *than,
    })
}

/// Whether an expression over rules' names holds, given those that were met.
fn holds(expression: &ConditionExpr, names: &[String], met: u64) -> bool {
    match expression {
        ConditionExpr::And(parts) => parts.iter().all(|part| holds(part, names, met)),
        ConditionExpr::Or(parts) => parts.iter().any(|part| holds(part, names, met)),
        ConditionExpr::Not(part) => !holds(part, names, met),
        ConditionExpr::Identifier(name) => {
            names.iter().position(|known| known == name).is_some_and(|at| met & (1 << at) != 0)
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let chosen: Vec<bool> = names
                .iter()
                .enumerate()
                .filter(|(_, name)| pattern.matches_detection_name(name))
                .map(|(at, _)| met & (1 << at) != 0)
                .collect();
            let count = chosen.iter().filter(|met| **met).count() as u64;
            match quantifier {
                Quantifier::Any => count > 0,
                Quantifier::All => count == chosen.len() as u64,
                Quantifier::Count(wanted) => count >= *wanted,
            }
        }
    }
}

/// The first of the entries that meet conditions 0, 1, … in this order, the last entry the last one.
fn in_order(entries: &[Entry], conditions: usize) -> Option<usize> {
    let (mut next, mut first) = (0, None);
    let (last, before) = entries.split_last()?;
    for (at, entry) in before.iter().enumerate() {
        if next + 1 < conditions && usize::from(entry.slot) == next {
            first = first.or(Some(at));
            next += 1;
        }
    }
    (next + 1 == conditions && usize::from(last.slot) == next).then(|| first.unwrap_or(before.len()))
}

/// Kilometres between two places on a sphere.
fn distance(one: [f32; 2], other: [f32; 2]) -> f64 {
    let [[north, east], [north2, east2]] =
        [one, other].map(|place| place.map(|degrees| f64::from(degrees).to_radians()));
    let half =
        ((north2 - north) / 2.0).sin().powi(2) + north.cos() * north2.cos() * ((east2 - east) / 2.0).sin().powi(2);
    12_742.0 * half.sqrt().min(1.0).asin()
}

/// Values that the entity did not have in the days before. `entries` hold the first of each value and day.
fn new_values(entries: &[Entry], begin: usize, within: i64, learn: i64, add: &mut impl FnMut(usize, usize)) {
    let mut last_day: HashMap<&str, i64> = HashMap::new();
    let mut days: Vec<i64> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let day = entry.time.div_euclid(DAY);
        let value = entry.value.as_deref().unwrap_or_default();
        let before = last_day.insert(value, day);
        let is_new = before.is_none_or(|before| day - before > within);
        let has_learnt = || days.iter().any(|known| (day - within..=day - learn).contains(known));
        if at >= begin && is_new && has_learnt() {
            add(at, at + 1);
        }
        if days.last() != Some(&day) {
            days.push(day);
        }
    }
}

/// The alert that a day makes against the days before.
pub(crate) fn baseline(plan: &Plan, days: &BTreeMap<i64, Tally>, day: i64) -> Option<Found> {
    let Plan::Baseline { history, days: wanted, factor, at_least, .. } = plan else { return None };
    let today = days.get(&day)?;
    if today.count < *at_least as u64 {
        return None;
    }
    let (active, busiest) = days
        .range(day - history..day)
        .fold((0, 0), |(active, busiest), (_, tally)| (active + 1, tally.count.max(busiest)));
    let is_far = today.count as f64 > busiest as f64 * factor;
    (active >= *wanted && is_far).then(|| Found {
        evidence: today.first.clone(),
        count: today.count,
        last: today.last,
        values: vec![format!("{} before at most", busiest).into()],
        gap: None,
    })
}
