//! What a person does on a day: signs in, works through sessions, comes back to earlier chats, keeps a project.
//!
//! Everything of a day follows from the person and the day's number. Where a session refers to an earlier one (a chat that
//! is opened again, or deleted), the earlier one is computed again; it never has to be remembered.

use crate::{
    calendar::{DAY, HOUR, MINUTE, Micros, is_weekend},
    devices::Client,
    event::Event,
    hash::{below, mix, permille},
    networks::NetworkKind,
    people::{Organization, Role, Traits, local_day},
    script::{Book, Story, Surface, TypeSet},
    telling::{Span, Telling, by},
};

/// Sessions never run longer than this.
const LONGEST: Micros = 4 * HOUR;
/// A local day's events lie between these, counted from its midnight.
const EARLIEST: Micros = 6 * HOUR;
const LATEST: Micros = 22 * HOUR + LONGEST;
/// A project lives for so many days.
const PROJECT_DAYS: i64 = 21;
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
    project_begins: &'a Story,
    project_ends: &'a Story,
}

/// A session before it is told.
#[derive(Clone, Copy)]
struct Head<'a> {
    story: &'a Story,
    root: u64,
    begins: Micros,
}

/// The project that a person has during some weeks.
struct Project {
    root: u64,
    begins: Micros,
    last_day: i64,
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
        // The first day is special: projects that would have begun before it begin with it, at any hour.
        let first = span.from < start + DAY;
        for day in local_day(traits.city, span.from) - 1..=local_day(traits.city, span.to) {
            let midnight = traits.midnight(day);
            if first || (midnight + EARLIEST < span.to && midnight + LATEST >= span.from) {
                self.day(organization, who, &traits, day, start, span, out);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one day's whole circumstances")]
    fn day(
        &self,
        organization: &Organization,
        who: u32,
        traits: &Traits,
        day: i64,
        start: Micros,
        span: &Span,
        out: &mut Vec<Event>,
    ) {
        let project = project(traits, day, start);
        self.project_events(organization, who, traits, &project, day, span, out);
        let Some((begins, ends)) = traits.working_hours(day) else { return };
        let luck = mix(traits.hash, day as u64 ^ 0xda7);
        if permille(mix(luck, 1), 620) && begins - 10 * MINUTE >= start {
            let at = begins - 2 * MINUTE - below(mix(luck, 2), 400_000_000) as Micros;
            by(self.sign_in, mix(luck, 3), at, who, traits).tell(organization, span, out);
        }
        if permille(mix(luck, 4), 110) && ends >= start {
            by(self.sign_out, mix(luck, 5), ends + below(mix(luck, 6), HOUR as u64) as Micros, who, traits).tell(
                organization,
                span,
                out,
            );
        }
        for number in 0..self.count(traits, day) {
            let Some(head) = self.head(traits, day, number, start) else { continue };
            if head.begins >= span.to || head.begins + LONGEST < span.from {
                continue;
            }
            self.session(organization, who, traits, day, number, head, &project, start, span, out);
        }
    }

    /// How many sessions a day has.
    fn count(&self, traits: &Traits, day: i64) -> u64 {
        let luck = mix(traits.hash, day as u64 ^ 0xc0);
        if is_weekend(day) {
            return 1 + luck % 2;
        }
        let role = if traits.role == Role::PrimaryOwner { 50 } else { 100 };
        (u64::from(traits.busy) * role * (60 + below(luck, 80)) * 103 / 10_000_000).clamp(1, 40)
    }

    /// The session with this number on a day that has it.
    fn head(&self, traits: &Traits, day: i64, number: u64, start: Micros) -> Option<Head<'a>> {
        let (begins, ends) = traits.working_hours(day)?;
        let root = mix(mix(traits.hash, day as u64), number);
        let begins = if number == 0 && permille(mix(root, 9), 60) && !is_weekend(day) {
            // Now and then somebody cannot let go in the evening.
            traits.midnight(day) + 20 * HOUR + below(mix(root, 1), 110) as Micros * MINUTE
        } else {
            begins + below(mix(root, 1), (ends - begins) as u64) as Micros
        };
        if begins < start {
            return None;
        }
        let sums = if traits.role == Role::Developer { &self.developer } else { &self.other };
        let draw = below(mix(root, 2), u64::from(*sums.last()?)) as u32;
        let at = sums.partition_point(|&sum| sum <= draw);
        Some(Head { story: &self.sessions[at], root, begins })
    }

    #[expect(clippy::too_many_arguments, reason = "one session's whole circumstances")]
    fn session(
        &self,
        organization: &Organization,
        who: u32,
        traits: &Traits,
        day: i64,
        number: u64,
        head: Head<'a>,
        project: &Project,
        start: Micros,
        span: &Span,
        out: &mut Vec<Event>,
    ) {
        let Head { mut story, root, begins } = head;
        let mut about = root;
        match self.earlier(traits, day, number, head, start) {
            Some(earlier) => about = earlier,
            None if is_return(story) => story = self.plain,
            None => {}
        }
        let has_project = begins > project.begins + 30 * MINUTE && day < project.last_day;
        let in_project = has_project && permille(mix(root, 3), story.project);
        if story.project == 1000 && !in_project {
            story = self.plain;
        }
        let telling = Telling {
            about,
            // A chat that is opened again does not say where it belongs.
            project: if in_project { project.root } else { 0 },
            target: organization.colleague(who, mix(root, 4)),
            ..at_work(story, root, begins, who, traits)
        };
        telling.tell(organization, span, out);
    }

    /// The earlier session to which this one returns, if it does, and if what it left still exists.
    fn earlier(&self, traits: &Traits, day: i64, number: u64, head: Head<'a>, start: Micros) -> Option<u64> {
        let (lag, of) = match head.story.name {
            // The same number on both days: no chat is deleted twice.
            "chat_deleted_later" => (DELETED_AFTER, number),
            "chat_again" => {
                (1 + below(mix(head.root, 5), 2) as i64, below(mix(head.root, 6), 1 + self.count(traits, day)))
            }
            _ => return None,
        };
        let earlier = day - lag;
        if of >= self.count(traits, earlier) {
            return None;
        }
        let found = self.head(traits, earlier, of, start)?;
        found.story.lasting.then_some(found.root)
    }

    #[expect(clippy::too_many_arguments, reason = "one project's whole circumstances")]
    fn project_events(
        &self,
        organization: &Organization,
        who: u32,
        traits: &Traits,
        project: &Project,
        day: i64,
        span: &Span,
        out: &mut Vec<Event>,
    ) {
        let of_project = |story, root, begins| Telling {
            about: project.root,
            project: project.root,
            ..by(story, root, begins, who, traits)
        };
        if local_day(traits.city, project.begins) == day {
            of_project(self.project_begins, mix(project.root, 1), project.begins).tell(organization, span, out);
        }
        if day == project.last_day {
            let ends = traits.midnight(day) + 15 * HOUR;
            of_project(self.project_ends, mix(project.root, 2), ends).tell(organization, span, out);
        }
    }
}

fn is_return(story: &Story) -> bool {
    matches!(story.name, "chat_again" | "chat_deleted_later")
}

/// The project of the weeks in which a day lies. One that would have begun before the simulation begins with it.
fn project(traits: &Traits, day: i64, start: Micros) -> Project {
    let shift = below(mix(traits.hash, 0x960), PROJECT_DAYS as u64) as i64;
    let period = (day + shift).div_euclid(PROJECT_DAYS);
    let root = mix(traits.hash ^ 0x960_1ec7, period as u64) | 1;
    let first_day = period * PROJECT_DAYS - shift;
    let begins = traits.midnight(first_day) + (600 + below(mix(root, 1), 300) as Micros) * MINUTE;
    let begins = if begins < start { start + (10 + below(mix(root, 2), 180) as Micros) * MINUTE } else { begins };
    Project { root, begins, last_day: first_day + PROJECT_DAYS - 1 }
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
