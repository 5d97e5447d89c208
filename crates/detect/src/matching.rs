//! One activity against all rules: which of them it counts for, for whom, and what of it has to be kept.

use std::{borrow::Cow, sync::Arc};

use rsigma_eval::evaluate_rule;

use crate::{
    pack::{Pack, Unit},
    plan::Plan,
    posture::weakened,
    seen::Seen,
};

/// An activity that counts for a rule and an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Microseconds.
    pub time: i64,
    pub id: Arc<str>,
    /// Which of the rule's conditions it met.
    pub slot: u8,
    /// The number of its organization and source in the engine's list of names.
    pub organization: u32,
    pub source: u32,
    /// Degrees north and east, where the rule asks for them.
    pub place: [f32; 2],
    pub value: Option<Arc<str>>,
    /// The values of the fields that the rule's texts ask for.
    pub captured: Option<Arc<[Option<String>]>>,
}

/// A match: the rule, the entity, and what is kept.
pub(crate) struct Match<'s> {
    pub unit: usize,
    pub entity: Cow<'s, str>,
    pub slot: u8,
    pub value: Option<String>,
    pub place: [f32; 2],
    pub captured: Option<Arc<[Option<String>]>>,
}

impl Pack {
    /// The conditions that an activity of this type could meet.
    pub(crate) fn candidates(&self, kind: &str) -> &[u32] {
        match self.index.get(kind) {
            Some(list) => list,
            None if activity::catalog::get(kind).is_none() => {
                if self.others.is_empty() || !kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return &self.others;
                }
                self.index.get(kind.to_lowercase().as_str()).map_or(&self.others, |list| list)
            }
            None => &[],
        }
    }

    /// Calls `each` for every rule that an activity counts for.
    pub(crate) fn matches<'s>(&self, seen: &'s Seen<'s>, mut each: impl FnMut(Match<'s>)) {
        for at in self.candidates(&seen.activity.kind) {
            let base = &self.bases[*at as usize];
            if !base.is_type_alone && evaluate_rule(&base.compiled, seen).is_none() {
                continue;
            }
            for (unit, slot) in &base.uses {
                if let Some(found) = self.units[*unit].take(*unit, *slot, seen) {
                    each(found);
                }
            }
        }
    }
}

impl Unit {
    fn take<'s>(&self, unit: usize, slot: u8, seen: &'s Seen<'s>) -> Option<Match<'s>> {
        let at = usize::from(slot);
        let mut value = None;
        let mut place = [f32::NAN; 2];
        match &self.plan {
            Plan::Baseline { views: false, .. } if seen.activity.kind.ends_with("_viewed") => return None,
            Plan::Posture { weaker } => value = Some(weakened(seen, weaker)?),
            Plan::Travel { .. } => {
                let (north, east) = seen.position()?;
                place = [north as f32, east as f32];
                value = joined(seen, &self.value[at], false).map(Cow::into_owned);
            }
            _ if !self.value[at].is_empty() => value = Some(joined(seen, &self.value[at], true)?.into_owned()),
            _ => {}
        }
        let entity = match joined(seen, &self.entity[at], true) {
            Some(entity) => entity,
            None if self.is_lenient => seen
                .identity()
                .or_else(|| seen.activity.actor.kind().map(Cow::Borrowed))
                .unwrap_or(Cow::Borrowed("unknown")),
            None => return None,
        };
        if self.spared.iter().any(|spared| spared.covers(seen)) {
            return None;
        }
        let captured = (!self.captured.is_empty())
            .then(|| self.captured.iter().map(|field| seen.text(field).map(Cow::into_owned)).collect());
        Some(Match { unit, entity, slot, value, place, captured })
    }
}

/// The values of several fields in one text; `None` if there is none of them, or not all where all are asked for.
fn joined<'s>(seen: &'s Seen<'s>, fields: &[String], all: bool) -> Option<Cow<'s, str>> {
    if let [one] = fields {
        return seen.text(one).filter(|text| !text.is_empty());
    }
    let mut list = Vec::with_capacity(fields.len());
    for field in fields {
        match seen.text(field) {
            Some(text) => list.push(text),
            None if all => return None,
            None => {}
        }
    }
    (!list.is_empty()).then(|| Cow::Owned(list.join(" · ")))
}
