//! Writes the actor of an activity.

use std::io::Write as _;

use crate::{
    event::Event,
    hash::{below, mix},
    ids::Id,
    networks::{NetworkKind, write_address},
    render::{Renderer, hex},
    script::Part,
};

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
}
