//! What the organization does: routines all the time, rarities once a quarter.

use std::ops::Range;

use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros, SECOND, day_of, is_weekend},
    event::Event,
    hash::{below, happens, mix, named, unmix, unmix_with},
    people::Organization,
    script::{Book, Casting, Hours, Story},
    telling::{Span, Telling, by},
};

/// A quarter, as far as rarities are concerned: ninety days hold at least one whole.
const QUARTER: i64 = 76;
/// The day of the quarter on which its change weeks begin.
const CHANGES: i64 = 34;

/// The roots of a routine's day are numbered from here.
const FIRST_TURN: u64 = 2;

/// Newcomers are numbered by the day, from the first day on and from the last one of a cycle of ninety years back: the number
/// must be the same whenever the organization began.
const FIRST_DAY: i64 = 20_000;
const CYCLE: i64 = 1 << 15;

/// Appends the routine events of the span.
pub(crate) fn routines(organization: &Organization, book: &Book, start: Micros, span: &Span, out: &mut Vec<Event>) {
    for (lane, story) in book.routines.iter().enumerate() {
        if !story.types.meets(&span.types) {
            continue;
        }
        let rate = rate(organization, story);
        let first = day_of(span.from.max(start) - story.span) - 1;
        for day in first..=day_of(span.to) + 1 {
            if story.hours == Hours::Work && is_weekend(day) {
                continue;
            }
            let root = mix(of_story(organization, story), day as u64);
            let count = rate as u64 + u64::from(happens(mix(root, 1), rate.fract()));
            for turn in 0..count {
                let newcomer =
                    ((day - FIRST_DAY).rem_euclid(CYCLE) as u64 * (rate as u64 + 1) + turn) * 8 + lane as u64 % 8;
                let telling = telling(organization, story, mix(root, FIRST_TURN + turn), day, newcomer as u32);
                if telling.begins >= start {
                    telling.tell(organization, span, out);
                }
            }
        }
    }
}

/// How often a routine is on an average weekday.
fn rate(organization: &Organization, story: &Story) -> f64 {
    story.rate.0 + story.rate.1 * f64::from(organization.people())
}

/// What the roots of a story are mixed of beside the number of the day or quarter.
fn of_story(organization: &Organization, story: &Story) -> u64 {
    mix(organization.seed, named(story.name))
}

/// The one of `days` on which the routine with this root begins: what [`routines`] makes of a day, undone.
pub(crate) fn day_of_root(organization: &Organization, story: &Story, root: u64, days: &Range<i64>) -> Option<i64> {
    let turns = 0..=rate(organization, story) as u64;
    let day = |turn| unmix(of_story(organization, story), unmix_with(FIRST_TURN + turn, root)) as i64;
    turns.map(day).find(|day| days.contains(day))
}

/// The quarter of the rarity with this root, if it begins on one of `days`: what [`rarities`] makes of its number, undone.
pub(crate) fn quarter_of_root(
    organization: &Organization,
    story: &Story,
    root: u64,
    days: &Range<i64>,
    start: Micros,
) -> Option<Range<i64>> {
    let number = unmix(of_story(organization, story), root) as i64;
    let first = number.checked_mul(QUARTER)?.checked_add(day_of(start))?;
    days.contains(&first).then_some(first..first + QUARTER)
}

/// The longest that a rarity may take, so that a quarter has room for it after its change weeks have begun.
#[cfg(test)]
const LONGEST: Micros = (QUARTER - CHANGES - 6) * DAY;

/// Appends the rare events of the span.
pub(crate) fn rarities(organization: &Organization, book: &Book, start: Micros, span: &Span, out: &mut Vec<Event>) {
    let start_day = day_of(start);
    for (lane, story) in book.rarities.iter().enumerate() {
        if !story.types.meets(&span.types) {
            continue;
        }
        let length = story.span / DAY + 1;
        let quarter = |at: Micros| (day_of(at) - start_day).div_euclid(QUARTER);
        for number in quarter(span.from - story.span - 3 * DAY).max(0)..=quarter(span.to).max(0) {
            let root = mix(of_story(organization, story), number as u64);
            let earliest = if story.late { CHANGES } else { 1 };
            let room = (QUARTER - earliest - length - 4).max(1);
            let mut day = start_day + number * QUARTER + earliest + below(mix(root, 1), room as u64) as i64;
            while is_weekend(day) {
                day += 1;
            }
            let newcomer = 4_000 + number as u32 * 256 + lane as u32;
            let telling = telling(organization, story, root, day, newcomer);
            telling.tell(organization, span, out);
        }
    }
}

/// A story of the organization on a day, with its people.
pub(crate) fn telling<'a>(
    organization: &Organization,
    story: &'a Story,
    root: u64,
    day: i64,
    newcomer: u32,
) -> Telling<'a> {
    let newcomer = organization.people() + newcomer % (u32::MAX - organization.people());
    let own = cast(organization, story.own, 0, newcomer, mix(root, 0x11));
    let target = cast(organization, story.target, own, newcomer, mix(root, 0x12));
    let traits = organization.traits(own);
    let luck = mix(root, 0x13);
    let begins = match story.hours {
        Hours::Any => day * DAY + below(luck, DAY as u64) as Micros,
        Hours::Night => traits.midnight(day) + HOUR + below(luck, 3 * HOUR as u64) as Micros,
        Hours::Work => {
            let minutes = Micros::from(traits.begins) + 20 + below(luck, u64::from(traits.lasts) - 120) as Micros;
            traits.midnight(day) + minutes * MINUTE + below(mix(luck, 1), 60 * SECOND as u64) as Micros
        }
    };
    Telling { target, ..by(story, root, begins, own, &traits) }
}

fn cast(organization: &Organization, casting: Casting, of: u32, newcomer: u32, hash: u64) -> u32 {
    match casting {
        Casting::Owner => 0,
        Casting::Admin => organization.admin(hash),
        Casting::Anybody => organization.anybody(hash),
        Casting::Newcomer => newcomer,
        Casting::Colleague => organization.colleague(of, hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rarity_fits_into_its_quarter() {
        for story in &crate::script::book().rarities {
            assert!(story.span < LONGEST, "{}: {} days", story.name, story.span / DAY);
        }
    }
}
