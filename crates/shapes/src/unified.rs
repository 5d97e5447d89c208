//! Shape `unified`: the 46 columns of the unified record, in their order, `null` where there is nothing.
//!
//! The same as `select * from anthropic_logs`, worked out of the row instead of by the engine.

use std::borrow::Cow;

use crate::{
    flat::{Field, Kind, field},
    json::{List, Object, object},
    row::{Person, Place, Row},
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
        match has_actor(row) {
            true => o.whole_object("actor", |o| actor(row, |name, value| o.foreign_text(name, value))),
            false => o.json("actor", b"null"),
        }
        o.whole_object("tags", |o| tags(row, |name, value| o.text(name, value)));
        match row.resources.is_empty() {
            true => o.json("resources", b"null"),
            false => o.list("resources", |list| row.resources.iter().for_each(|id| list.text(id))),
        }
        o.text("serviceName", row.product);
        match look_ups(row).iter().any(Option::is_some) {
            true => o.list("enrichments", |list| enrichments(row, list)),
            false => o.json("enrichments", b"null"),
        }
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

/// Whether there is an actor of whom anything is known.
pub(crate) fn has_actor(row: &Row) -> bool {
    row.actor_type.is_some() || !row.actor_other.is_empty()
}

/// Every member of the actor, flattened, with the short names `id`, `email` and `ip` beside.
pub(crate) fn actor(row: &Row, mut put: impl FnMut(&str, &str)) {
    let there = [
        ("type", row.actor_type),
        ("id", row.actor_id()),
        ("email", row.actor_email),
        ("ip", row.actor_ip),
        ("email_address", row.actor_email),
        ("user_id", row.actor_user_id),
        ("ip_address", row.actor_ip),
        ("user_agent", row.actor_user_agent),
        ("api_key_id", row.actor_api_key_id),
        ("admin_api_key_id", row.actor_admin_api_key_id),
    ];
    for (name, value) in there {
        if let Some(value) = value {
            put(name, value);
        }
    }
    // A member that is itself named `id`, `email` or `ip` gives way: a map has each key once.
    for (name, value) in row.actor_other.iter().filter(|(name, _)| !matches!(*name, "id" | "email" | "ip")) {
        put(name, value);
    }
}

/// What is known of the activity in a word each.
pub(crate) fn tags(row: &Row, mut put: impl FnMut(&str, &str)) {
    put("category", row.category);
    put("outcome", row.outcome);
    put("product", row.product);
    if row.own_read {
        put("own_read", "true");
    }
    some(row.agent.named(), put);
}

/// A look-up that said something.
#[derive(Clone, Copy)]
pub(crate) struct LookUp<'a> {
    pub(crate) name: &'static str,
    pub(crate) provider: Option<&'a str>,
    /// What was looked up: the kind, and the value.
    pub(crate) kind: &'static str,
    pub(crate) value: Option<&'a str>,
}

/// The look-ups that said something: place, agent, person.
pub(crate) fn look_ups<'a>(row: &Row<'a>) -> [Option<LookUp<'a>>; 3] {
    let place = LookUp { name: "geoip", provider: row.place.database, kind: "ip_address", value: row.actor_ip };
    let agent =
        LookUp { name: "user_agent", provider: Some("auditlake"), kind: "user_agent", value: row.actor_user_agent };
    let value = row.any_email().or(row.actor_user_id);
    let person = LookUp { name: "directory", provider: Some("directory"), kind: "actor", value };
    [
        (row.place != Place::default()).then_some(place),
        (!row.agent.is_empty()).then_some(agent),
        (row.person != Person::default()).then_some(person),
    ]
}

/// What the look-up at this place of [`look_ups`] said.
pub(crate) fn said(row: &Row, look_up: usize, put: impl FnMut(&str, &str)) {
    match look_up {
        0 => place(row, put),
        1 => some(row.agent.named(), put),
        _ => {
            let person = &row.person;
            let service = person.is_service_account.map(|is| if is { "true" } else { "false" });
            let named = [
                ("user_id", person.user_id),
                ("name", person.name),
                ("department", person.department),
                ("manager", person.manager),
                ("service_account", service),
            ];
            some(named, put);
        }
    }
}

fn some<const N: usize>(named: [(&str, Option<&str>); N], mut put: impl FnMut(&str, &str)) {
    for (name, value) in named {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            put(name, value);
        }
    }
}

fn place(row: &Row, put: impl FnMut(&str, &str)) {
    let place = &row.place;
    // The stored text has the numbers as the database spelt them.
    let stored = |at: usize| place.text.and_then(|text| text.split('\u{1f}').nth(at)).map(Cow::Borrowed);
    let number = stored(1).or_else(|| place.as_number.map(|number| number.to_string().into()));
    let latitude = stored(6).or_else(|| place.latitude.map(|degrees| degrees.to_string().into()));
    let longitude = stored(7).or_else(|| place.longitude.map(|degrees| degrees.to_string().into()));
    let named = [
        ("country_code", place.country),
        ("as_number", number.as_deref()),
        ("as_organization", place.as_organization),
        ("city", place.city),
        ("connection_type", place.connection_type),
        ("isp", place.isp),
        ("latitude", latitude.as_deref()),
        ("longitude", longitude.as_deref()),
        ("user_type", place.user_type),
    ];
    some(named, put);
}

/// An entry for each look-up that said something.
fn enrichments(row: &Row, list: &mut List) {
    for (at, look_up) in look_ups(row).into_iter().enumerate() {
        let Some(look_up) = look_up else { continue };
        list.object(|o| {
            o.whole_object("data", |o| said(row, at, |name, value| o.text(name, value)));
            o.text("name", look_up.name);
            o.nullable("provider", look_up.provider);
            o.text("type", look_up.kind);
            o.nullable("value", look_up.value);
        });
    }
}
