//! The project that a person keeps for three weeks: created, filled, archived or deleted.

use std::ops::Range;

use crate::{
    calendar::{DAY, MINUTE, Micros},
    hash::{below, mix, unmix, unmix_with},
    traits::Traits,
};

/// A project lives for so many days.
const PROJECT_DAYS: i64 = 21;
/// What a project's root is mixed of beside person and number.
const PROJECT: u64 = 0x960_1ec7;

/// The project that a person has during some weeks.
pub(crate) struct Project {
    pub(crate) root: u64,
    pub(crate) begins: Micros,
    pub(crate) last_day: i64,
}

impl Project {
    /// The project of the weeks in which a day lies. One that would have begun before the simulation begins with it,
    /// unless its end is near.
    pub(crate) fn of(traits: &Traits, day: i64, start: Micros) -> Option<Project> {
        let shift = below(mix(traits.hash, 0x960), PROJECT_DAYS as u64) as i64;
        let period = (day + shift).div_euclid(PROJECT_DAYS);
        let root = mix(traits.hash ^ PROJECT, period as u64) | 1;
        let first_day = period * PROJECT_DAYS - shift;
        let last_day = first_day + PROJECT_DAYS - 1;
        let begins = traits.midnight(first_day) + (600 + below(mix(root, 1), 300) as Micros) * MINUTE;
        let begins = if begins < start { start + (10 + below(mix(root, 2), 180) as Micros) * MINUTE } else { begins };
        (begins + DAY / 4 < traits.midnight(last_day)).then_some(Project { root, begins, last_day })
    }

    /// The root of the story of its beginning, or of its end.
    pub(crate) fn story_root(&self, begins: bool) -> u64 {
        mix(self.root, if begins { 1 } else { 2 })
    }

    /// The days among which such a story lies if it is of a project of the person with this hash, where one of `days` is
    /// among them: [`Project::of`], undone.
    pub(crate) fn days_of_root(story_root: u64, begins: bool, hash: u64, days: &Range<i64>) -> Option<Range<i64>> {
        let root = unmix_with(if begins { 1 } else { 2 }, story_root);
        // The last bit of a root says nothing any more.
        [root, root ^ 1].into_iter().find_map(|mixed| {
            let last = (unmix(hash ^ PROJECT, mixed) as i64).checked_add(1)?.checked_mul(PROJECT_DAYS)?;
            let found = last.checked_sub(2 * PROJECT_DAYS)?..last;
            (found.start < days.end && days.start < found.end).then_some(found)
        })
    }
}
