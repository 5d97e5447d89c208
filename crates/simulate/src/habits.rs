//! What a person does on a day: signs in, works through sessions, comes back to earlier chats, keeps a project.
//!
//! Everything of a day follows from the person and the day's number. Where a session refers to an earlier one (a chat that
//! is opened again, or deleted), the earlier one is computed again; it never has to be remembered.

use std::ops::Range;

use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros, is_weekend},
    devices::Client,
    event::Event,
    hash::{below, mix, permille, unmix, unmix_with},
    networks::NetworkKind,
    people::{Organization, Role},
    project::Project,
    script::{Book, Story, Surface, TypeSet},
    telling::{Span, Telling, by},
    traits::{Traits, local_day},
};

/// Sessions never run longer than this.
const LONGEST: Micros = 4 * HOUR;
/// A local day's events lie between these, counted from its midnight.
const EARLIEST: Micros = 6 * HOUR;
const LATEST: Micros = 22 * HOUR + LONGEST;
/// A day has no more sessions than this.
const MOST_SESSIONS: u64 = 40;
/// What the luck of signing in and out is mixed of beside the person, and the numbers of the two stories.
const SIGNING: u64 = 0xda7;
const SIGN_IN: u64 = 3;
const SIGN_OUT: u64 = 5;
/// A chat is deleted on the third day or not at all, so that everybody can tell whether it still exists.
const DELETED_AFTER: i64 = 3;

/// The sessions of the script by what they are for, with their weights added up.
pub(crate) struct Habits<'a> {
    sessions: &'a [Story],
    types: TypeSet,
    developer: Vec<u32>,
    other: Vec<u32>,
    sign_in: &'a Story,
    sign_out: &'a Story,
    plain: &'a Story,
    again: &'a Story,
    deleted_later: &'a Story,
    project_begins: &'a Story,
    project_ends: &'a Story,
}

/// A session before it is told.
struct Head<'a> {
    story: &'a Story,
    root: u64,
    begins: Micros,
}

impl<'a> Habits<'a> {
    pub(crate) fn new(book: &'a Book) -> Habits<'a> {
        let sessions = &book.sessions[..];
        let sums = |weight: fn(&Story) -> u32| {
            let mut sum = 0;
            sessions
                .iter()
                .map(|story| {
                    sum += weight(story);
                    sum
                })
                .collect()
        };
        #[expect(clippy::expect_used, reason = "a test reads the script")]
        let named = |name| sessions.iter().find(|story| story.name == name).expect("a session of the script");
        let mut types = TypeSet::default();
        sessions.iter().for_each(|story| types = types.with(&story.types));
        Habits {
            sessions,
            types,
            developer: sums(|story| story.weight.0),
            other: sums(|story| story.weight.1),
            sign_in: named("sign_in"),
            sign_out: named("sign_out"),
            plain: named("chat"),
            again: named("chat_again"),
            deleted_later: named("chat_deleted_later"),
            project_begins: named("project_begins"),
            project_ends: named("project_ends"),
        }
    }

    /// All types that people's days hold.
    pub(crate) fn types(&self) -> &TypeSet {
        &self.types
    }

    /// Appends what a person does in the span. Nothing begins before `start`.
    pub(crate) fn person(
        &self,
        organization: &Organization,
        who: u32,
        start: Micros,
        span: &Span,
        out: &mut Vec<Event>,
    ) {
        let traits = organization.traits(who);
        let life = Life { habits: self, organization, who, traits: &traits, start, span };
        // The first day is special: projects that would have begun before it begin with it, at any hour.
        let first = span.from < start + DAY;
        for day in local_day(traits.city, span.from) - 1..=local_day(traits.city, span.to) {
            let midnight = traits.midnight(day);
            if first || (midnight + EARLIEST < span.to && midnight + LATEST >= span.from) {
                life.day(day, out);
            }
        }
    }
}

/// A person, as far as a span is concerned.
struct Life<'a> {
    habits: &'a Habits<'a>,
    organization: &'a Organization,
    who: u32,
    traits: &'a Traits,
    start: Micros,
    span: &'a Span,
}

impl<'a> Life<'a> {
    fn day(&self, day: i64, out: &mut Vec<Event>) {
        let Life { traits, span, .. } = *self;
        self.project_events(day, out);
        let Some(hours) = traits.working_hours(day) else { return };
        self.signing(day, hours, out);
        for number in 0..count(traits, day) {
            let (root, begins) = session(traits, day, number, hours);
            // Most sessions lie outside a short span: nothing more is computed of them.
            if begins < self.start || begins >= span.to || begins + LONGEST < span.from {
                continue;
            }
            let head = Head { story: self.story(root), root, begins };
            self.session(day, number, head, out);
        }
    }

    fn tell(&self, telling: &Telling<'_>, out: &mut Vec<Event>) {
        telling.tell(self.organization, self.span, out);
    }

    /// Signs in before the first session and, now and then, out after the last.
    fn signing(&self, day: i64, (begins, ends): (Micros, Micros), out: &mut Vec<Event>) {
        let Life { habits, who, traits, span, .. } = *self;
        let luck = mix(traits.hash, day as u64 ^ SIGNING);
        let at = begins - 2 * MINUTE - below(mix(luck, 2), 400_000_000) as Micros;
        if at >= self.start && at < span.to && at + 5 * MINUTE >= span.from && permille(mix(luck, 1), 620) {
            self.tell(&by(habits.sign_in, mix(luck, SIGN_IN), at, who, traits), out);
        }
        let at = ends + below(mix(luck, 6), HOUR as u64) as Micros;
        if at >= self.start && at < span.to && at >= span.from && permille(mix(luck, 4), 110) {
            self.tell(&by(habits.sign_out, mix(luck, SIGN_OUT), at, who, traits), out);
        }
    }

    /// What a session is for.
    fn story(&self, root: u64) -> &'a Story {
        let Habits { sessions, developer, other, .. } = self.habits;
        let sums = if self.traits.role == Role::Developer { developer } else { other };
        let draw = below(mix(root, 2), u64::from(sums.last().copied().unwrap_or(1))) as u32;
        &sessions[sums.partition_point(|&sum| sum <= draw)]
    }

    fn session(&self, day: i64, number: u64, head: Head<'a>, out: &mut Vec<Event>) {
        let Life { habits, who, traits, .. } = *self;
        let Head { mut story, root, begins } = head;
        let mut about = root;
        match self.earlier(day, number, &head) {
            Some(earlier) => about = earlier,
            None if self.returns(story) => story = habits.plain,
            None => {}
        }
        let project = Project::of(traits, day, self.start)
            .filter(|project| begins > project.begins + 30 * MINUTE && day < project.last_day)
            .filter(|_| permille(mix(root, 3), story.project));
        if story.project == 1000 && project.is_none() {
            story = habits.plain;
        }
        let telling = Telling {
            about,
            // A chat that is opened again does not say where it belongs.
            project: project.map_or(0, |project| project.root),
            target: self.organization.colleague(who, mix(root, 4)),
            ..at_work(story, root, begins, who, traits)
        };
        self.tell(&telling, out);
    }

    fn returns(&self, story: &Story) -> bool {
        std::ptr::eq(story, self.habits.again) || std::ptr::eq(story, self.habits.deleted_later)
    }

    /// The earlier session to which this one returns, if it does, and if what it left still exists.
    fn earlier(&self, day: i64, number: u64, head: &Head<'_>) -> Option<u64> {
        let Life { habits, traits, .. } = *self;
        let (earlier, of) = if std::ptr::eq(head.story, habits.deleted_later) {
            // The same number on both days: no chat is deleted twice.
            (day - DELETED_AFTER, number)
        } else if std::ptr::eq(head.story, habits.again) {
            (day - 1 - below(mix(head.root, 5), 2) as i64, below(mix(head.root, 6), 1 + count(traits, day)))
        } else {
            return None;
        };
        let hours = traits.working_hours(earlier)?;
        let (root, begins) = session(traits, earlier, of, hours);
        (of < count(traits, earlier) && begins >= self.start && self.story(root).lasting).then_some(root)
    }

    fn project_events(&self, day: i64, out: &mut Vec<Event>) {
        let Life { habits, who, traits, .. } = *self;
        let Some(project) = Project::of(traits, day, self.start) else { return };
        let of_project = |story, root, begins| Telling {
            about: project.root,
            project: project.root,
            ..by(story, root, begins, who, traits)
        };
        if local_day(traits.city, project.begins) == day {
            self.tell(&of_project(habits.project_begins, project.story_root(true), project.begins), out);
        }
        if day == project.last_day {
            let ends = traits.midnight(day) + 15 * HOUR;
            self.tell(&of_project(habits.project_ends, project.story_root(false), ends), out);
        }
    }
}

/// How many sessions a day has.
fn count(traits: &Traits, day: i64) -> u64 {
    let luck = mix(traits.hash, day as u64 ^ 0xc0);
    if is_weekend(day) {
        return 1 + luck % 2;
    }
    let role = if traits.role == Role::PrimaryOwner { 50 } else { 100 };
    (u64::from(traits.busy) * role * (60 + below(luck, 80)) * 103 / 10_000_000).clamp(1, MOST_SESSIONS)
}

/// The one of `days` on which the session with this root is, if it is one of the person with this hash: what [`session`]
/// and [`Life::signing`] make of a day, undone.
pub(crate) fn day_of_root(story: &Story, root: u64, hash: u64, days: &Range<i64>) -> Option<i64> {
    let signing = |number| (unmix(hash, unmix_with(number, root)) ^ SIGNING) as i64;
    let is_one = |day: &i64| days.contains(day);
    match story.name {
        "sign_in" => Some(signing(SIGN_IN)).filter(is_one),
        "sign_out" => Some(signing(SIGN_OUT)).filter(is_one),
        _ => (0..MOST_SESSIONS).map(|number| unmix(hash, unmix_with(number, root)) as i64).find(is_one),
    }
}

/// The root and the beginning of the session with this number on a day with these working hours.
fn session(traits: &Traits, day: i64, number: u64, (begins, ends): (Micros, Micros)) -> (u64, Micros) {
    let root = mix(mix(traits.hash, day as u64), number);
    if number == 0 && permille(mix(root, 9), 60) && !is_weekend(day) {
        // Now and then somebody cannot let go in the evening.
        let evening = traits.midnight(day) + 20 * HOUR;
        return (root, evening + below(mix(root, 1), 110) as Micros * MINUTE);
    }
    (root, begins + below(mix(root, 1), (ends - begins) as u64) as Micros)
}

/// A telling with the program and from the place that fit the session.
fn at_work<'a>(story: &'a Story, root: u64, begins: Micros, who: u32, traits: &Traits) -> Telling<'a> {
    let mut telling = by(story, root, begins, who, traits);
    let chance = below(mix(root, 7), 100);
    telling.client = match story.surface {
        Surface::Web => traits.browser,
        Surface::Code => traits.code,
        Surface::Phone => traits.phone,
        Surface::Desktop => traits.desktop,
        Surface::Any if chance < 56 => traits.browser,
        Surface::Any if chance < 86 => traits.desktop,
        Surface::Any => traits.phone,
    };
    let phone = matches!(telling.client, Client::Iphone | Client::Android);
    if phone && permille(mix(root, 8), 700) {
        telling.place = NetworkKind::Mobile;
    } else if begins > traits.midnight(local_day(traits.city, begins)) + 19 * HOUR + 30 * MINUTE {
        telling.place = NetworkKind::Residential;
    }
    telling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_session_is_longer_than_the_longest() {
        for story in &crate::script::book().sessions {
            assert!(story.span <= LONGEST, "{}", story.name);
        }
    }
}
