//! Every activity that the script knows, by every actor that its type allows: for whoever turns activities into something
//! else and wants to try them all.

use jiff::Timestamp;

use crate::{
    actor::wire_type,
    calendar::SECOND,
    event::Event,
    hash::mix,
    people::Organization,
    render::Renderer,
    schedule::telling,
    script::{Part, book},
    traits::local_day,
    truth::{Activity, activity},
};

const PARTS: [Part; 11] = [
    Part::Own,
    Part::Anonymous,
    Part::Scim,
    Part::System,
    Part::Anthropic,
    Part::Service,
    Part::Key,
    Part::AdminKey,
    Part::Federated,
    Part::Identity,
    Part::Device,
];

/// Valid activities from `from` on: every step of the script, which covers every type of the catalogue, by every kind of
/// actor that its type allows. They are no stream: nothing is created before it is used.
pub fn samples(seed: u64, from: Timestamp) -> Vec<Activity> {
    let organization = Organization::new(seed, 50);
    let renderer = Renderer::new(organization.clone());
    let book = book();
    let mut found = Vec::new();
    let mut at = from.as_microsecond();
    let stories = [&book.sessions, &book.routines, &book.rarities, &book.scenarios].into_iter().flatten();
    for story in stories {
        let telling = telling(&organization, story, mix(seed, u64::from(story.first)), local_day(0, at), 7);
        let mut events: Vec<Event> = Vec::new();
        telling.tell_always(&organization, &mut events);
        for event in events {
            let step = &book.steps[usize::from(event.step)];
            let allowed = activity::catalog::get(step.name).map_or(&[][..], |info| &info.actors);
            for part in PARTS.into_iter().filter(|part| allowed.iter().any(|name| name == wire_type(*part))) {
                at += SECOND;
                let mut event = Event { at, label: 0, ..event };
                event.id.1 = mix(event.id.1, part as u64);
                event.actor.part = part;
                let mut json = Vec::new();
                renderer.write(&event, false, &mut json);
                found.push(activity(&event, json.into()));
            }
        }
    }
    found
}
