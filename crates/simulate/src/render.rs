//! Writes an activity's JSON, byte for byte as the feed serves it.
//!
//! Written by hand into a buffer: the feed's speed is the speed of this file.

use std::io::Write as _;

use crate::{
    calendar::{self, DAY, HOUR},
    event::{Event, UNKNOWN},
    hash::{below, mix, named},
    ids::{Id, uuid},
    people::{Organization, Unit},
    script::{
        book,
        value::{Op, Scope, Whose},
    },
    unknown,
};

/// Writes activities of one organization.
#[derive(Debug, Clone)]
pub(crate) struct Renderer {
    pub(crate) organization: Organization,
    /// `"organization_id":…,"organization_uuid":…` of each [`Unit`].
    units: [String; 4],
    pub(crate) api_key: u64,
    pub(crate) admin_api_key: u64,
}

impl Renderer {
    pub(crate) fn new(organization: Organization) -> Renderer {
        let units = [Unit::Main, Unit::Platform, Unit::Sandbox, Unit::None].map(|unit| match unit {
            Unit::None => r#""organization_id":null,"organization_uuid":null"#.to_owned(),
            unit => {
                let (id, uuid) = organization.unit(unit);
                format!(r#""organization_id":"{id}","organization_uuid":"{uuid}""#)
            }
        });
        Renderer { organization, units, api_key: named("api_key"), admin_api_key: named("admin_api_key") }
    }

    /// Appends the activity. `blank` leaves out the names that were blanked retroactively.
    pub(crate) fn write(&self, event: &Event, blank: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":"activity_"#);
        event.id.write(out);
        out.extend_from_slice(br#"","created_at":""#);
        calendar::write(event.at, out);
        out.extend_from_slice(br#"","#);
        if event.step == UNKNOWN {
            return unknown::write(self, event, blank, out);
        }
        let step = &book().steps[usize::from(event.step)];
        out.extend_from_slice(self.units[step.unit as usize].as_bytes());
        out.extend_from_slice(br#","actor":"#);
        self.actor(event, blank, out);
        out.extend_from_slice(br#","type":""#);
        out.extend_from_slice(step.name.as_bytes());
        out.push(b'"');
        for op in &step.fields {
            self.op(op, event, blank, out);
        }
        out.push(b'}');
    }

    pub(crate) fn unit(&self, unit: Unit) -> &str {
        &self.units[unit as usize]
    }

    fn op(&self, op: &Op, event: &Event, blank: bool, out: &mut Vec<u8>) {
        match op {
            Op::Text(text) => out.extend_from_slice(text),
            Op::Id { prefix, scope, var } => {
                out.extend_from_slice(prefix.as_bytes());
                Id::of(event.root(*scope), *var).write(out);
            }
            Op::Old { prefix, var, of } => {
                out.extend_from_slice(prefix.as_bytes());
                Id::of(mix(self.organization.seed, *var), below(mix(event.story, *var), *of)).write(out);
            }
            Op::Project { .. } if event.project == 0 => out.extend_from_slice(b"null"),
            Op::Project { prefix } => {
                out.push(b'"');
                out.extend_from_slice(prefix.as_bytes());
                Id::of(event.project, PROJECT).write(out);
                out.push(b'"');
            }
            Op::Word { name: true, .. } if blank => {}
            Op::Word { pool, scope, salt, .. } => {
                let at = below(event.seed(*scope, *salt), pool.len() as u64) as usize;
                out.extend_from_slice(pool[at].as_bytes());
            }
            Op::OldWord { .. } if blank => {}
            Op::OldWord { pool, var, of } => {
                let at = below(mix(event.story, *var), *of) as usize;
                out.extend_from_slice(pool[at % pool.len()].as_bytes());
            }
            Op::Int { low, high, salt } => {
                let value = low + below(event.seed(Scope::Activity, *salt), (high - low + 1) as u64) as i64;
                let _ = write!(out, "{value}");
            }
            Op::Hex { length, scope, salt } => hex(event.seed(*scope, *salt), usize::from(*length), out),
            Op::Uuid { scope, salt } => {
                let seed = event.seed(*scope, *salt);
                uuid(seed, mix(seed, 1), out);
            }
            Op::Email(_) | Op::Name(_) if blank => {}
            Op::Email(whose) => self.organization.write_email(self.whose(*whose, event), out),
            Op::Name(whose) => self.organization.write_name(self.whose(*whose, event), out),
            Op::User(whose) => {
                out.extend_from_slice(b"user_");
                self.organization.user(self.whose(*whose, event)).write(out);
            }
            Op::Day(days) => {
                let (year, month, date) = calendar::civil(calendar::day_of(event.at + days * DAY));
                let _ = write!(out, "{year:04}-{month:02}-{date:02}");
            }
            Op::Time(hours) => calendar::write(event.at + hours * HOUR, out),
        }
    }

    fn whose(&self, whose: Whose, event: &Event) -> u32 {
        match whose {
            Whose::Own => event.actor.who,
            Whose::Target => event.target,
            Whose::Each => each(&self.organization, event.target, event.turn),
        }
    }
}

/// The person whom the `turn`-th repetition of a step is about.
pub(crate) fn each(organization: &Organization, first: u32, turn: u8) -> u32 {
    // 7919 is prime, so nobody comes twice before everybody came once.
    ((u64::from(first) + 7919 * u64::from(turn)) % u64::from(organization.people())) as u32
}

/// The variable that a project's id is made with.
pub(crate) const PROJECT: u64 = 0x9607;

pub(crate) fn hex(seed: u64, length: usize, out: &mut Vec<u8>) {
    for at in 0..length {
        let word = mix(seed, at as u64 / 16);
        out.push(b"0123456789abcdef"[(word >> (4 * (at % 16)) & 0xf) as usize]);
    }
}

impl Event {
    fn root(&self, scope: Scope) -> u64 {
        match scope {
            Scope::Story => self.story,
            Scope::Turn => mix(self.story, 1 + u64::from(self.turn)),
            Scope::Activity => self.id.0,
        }
    }

    fn seed(&self, scope: Scope, salt: u64) -> u64 {
        mix(self.root(scope), salt)
    }
}
