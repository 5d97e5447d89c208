//! The project that a person keeps for three weeks: created, filled, archived or deleted.

use crate::{
    calendar::{DAY, MINUTE, Micros},
    hash::{below, mix},
    traits::Traits,
};

/// A project lives for so many days.
const PROJECT_DAYS: i64 = 21;

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
        let root = mix(traits.hash ^ 0x960_1ec7, period as u64) | 1;
        let first_day = period * PROJECT_DAYS - shift;
        let last_day = first_day + PROJECT_DAYS - 1;
        let begins = traits.midnight(first_day) + (600 + below(mix(root, 1), 300) as Micros) * MINUTE;
        let begins = if begins < start { start + (10 + below(mix(root, 2), 180) as Micros) * MINUTE } else { begins };
        (begins + DAY / 4 < traits.midnight(last_day)).then_some(Project { root, begins, last_day })
    }
}
