//! The actor, where it came from, and with what.

use super::Event;
use crate::{json::Object, row::Row};

/// Whether a text is an e-mail address as the schema wants one.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let of_local = |byte: u8| {
        byte.is_ascii_alphanumeric() || (byte.is_ascii_graphic() && b"!#$%&'*+,-./=?^_`{|}~".contains(&byte))
    };
    let of_domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let Some((first, rest)) = domain.split_once('.') else { return false };
    !local.is_empty()
        && local.bytes().all(of_local)
        && !first.is_empty()
        && !rest.is_empty()
        && domain.bytes().all(of_domain)
}

/// The schema's kinds of users, by actor type.
fn kind(actor_type: Option<&str>) -> (u32, &str) {
    match actor_type {
        Some("user_actor" | "unauthenticated_user_actor") => (1, "User"),
        Some(
            "admin_api_key_actor"
            | "api_actor"
            | "attested_device_actor"
            | "federated_actor"
            | "federated_identity_actor"
            | "scim_directory_sync_actor"
            | "service_account_actor"
            | "system_actor",
        ) => (3, "System"),
        Some(other) if !other.is_empty() => (99, other),
        _ => (0, "Unknown"),
    }
}

/// The actor as a user.
pub(super) fn user(row: &Row, o: &mut Object) {
    let email = row.any_email();
    o.some("uid", row.actor_id());
    o.text("name", row.actor_name().filter(|name| !name.is_empty()).unwrap_or("unknown"));
    o.some("email_addr", email.filter(|text| is_email(text)));
    o.some("full_name", row.person.name);
    o.some("credential_uid", row.actor_key());
    let (number, name) = kind(row.actor_type);
    o.value("type_id", number);
    o.text("type", name);
}

impl Event<'_, '_> {
    pub(super) fn write_actor(&self, o: &mut Object) {
        let row = self.row;
        o.object("actor", |o| {
            o.object("user", |o| user(row, o));
            o.some("app_name", row.agent.client);
            o.object("idp", |o| {
                let issuer = row.other("issuer").or_else(|| row.other("provider.issuer"));
                o.some("name", row.other("idp_connection_type").or(issuer).or_else(|| row.other("provider.type")));
                o.some("uid", row.other("directory_id"));
                o.some("issuer", issuer);
            });
        });
    }

    pub(super) fn write_source(&self, o: &mut Object) {
        if !self.room.source {
            return;
        }
        let (row, place) = (self.row, &self.row.place);
        o.object("src_endpoint", |o| {
            let Some(ip) = row.ip() else {
                // Who has no address acts within the service.
                if self.room.needs_source {
                    o.text("svc_name", if row.product.is_empty() { "Claude" } else { row.product });
                }
                return;
            };
            o.text("ip", ip);
            if place.country.is_some() || place.city.is_some() {
                o.object("location", |o| {
                    o.some("country", place.country);
                    o.some("city", place.city);
                    o.some_value("lat", place.latitude);
                    o.some_value("long", place.longitude);
                });
            }
            o.object("autonomous_system", |o| {
                o.some_value("number", place.as_number.and_then(|number| i32::try_from(number).ok()));
                o.some("name", place.as_organization);
            });
            o.some("isp", place.isp);
        });
    }

    pub(super) fn write_request(&self, o: &mut Object) {
        if !self.room.request {
            return;
        }
        o.object("http_request", |o| {
            o.some("user_agent", self.row.actor_user_agent);
            let Some(members) = &self.members else { return };
            let Some(method) = members.text("request_method") else { return };
            let is_known =
                matches!(&*method, "OPTIONS" | "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "TRACE" | "CONNECT");
            o.some("http_method", Some(&*method).filter(|_| is_known));
            o.object("url", |o| o.some("url_string", members.text("url").as_deref()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn knows_addresses() {
        for text in ["a@example.com", "a.b+c@x.example", "o'x@e-x.co.uk"] {
            assert!(is_email(text), "{text}");
        }
        for text in ["", "a", "a@b", "@example.com", "a b@example.com", "ä@example.com", "a@ex ample.com", "a@.com"] {
            assert!(!is_email(text), "{text}");
        }
    }
}
