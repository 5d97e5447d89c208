//! Activities that no catalogue knows: types, actors, fields and values that the feed will have one day.
//!
//! They are part of the truth: a collector has to keep them as they are.

use std::ops::Range;

use crate::{
    calendar::{HOUR, Micros},
    devices::Client,
    event::{Actor, Event, UNKNOWN},
    hash::{below, happens, mix, unmix, unmix_with},
    ids::Id,
    networks::NetworkKind,
    people::{Organization, Unit},
    render::Renderer,
    script::{Part, kind_of},
    stream::A_DAY,
    telling::Span,
};

/// How many kinds of unknown there are.
const KINDS: u8 = 6;

/// The number that their ids are made with.
pub(crate) const NUMBER: u64 = 4;
/// The roots of an hour are numbered from here.
const FIRST: u64 = 2;

fn an_hour(organization: &Organization, rate: f64) -> f64 {
    rate * A_DAY / 24.0 * f64::from(organization.people())
}

fn of_organization(organization: &Organization) -> u64 {
    mix(organization.seed, 0x0bad)
}

/// The one of `hours` in which the unknown event with this root lies: what [`events`] makes of an hour, undone.
pub(crate) fn hour_of_root(organization: &Organization, rate: f64, root: u64, hours: &Range<i64>) -> Option<i64> {
    let hour = |number| unmix(of_organization(organization), unmix_with(FIRST + number, root)) as i64;
    (0..=an_hour(organization, rate) as u64).map(hour).find(|hour| hours.contains(hour))
}

/// Whether a type is one of those that no catalogue has.
pub(crate) fn is_unknown(name: &str) -> bool {
    (0..KINDS).any(|turn| kind(turn).is_none() && self::name(turn) == name)
}

/// Appends the unknown events of the span, `rate` of all that happens.
pub(crate) fn events(organization: &Organization, rate: f64, span: &Span, out: &mut Vec<Event>) {
    let an_hour = an_hour(organization, rate);
    for hour in span.from.div_euclid(HOUR)..=span.to.div_euclid(HOUR) {
        let root = mix(of_organization(organization), hour as u64);
        let count = an_hour as u64 + u64::from(happens(mix(root, 1), an_hour.fract()));
        for number in 0..count {
            let root = mix(root, FIRST + number);
            let at = hour * HOUR + below(mix(root, 1), HOUR as u64) as Micros;
            let turn = (root % u64::from(KINDS)) as u8;
            if at < span.from || at >= span.to || kind(turn).is_some_and(|kind| !span.types.has(kind)) {
                continue;
            }
            let who = organization.anybody(mix(root, 3));
            let traits = organization.traits(who);
            let actor = Actor {
                who,
                salt: root as u32,
                part: Part::Own,
                client: Client::ChromeMac,
                place: NetworkKind::Office,
                city: traits.city,
            };
            let id = Id::of(root, NUMBER);
            out.push(Event { at, id, story: root, project: 0, actor, target: who, step: UNKNOWN, turn, label: 0 });
        }
    }
}

/// The catalogue number of the type, where the type is known and something else is not.
pub(crate) fn kind(turn: u8) -> Option<u16> {
    match turn {
        3 | 4 => kind_of("claude_chat_viewed"),
        5 => kind_of("claude_file_exported"),
        _ => None,
    }
}

/// The type's wire name.
pub(crate) fn name(turn: u8) -> &'static str {
    match turn {
        0 => "claude_hologram_projected",
        1 => "org_quantum_key_exchanged",
        2 => "claude_dream_recorded",
        3 | 4 => "claude_chat_viewed",
        _ => "claude_file_exported",
    }
}

/// Appends everything behind `created_at`.
pub(crate) fn write(renderer: &Renderer, event: &Event, blank: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(renderer.unit(Unit::Main).as_bytes());
    out.extend_from_slice(br#","actor":"#);
    match event.turn {
        1 | 3 => {
            out.extend_from_slice(br#"{"type":"swarm_actor","swarm_id":"swarm_"#);
            Id::of(event.story, 5).write(out);
            out.extend_from_slice(
                br#"","members":[1,2,3],"consensus":0.875,"coordinator":{"kind":"elected","term":9007199254740993}}"#,
            );
        }
        _ => renderer.actor(event, blank, out),
    }
    out.extend_from_slice(br#","type":""#);
    out.extend_from_slice(name(event.turn).as_bytes());
    out.extend_from_slice(br#"","#);
    let rest: &str = match event.turn {
        0 => {
            r#""claude_hologram_id":"hologram_01","brightness":1.5e3,"layers":[{"name":"naïve \"quoted\" \\ \u0007","visible":true},null]"#
        }
        1 => r#""peer":null,"bits":18446744073709551615,"handshake":{"rounds":[[1,2],[3]],"empty":{}}"#,
        2 => r#""summary":"線 — a line\nand another\t\u2028","tags":[],"lucid":false"#,
        4 => {
            r#""claude_chat_id":"claude_chat_01UNKNOWNFIELDUNKNOWNFI","view_angle":-0.0,"Claude_Chat_Id":"case matters","":"empty name""#
        }
        5 => r#""export_destination":"orbital_archive","filename":"été.pdf","checksum":{"sha3":"00"}"#,
        _ => r#""claude_chat_id":"claude_chat_01UNKNOWNACTORUNKNOWNA""#,
    };
    out.extend_from_slice(rest.as_bytes());
    out.push(b'}');
}
