//! Shape `unified`: the 46 columns of the unified record, in their order, `null` where there is nothing.
//!
//! The same as `select * from anthropic_logs`, worked out of the row instead of by the engine.

use crate::{
    flat::{Field, Kind, field},
    json::{List, Object, object},
    row::{Agent, Person, Place, Row},
};

pub(crate) static FIELDS: &[Field] = &[
    field("workspaceID", Kind::Text, "the deployment's workspace"),
    field("sourceID", Kind::Text, "the configured source"),
    field("sourceType", Kind::Text, "`anthropic-compliance`"),
    field("sourceTTL", Kind::Integer, "retention of the source, in days"),
    field("receivedAt", Kind::Text, "when it was stored"),
    field("id", Kind::Text, "source and activity id"),
    field("eventTime", Kind::Text, "`created_at`, to the microsecond"),
    field("eventName", Kind::Text, "`type`"),
    field("eventID", Kind::Text, "`id`"),
    field("srcIP", Kind::Text, "`actor.ip_address`, where it is a real address"),
    field("srcASCountryCode", Kind::Text, "country of the address"),
    field("srcASNumber", Kind::Integer, "its autonomous system"),
    field("srcASOrganization", Kind::Text, "who runs that"),
    field("srcCity", Kind::Text, "its city"),
    field("srcConnectionType", Kind::Text, "how it is connected"),
    field("srcISP", Kind::Text, "its provider"),
    field("srcLatitude", Kind::Float, "degrees north"),
    field("srcLongitude", Kind::Float, "degrees east"),
    field("srcUserType", Kind::Text, "what kind of user it belongs to"),
    field("dstIP", Kind::Text, "empty: the feed names no destination"),
    field("dstASCountryCode", Kind::Text, "empty"),
    field("dstASNumber", Kind::Integer, "empty"),
    field("dstASOrganization", Kind::Text, "empty"),
    field("dstCity", Kind::Text, "empty"),
    field("dstConnectionType", Kind::Text, "empty"),
    field("dstISP", Kind::Text, "empty"),
    field("dstLatitude", Kind::Float, "empty"),
    field("dstLongitude", Kind::Float, "empty"),
    field("dstUserType", Kind::Text, "empty"),
    field("actor", Kind::Json, "every member of the actor, flattened"),
    field("tags", Kind::Json, "category, outcome, product, and what the user agent says"),
    field("resources", Kind::Json, "the id of everything that was touched"),
    field("serviceName", Kind::Text, "the product surface"),
    field("enrichments", Kind::Json, "what was looked up where, and what that said"),
    field("readOnly", Kind::Boolean, "whether nothing was changed"),
    field("rawLog", Kind::Text, "the activity as it was received"),
    field("activityID", Kind::Text, "`id`"),
    field("activityType", Kind::Text, "`type`"),
    field("organizationID", Kind::Text, "`organization_id`"),
    field("actorType", Kind::Text, "`actor.type`"),
    field("actorEmail", Kind::Text, "`actor.email_address`"),
    field("actorUserID", Kind::Text, "`actor.user_id`"),
    field("actorIPAddress", Kind::Text, "`actor.ip_address`"),
    field("actorUserAgent", Kind::Text, "`actor.user_agent`"),
    field("actorAPIKeyID", Kind::Text, "`actor.api_key_id`"),
    field("actorAdminAPIKeyID", Kind::Text, "`actor.admin_api_key_id`"),
];

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    object(out, |o| {
        o.text("workspaceID", row.workspace);
        o.text("sourceID", row.source);
        o.text("sourceType", "anthropic-compliance");
        o.value("sourceTTL", row.source_ttl);
        match row.received_at {
            Some(time) => o.time("receivedAt", time),
            None => o.json("receivedAt", b"null"),
        }
        id(row, o);
        o.time("eventTime", row.time);
        o.text("eventName", row.name);
        o.text("eventID", row.id);
        source(row, o);
        for name in FIELDS[19..29].iter().map(|field| field.path) {
            o.json(name, b"null");
        }
        actor(row, o);
        o.whole_object("tags", |o| {
            o.text("category", row.category);
            o.text("outcome", row.outcome);
            o.text("product", row.product);
            o.some("own_read", row.own_read.then_some("true"));
            for (name, value) in row.agent.named() {
                o.some(name, value);
            }
        });
        match row.resources.is_empty() {
            true => o.json("resources", b"null"),
            false => o.list("resources", |list| row.resources.iter().for_each(|id| list.text(id))),
        }
        o.text("serviceName", row.product);
        enrichments(row, o);
        o.value("readOnly", row.read_only);
        o.text("rawLog", row.raw);
        o.text("activityID", row.id);
        o.text("activityType", row.name);
        o.nullable("organizationID", row.organization_id);
        o.nullable("actorType", row.actor_type);
        o.nullable("actorEmail", row.actor_email);
        o.nullable("actorUserID", row.actor_user_id);
        o.nullable("actorIPAddress", row.actor_ip);
        o.nullable("actorUserAgent", row.actor_user_agent);
        o.nullable("actorAPIKeyID", row.actor_api_key_id);
        o.nullable("actorAdminAPIKeyID", row.actor_admin_api_key_id);
    });
}

fn id(row: &Row, o: &mut Object) {
    o.text("id", &activity::record_id(row.source, row.id));
}

fn source(row: &Row, o: &mut Object) {
    let place = &row.place;
    o.nullable("srcIP", row.source_ip);
    o.nullable("srcASCountryCode", place.country);
    o.value("srcASNumber", place.as_number);
    o.nullable("srcASOrganization", place.as_organization);
    o.nullable("srcCity", place.city);
    o.nullable("srcConnectionType", place.connection_type);
    o.nullable("srcISP", place.isp);
    o.value("srcLatitude", place.latitude);
    o.value("srcLongitude", place.longitude);
    o.nullable("srcUserType", place.user_type);
}

/// Every member of the actor, flattened, with the short names `id`, `email` and `ip` beside.
fn actor(row: &Row, o: &mut Object) {
    if row.actor_type.is_none() && row.actor_other.is_empty() {
        return o.json("actor", b"null");
    }
    o.whole_object("actor", |o| {
        let mut there = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                o.text(name, value);
            }
        };
        there("type", row.actor_type);
        there("id", row.actor_id());
        there("email", row.actor_email);
        there("ip", row.actor_ip);
        there("email_address", row.actor_email);
        there("user_id", row.actor_user_id);
        there("ip_address", row.actor_ip);
        there("user_agent", row.actor_user_agent);
        there("api_key_id", row.actor_api_key_id);
        there("admin_api_key_id", row.actor_admin_api_key_id);
        // A member that is itself named `id`, `email` or `ip` gives way: a map has each key once.
        for (name, value) in row.actor_other.iter().filter(|(name, _)| !matches!(*name, "id" | "email" | "ip")) {
            o.foreign_text(name, value);
        }
    });
}

/// An entry for each look-up that said something.
fn enrichments(row: &Row, o: &mut Object) {
    let (place, agent, person) = (&row.place, &row.agent, &row.person);
    if *place == Place::default() && agent.is_empty() && *person == Person::default() {
        return o.json("enrichments", b"null");
    }
    o.list("enrichments", |list| {
        if *place != Place::default() {
            geo(row, list);
        }
        if *agent != Agent::default() {
            list.object(|o| {
                o.whole_object("data", |o| agent.named().into_iter().for_each(|(name, value)| o.some(name, value)));
                of(o, "user_agent", Some("auditlake"), "user_agent", row.actor_user_agent);
            });
        }
        if *person != Person::default() {
            list.object(|o| {
                o.whole_object("data", |o| {
                    o.some("user_id", person.user_id);
                    o.some("name", person.name);
                    o.some("department", person.department);
                    o.some("manager", person.manager);
                    o.some("service_account", person.is_service_account.map(|is| if is { "true" } else { "false" }));
                });
                of(o, "directory", Some("directory"), "actor", row.any_email().or(row.actor_user_id));
            });
        }
    });
}

fn geo(row: &Row, list: &mut List) {
    let place = &row.place;
    // The stored text has the numbers as the database spelt them.
    let stored = |at: usize| place.text.and_then(|text| text.split('\u{1f}').nth(at)).map(str::to_owned);
    let number = stored(1).or_else(|| place.as_number.map(|number| number.to_string()));
    let latitude = stored(6).or_else(|| place.latitude.map(|degrees| degrees.to_string()));
    let longitude = stored(7).or_else(|| place.longitude.map(|degrees| degrees.to_string()));
    list.object(|o| {
        o.whole_object("data", |o| {
            o.some("country_code", place.country);
            o.some("as_number", number.as_deref());
            o.some("as_organization", place.as_organization);
            o.some("city", place.city);
            o.some("connection_type", place.connection_type);
            o.some("isp", place.isp);
            o.some("latitude", latitude.as_deref());
            o.some("longitude", longitude.as_deref());
            o.some("user_type", place.user_type);
        });
        of(o, "geoip", place.database, "ip_address", row.actor_ip);
    });
}

fn of(o: &mut Object, name: &str, provider: Option<&str>, kind: &str, value: Option<&str>) {
    o.text("name", name);
    o.nullable("provider", provider);
    o.text("type", kind);
    o.nullable("value", value);
}
