//! `unmapped`: the members of the activity that no attribute holds, as they were received.
//!
//! Left out is only what stands, unchanged, in one attribute that nothing else could have filled, so that an activity can be put
//! together again:
//!
//! | Member | Attribute |
//! | --- | --- |
//! | `id` | `metadata.uid` |
//! | `created_at` | `metadata.original_time` |
//! | `type` | `metadata.event_code` |
//! | `organization_id`, where it is a text | `cloud.account.uid` |
//! | `organization_uuid`, where it is a text | `cloud.org.uid` |
//! | `actor.user_id`, where it is the actor's only id | `actor.user.uid` |
//! | `actor.email_address`, where it is the only address and has the form of one | `actor.user.email_addr` |
//! | `actor.ip_address`, where it is an address and the class has room | `src_endpoint.ip` |
//! | `actor.user_agent`, where the class has room | `http_request.user_agent` |

use super::{Event, who};
use crate::{
    json::Object,
    members::{Members, string},
};

/// Members of an actor that could be taken for the user's id.
const IDS: [&str; 7] = [
    "admin_api_key_id",
    "api_key_id",
    "service_account_id",
    "directory_id",
    "external_client_id",
    "subject",
    "service",
];

impl Event<'_, '_> {
    pub(super) fn write_rest(&self, o: &mut Object) {
        let Some(members) = &self.members else {
            return o.object("unmapped", |o| o.text("raw", self.row.raw));
        };
        o.object("unmapped", |o| {
            for (name, json) in &members.list {
                match (&**name, &self.actor) {
                    ("id" | "created_at" | "type", _) => {}
                    ("organization_id" | "organization_uuid", _) if is_some_text(json) => {}
                    ("actor", Some(actor)) => o.whole_object("actor", |o| self.write_rest_of_actor(actor, o)),
                    _ => o.foreign(name, json),
                }
            }
        });
    }

    fn write_rest_of_actor(&self, actor: &Members, o: &mut Object) {
        for (name, json) in &actor.list {
            // A name that stands twice is left as it is: nobody could say which of the two is held.
            let is_once = actor.list.iter().filter(|(other, _)| other == name).count() == 1;
            if !(is_once && is_some_text(json) && self.holds(name, json, actor)) {
                o.foreign(name, json);
            }
        }
    }

    /// Whether an attribute holds this member of the actor.
    fn holds(&self, name: &str, json: &str, actor: &Members) -> bool {
        let row = self.row;
        match name {
            "user_id" => IDS.iter().all(|id| actor.json(id).is_none()),
            "email_address" => {
                actor.json("unauthenticated_email_address").is_none()
                    && string(json).is_some_and(|text| who::is_email(&text))
            }
            "ip_address" => self.room.source && row.ip().is_some(),
            "user_agent" => self.room.request,
            _ => false,
        }
    }
}

fn is_some_text(json: &str) -> bool {
    json.starts_with('"') && json.len() > 2
}
