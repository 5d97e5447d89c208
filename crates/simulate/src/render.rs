//! Writes an activity's JSON, byte for byte as the feed serves it.
//!
//! Written by hand into a buffer: the feed's speed is the speed of this file.

use std::io::Write as _;

use crate::{
    calendar::{self, DAY, HOUR},
    event::{Event, UNKNOWN},
    hash::{below, mix, named},
    ids::{Id, uuid},
    networks::{NetworkKind, write_address},
    people::{Organization, Unit},
    script::{
        Part, book,
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
    api_key: u64,
    admin_api_key: u64,
}

/// The wire value of `actor.type`.
pub(crate) fn wire_type(part: Part) -> &'static str {
    match part {
        Part::Own | Part::Target | Part::Owner | Part::Each | Part::Ghost => "user_actor",
        Part::Anonymous | Part::AnonymousTarget | Part::AnonymousEach | Part::Stranger => "unauthenticated_user_actor",
        Part::Scim => "scim_directory_sync_actor",
        Part::System => "system_actor",
        Part::Anthropic => "anthropic_actor",
        Part::Service => "service_account_actor",
        Part::Key | Part::StoryKey => "api_actor",
        Part::AdminKey | Part::StoryAdminKey => "admin_api_key_actor",
        Part::Federated => "federated_actor",
        Part::Identity => "federated_identity_actor",
        Part::Device => "attested_device_actor",
    }
}

/// How many keys, service accounts and the like the organization has of old.
const OLD: u64 = 6;

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

    /// The id of a key, service account or the like that the organization has of old. One key has the same digits under
    /// both of its spellings.
    pub(crate) fn old_key(&self, number: u64) -> Id {
        Id::of(mix(self.organization.seed, 0x4e7), number % OLD)
    }

    fn actor_key(&self, event: &Event) -> Id {
        match event.actor.part {
            Part::StoryKey => Id::of(event.story, self.api_key),
            Part::StoryAdminKey => Id::of(event.story, self.admin_api_key),
            _ => self.old_key(u64::from(event.actor.who)),
        }
    }

    pub(crate) fn actor(&self, event: &Event, blank: bool, out: &mut Vec<u8>) {
        let actor = &event.actor;
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(wire_type(actor.part).as_bytes());
        out.push(b'"');
        match actor.part {
            Part::Own | Part::Target | Part::Owner | Part::Each => {
                out.extend_from_slice(br#","email_address":""#);
                if !blank {
                    self.organization.write_email(actor.who, out);
                }
                out.extend_from_slice(br#"","user_id":"user_"#);
                self.organization.user(actor.who).write(out);
                out.push(b'"');
                self.origin(event, out);
            }
            Part::Ghost => {
                out.extend_from_slice(br#","email_address":"unknown@invalid.internal","user_id":"user_"#);
                self.organization.user(actor.who).write(out);
                out.extend_from_slice(br#"","ip_address":"0.0.0.0","user_agent":"""#);
            }
            Part::Anonymous | Part::AnonymousTarget | Part::AnonymousEach => {
                out.extend_from_slice(br#","unauthenticated_email_address":""#);
                self.organization.write_email(actor.who, out);
                out.push(b'"');
                self.origin(event, out);
            }
            Part::Stranger => {
                out.extend_from_slice(br#","unauthenticated_email_address":null"#);
                self.origin(event, out);
            }
            Part::Key | Part::StoryKey => self.machine("api_key_id", "apikey_", event, out),
            Part::AdminKey | Part::StoryAdminKey => self.machine("admin_api_key_id", "admin_api_key_", event, out),
            Part::Service => self.machine("service_account_id", "svac_", event, out),
            Part::Scim => self.directory(event, out),
            Part::System => out.extend_from_slice(br#","service":"claude-platform""#),
            Part::Anthropic => out.extend_from_slice(br#","email_address":null"#),
            Part::Federated => {
                let account = 100_000_000_000 + below(mix(self.organization.seed, 5), 800_000_000_000);
                let _ = write!(
                    out,
                    r#","provider":{{"type":"aws","account_id":"{account}","signed_principal":"arn:aws:sts::{account}:assumed-role/claude-deploy/runner-{}"}},"subject":"role/claude-deploy""#,
                    actor.who % 40
                );
                self.origin(event, out);
            }
            Part::Identity => {
                let _ = write!(
                    out,
                    r#","issuer":"https://token.actions.example.org","subject":"repo:example/service-{}:ref:refs/heads/main","audience":["https://api.anthropic.com"]"#,
                    actor.who % 40
                );
                self.origin(event, out);
            }
            Part::Device => {
                out.extend_from_slice(br#","external_client_id":"com.example.assistant","kid_hash":""#);
                hex(mix(u64::from(actor.who), 12), 64, out);
                out.push(b'"');
                self.origin(event, out);
            }
        }
        out.push(b'}');
    }

    fn machine(&self, field: &str, prefix: &str, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(prefix.as_bytes());
        self.actor_key(event).write(out);
        out.push(b'"');
        self.origin(event, out);
    }

    fn directory(&self, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","workos_event_id":"event_"#);
        Id::of(event.id.0, 3).write(out);
        out.extend_from_slice(br#"","directory_id":"directory_"#);
        Id::of(self.organization.seed, 4).write(out);
        out.extend_from_slice(br#"","idp_connection_type":"OktaSCIMV2""#);
    }

    fn origin(&self, event: &Event, out: &mut Vec<u8>) {
        let actor = &event.actor;
        out.extend_from_slice(br#","ip_address":""#);
        let host = match actor.place {
            // An office and a VPN have few exits, a home has one, the rest follows the story.
            NetworkKind::Office | NetworkKind::Vpn => u64::from(actor.who % 4) << 2,
            NetworkKind::Residential => mix(u64::from(actor.who), self.organization.seed),
            NetworkKind::Cloud => mix(u64::from(actor.who % 16), 8),
            _ => u64::from(actor.salt),
        };
        write_address(actor.place, actor.city, host, out);
        out.extend_from_slice(br#"","user_agent":""#);
        actor.client.write(event.at, out);
        out.push(b'"');
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

fn hex(seed: u64, length: usize, out: &mut Vec<u8>) {
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
