//! Turns a story that begins at a moment into its events.

use crate::{
    calendar::{HOUR, Micros, weekday},
    devices::Client,
    event::{Actor, Event},
    hash::{Draw, below, mix, named, permille, pick},
    ids::Id,
    networks::NetworkKind,
    people::Organization,
    render::each,
    script::{Part, Step, Story, TypeSet, book},
    traits::{Traits, local_day, midnight},
};

/// What is asked for: the events of a span of time, of some types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Micros,
    pub(crate) to: Micros,
    pub(crate) types: TypeSet,
}

/// A story that happens.
pub(crate) struct Telling<'a> {
    pub(crate) story: &'a Story,
    /// What the events' own ids are made from.
    pub(crate) root: u64,
    /// What the ids within the story are made from; another story's root when people come back to something.
    pub(crate) about: u64,
    pub(crate) project: u64,
    pub(crate) begins: Micros,
    pub(crate) own: u32,
    pub(crate) target: u32,
    pub(crate) place: NetworkKind,
    pub(crate) city: u8,
    pub(crate) client: Client,
    pub(crate) label: u8,
}

impl Telling<'_> {
    /// Appends the events that lie in the span.
    pub(crate) fn tell(&self, organization: &Organization, span: &Span, out: &mut Vec<Event>) {
        if self.begins >= span.to || self.begins + self.story.span < span.from || !self.story.types.meets(&span.types) {
            return;
        }
        let mut at = self.begins;
        let mut draw = Draw::new(self.root);
        for (number, step) in book().of(self.story) {
            let times = draw.between(i64::from(step.times.0), i64::from(step.times.1));
            let happens = permille(draw.next(), u32::from(step.chance));
            for turn in 0..times {
                at = self.later(at, draw.between(step.delay.0, step.delay.1));
                if at >= span.to {
                    return;
                }
                if happens && at >= span.from && span.types.has(step.kind) {
                    out.push(self.event(organization, number, step, turn as u8, at));
                }
            }
        }
    }

    /// Appends every event once, whether it would happen or not.
    pub(crate) fn tell_always(&self, organization: &Organization, out: &mut Vec<Event>) {
        let steps = book().of(self.story);
        out.extend(steps.map(|(number, step)| self.event(organization, number, step, 0, self.begins)));
    }

    /// What waits for an hour or more is not taken up at night or at a weekend.
    fn later(&self, at: Micros, delay: Micros) -> Micros {
        let at = at + delay;
        if !self.story.patient || delay < HOUR {
            return at;
        }
        let day = local_day(self.city, at);
        let begins = midnight(self.city, day);
        // In the morning, at a minute that depends on when it would have been.
        let morning = |day| midnight(self.city, day) + 9 * HOUR + (at - begins) / 24;
        match (weekday(day), (at - begins) / HOUR) {
            (5, _) => morning(day + 2),
            (6, _) => morning(day + 1),
            (_, 0..8) => morning(day),
            (4, 18..) => morning(day + 3),
            (_, 18..) => morning(day + 1),
            _ => at,
        }
    }

    fn event(&self, organization: &Organization, number: u16, step: &Step, turn: u8, at: Micros) -> Event {
        Event {
            at,
            id: Id::of(self.root, u64::from(number) << 8 | u64::from(turn)),
            story: self.about,
            project: self.project,
            actor: self.actor(organization, step, turn, at),
            target: self.target,
            step: number,
            turn,
            label: if step.unlabelled { 0 } else { self.label },
        }
    }

    /// A story that goes on on another day goes on where the person is then.
    fn stay(&self, actor: &mut Actor, organization: &Organization, at: Micros) {
        if at - self.begins > 6 * HOUR {
            let traits = organization.traits(self.own);
            (actor.place, actor.city) = traits.whereabouts(local_day(traits.city, at));
        }
    }

    fn actor(&self, organization: &Organization, step: &Step, turn: u8, at: Micros) -> Actor {
        let root = self.root;
        let mut actor = Actor {
            who: self.own,
            salt: mix(root, 6) as u32,
            part: step.actor,
            client: self.client,
            place: self.place,
            city: self.city,
        };
        match step.actor {
            Part::Own | Part::Anonymous => self.stay(&mut actor, organization, at),
            Part::Stranger | Part::Ghost => {}
            Part::Owner => settle(&mut actor, organization, 0, at),
            Part::Target | Part::AnonymousTarget => settle(&mut actor, organization, self.target, at),
            Part::Each => settle(&mut actor, organization, each(organization, self.target, turn), at),
            Part::AnonymousEach => actor.who = each(organization, self.target, turn),
            Part::Scim | Part::System | Part::Anthropic => {}
            Part::Service | Part::Key | Part::AdminKey | Part::StoryKey | Part::StoryAdminKey => {
                // Always the same one for the same kind of story; the last is for reading the compliance log.
                let compliance = step.name == "compliance_api_accessed";
                actor.who = if compliance { READER } else { below(named(self.story.name), u64::from(READER)) as u32 };
                actor.place = NetworkKind::Cloud;
                actor.client = pick(
                    mix(named(self.story.name), 8),
                    &[Client::PythonSdk, Client::PythonSdk, Client::TypescriptSdk],
                );
            }
            Part::Federated | Part::Identity => {
                actor.who = below(mix(root, 7), 40) as u32;
                actor.place = NetworkKind::Cloud;
                actor.client = Client::GithubActions;
            }
            Part::Device => (actor.place, actor.client) = (NetworkKind::Mobile, Client::Iphone),
        }
        if let Some(place) = step.place {
            actor.place = place;
        }
        if let Some(client) = step.client {
            actor.client = client;
        }
        if actor.place == NetworkKind::Mobile {
            // A phone keeps its address for a day.
            actor.salt = mix(u64::from(actor.who), local_day(actor.city, at) as u64) as u32;
        }
        actor
    }
}

/// The number of the old key that another tool of the company reads the compliance log with.
const READER: u32 = 4;

/// Puts another person where they are on that day, at their own machine.
fn settle(actor: &mut Actor, organization: &Organization, who: u32, at: Micros) {
    let traits = organization.traits(who);
    actor.who = who;
    (actor.place, actor.city) = traits.whereabouts(local_day(traits.city, at));
    actor.client = traits.browser;
}

/// A telling by a person, from where they are on that day.
pub(crate) fn by<'a>(story: &'a Story, root: u64, begins: Micros, own: u32, traits: &Traits) -> Telling<'a> {
    let (place, city) = traits.whereabouts(local_day(traits.city, begins));
    Telling {
        story,
        root,
        about: root,
        project: if story.project == 1000 { root | 1 } else { 0 },
        begins,
        own,
        target: own,
        place,
        city,
        client: traits.browser,
        label: 0,
    }
}
