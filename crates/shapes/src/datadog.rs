//! Shape `datadog`: a log with Datadog's standard attributes, as its Claude compliance integration names them.
//!
//! The activity stands whole under `claude`.

use crate::{
    flat::{Field, Kind, field},
    json::{Object, object},
    meaning,
    members::Members,
    row::Row,
};

pub(crate) static FIELDS: &[Field] = &[
    field("ddsource", Kind::Text, "`claude-compliance-logs`"),
    field("source", Kind::Text, "`claude-compliance-logs`"),
    field("ddtags", Kind::Text, "source, category, outcome and configured source as tags"),
    field("service", Kind::Text, "the product surface"),
    field("status", Kind::Text, "`info`; `warn` where something failed"),
    field("message", Kind::Text, "type and actor"),
    field("timestamp", Kind::Text, "`created_at`, to the microsecond"),
    field("date", Kind::Integer, "the same in milliseconds since 1970"),
    field("evt.name", Kind::Text, "`type`"),
    field("evt.id", Kind::Text, "`id`"),
    field("evt.category", Kind::Text, "the category in the catalogue"),
    field("evt.outcome", Kind::Text, "`success`, `failure`, `attempt`, `unknown`"),
    field("evt.action", Kind::Text, "what was done, in a word"),
    field("evt.read_only", Kind::Boolean, "whether nothing was changed"),
    field("evt.guessed", Kind::Boolean, "whether no catalogue has the type"),
    field("evt.target", Kind::Text, "whom or what it was done to"),
    field("evt.resources", Kind::Json, "the id of everything that was touched"),
    field("usr.id", Kind::Text, "user id, or whatever id the actor has"),
    field("usr.email", Kind::Text, "e-mail address, proved or claimed"),
    field("usr.name", Kind::Text, "the name in the directory"),
    field("usr.type", Kind::Text, "`actor.type`"),
    field("usr.department", Kind::Text, "the department in the directory"),
    field("usr.manager", Kind::Text, "the manager in the directory"),
    field("usr.service_account", Kind::Boolean, "whether the directory says that it is a service account"),
    field("network.client.ip", Kind::Text, "`actor.ip_address`, where it is a real address"),
    field("network.client.geoip.ipAddress", Kind::Text, "the address that was looked up"),
    field("network.client.geoip.country.iso_code", Kind::Text, "its country"),
    field("network.client.geoip.city.name", Kind::Text, "its city"),
    field("network.client.geoip.location.latitude", Kind::Float, "degrees north"),
    field("network.client.geoip.location.longitude", Kind::Float, "degrees east"),
    field("network.client.geoip.as.number", Kind::Text, "its autonomous system, `AS64496`"),
    field("network.client.geoip.as.name", Kind::Text, "who runs that"),
    field("network.client.geoip.isp", Kind::Text, "its provider"),
    field("network.client.geoip.connection_type", Kind::Text, "how it is connected"),
    field("network.client.geoip.user_type", Kind::Text, "what kind of user it belongs to"),
    field("http.useragent", Kind::Text, "`actor.user_agent`"),
    field("http.useragent_details.browser.family", Kind::Text, "the browser, or else the client"),
    field("http.useragent_details.browser.major", Kind::Text, "its major version"),
    field("http.useragent_details.browser.version", Kind::Text, "its version"),
    field("http.useragent_details.os.family", Kind::Text, "the operating system"),
    field("http.useragent_details.os.major", Kind::Text, "its major version"),
    field("http.useragent_details.os.version", Kind::Text, "its version"),
    field("http.useragent_details.device.category", Kind::Text, "`Desktop`, `Mobile`, `Tablet`, `Bot`, `Other`"),
    field("http.useragent_details.client.name", Kind::Text, "what talks to Claude"),
    field("http.useragent_details.client.version", Kind::Text, "its version"),
    field("http.method", Kind::Text, "of a Compliance API call"),
    field("http.url", Kind::Text, "of a Compliance API call"),
    field("http.status_code", Kind::Integer, "of a Compliance API call"),
    field("organization.id", Kind::Text, "`organization_id`"),
    field("organization.uuid", Kind::Text, "`organization_uuid`"),
    field("claude", Kind::Json, "the activity as it was received"),
];

const SOURCE: &str = "claude-compliance-logs";

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    let members = Members::of(row.raw);
    object(out, |o| {
        o.text("ddsource", SOURCE);
        o.text("source", SOURCE);
        o.text("ddtags", &tags(row));
        o.text("service", row.product);
        o.text("status", if row.outcome == "failure" { "warn" } else { "info" });
        message(row, o);
        o.time("timestamp", row.time);
        o.value("date", row.time.div_euclid(1_000));
        o.object("evt", |o| event(row, o));
        o.object("usr", |o| {
            o.some("id", row.actor_id());
            o.some("email", row.any_email());
            o.some("name", row.person.name);
            o.some("type", row.actor_type);
            o.some("department", row.person.department);
            o.some("manager", row.person.manager);
            o.some_value("service_account", row.person.is_service_account);
        });
        o.object("network", |o| o.object("client", |o| client(row, o)));
        o.object("http", |o| http(row, members.as_ref(), o));
        o.object("organization", |o| {
            o.some("id", row.organization_id);
            o.some("uuid", row.organization_uuid);
        });
        match members.is_some() {
            true => o.json("claude", row.raw.as_bytes()),
            false => o.text("claude", row.raw),
        }
    });
}

/// Tags are ours: values without the signs that part tags.
fn tags(row: &Row) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.');
    let plain = |text: &str| text.replace(|sign| !is_plain(sign), "_");
    format!(
        "source:{SOURCE},category:{},outcome:{},source_id:{}",
        plain(row.category),
        plain(row.outcome),
        plain(row.source)
    )
}

fn message(row: &Row, o: &mut Object) {
    match row.actor_name() {
        Some(actor) => o.text("message", &format!("{} by {actor}", row.name)),
        None => o.text("message", row.name),
    }
}

fn event(row: &Row, o: &mut Object) {
    o.text("name", row.name);
    o.text("id", row.id);
    o.text("category", row.category);
    o.text("outcome", row.outcome);
    o.text("action", meaning::of(row.name, row.category).operation);
    o.value("read_only", row.read_only);
    o.value("guessed", row.guessed);
    o.some("target", row.target);
    o.texts("resources", row.resources.iter().copied());
}

fn client(row: &Row, o: &mut Object) {
    let place = &row.place;
    o.some("ip", row.source_ip);
    o.object("geoip", |o| {
        let is_known = *place != crate::row::Place::default();
        o.some("ipAddress", row.source_ip.filter(|_| is_known));
        o.object("country", |o| o.some("iso_code", place.country));
        o.object("city", |o| o.some("name", place.city));
        o.object("location", |o| {
            o.some_value("latitude", place.latitude);
            o.some_value("longitude", place.longitude);
        });
        o.object("as", |o| {
            o.some("number", place.as_number.map(|number| format!("AS{number}")).as_deref());
            o.some("name", place.as_organization);
        });
        o.some("isp", place.isp);
        o.some("connection_type", place.connection_type);
        o.some("user_type", place.user_type);
    });
}

fn http(row: &Row, members: Option<&Members>, o: &mut Object) {
    let agent = &row.agent;
    o.some("useragent", row.actor_user_agent);
    o.object("useragent_details", |o| {
        o.object("browser", |o| {
            let version = agent.browser.map_or(agent.client_version, |_| agent.browser_version);
            o.some("family", agent.browser.or(agent.client));
            o.some("major", version.map(major));
            o.some("version", version);
        });
        o.object("os", |o| {
            o.some("family", agent.os);
            o.some("major", agent.os_version.map(major));
            o.some("version", agent.os_version);
        });
        o.object("device", |o| o.some("category", agent.device.map(device)));
        o.object("client", |o| {
            o.some("name", agent.client);
            o.some("version", agent.client_version);
        });
    });
    let Some(members) = members else { return };
    o.some("method", members.text("request_method").as_deref());
    o.some("url", members.text("request_method").and_then(|_| members.text("url")).as_deref());
    o.some_value("status_code", members.integer("status_code"));
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// The class of device in Datadog's words.
fn device(device: &str) -> &'static str {
    match device {
        "desktop" => "Desktop",
        "mobile" => "Mobile",
        "tablet" => "Tablet",
        "bot" => "Bot",
        _ => "Other",
    }
}
