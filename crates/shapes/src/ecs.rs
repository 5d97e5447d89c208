//! Shape `ecs`: an event of the Elastic Common Schema 8.11.
//!
//! The activity stands twice, as the schema wants it: as text in `event.original`, and as an object under
//! `anthropic.compliance`. What only this program knows is under `auditlake`.

use crate::{
    flat::{Field, Kind, field},
    json::{Object, object},
    meaning::{self, Meaning},
    members::Members,
    people::Affected,
    row::Row,
};

pub(crate) static FIELDS: &[Field] = &[
    field("@timestamp", Kind::Text, "`created_at`, to the microsecond"),
    field("ecs.version", Kind::Text, "`8.11.0`"),
    field("message", Kind::Text, "type and actor"),
    field("event.kind", Kind::Text, "`event`"),
    field("event.category", Kind::Json, "see the table of types"),
    field("event.type", Kind::Json, "see the table of types"),
    field("event.action", Kind::Text, "`type`"),
    field("event.outcome", Kind::Text, "`success`, `failure`, `unknown`"),
    field("event.id", Kind::Text, "`id`"),
    field("event.provider", Kind::Text, "the product surface"),
    field("event.module", Kind::Text, "`anthropic`"),
    field("event.dataset", Kind::Text, "`anthropic.compliance`"),
    field("event.created", Kind::Text, "when it was stored here"),
    field("event.ingested", Kind::Text, "when it was stored here; the cluster may write its own"),
    field("event.severity", Kind::Integer, "1 informational, 2 low, 3 medium, 4 high"),
    field("event.original", Kind::Text, "the activity as it was received"),
    field("user.id", Kind::Text, "user id, or whatever id the actor has"),
    field("user.email", Kind::Text, "e-mail address, proved or claimed"),
    field("user.name", Kind::Text, "what names the actor best"),
    field("user.full_name", Kind::Text, "the name in the directory"),
    field("user.domain", Kind::Text, "behind the @ of the e-mail address"),
    field("user.target.id", Kind::Text, "id of the person that it was done to"),
    field("user.target.email", Kind::Text, "e-mail address of the person that it was done to"),
    field("user.target.name", Kind::Text, "what names that person best"),
    field("group.id", Kind::Text, "the group that it was done to"),
    field("group.name", Kind::Text, "its name"),
    field("file.name", Kind::Text, "the file that it was done to"),
    field("source.address", Kind::Text, "`actor.ip_address` as it was written"),
    field("source.ip", Kind::Text, "the same, where it is a real address"),
    field("source.geo.country_iso_code", Kind::Text, "its country"),
    field("source.geo.city_name", Kind::Text, "its city"),
    field("source.geo.location.lat", Kind::Float, "degrees north"),
    field("source.geo.location.lon", Kind::Float, "degrees east"),
    field("source.as.number", Kind::Integer, "its autonomous system"),
    field("source.as.organization.name", Kind::Text, "who runs that"),
    field("user_agent.original", Kind::Text, "`actor.user_agent`"),
    field("user_agent.name", Kind::Text, "the browser, or else the client"),
    field("user_agent.version", Kind::Text, "its version"),
    field("user_agent.os.name", Kind::Text, "the operating system"),
    field("user_agent.os.version", Kind::Text, "its version"),
    field("user_agent.device.name", Kind::Text, "the class of device"),
    field("http.request.method", Kind::Text, "of a Compliance API call"),
    field("http.request.id", Kind::Text, "of a Compliance API call"),
    field("http.response.status_code", Kind::Integer, "of a Compliance API call"),
    field("url.original", Kind::Text, "of a Compliance API call"),
    field("organization.id", Kind::Text, "`organization_id`"),
    field("service.name", Kind::Text, "the product surface"),
    field("observer.vendor", Kind::Text, "`Anthropic`"),
    field("observer.product", Kind::Text, "`Compliance API`"),
    field("related.ip", Kind::Json, "every address in it"),
    field("related.user", Kind::Json, "every user in it: ids and e-mail addresses"),
    field("related.hosts", Kind::Json, "every domain in it"),
    field("tags", Kind::Json, "`anthropic-compliance`"),
    field("auditlake.category", Kind::Text, "the category in the catalogue"),
    field("auditlake.outcome", Kind::Text, "the outcome, where `event.outcome` has no word for it, too"),
    field("auditlake.read_only", Kind::Boolean, "whether nothing was changed"),
    field("auditlake.guessed", Kind::Boolean, "whether no catalogue has the type"),
    field("auditlake.commit", Kind::Integer, "the number of the commit that stored it"),
    field("auditlake.target", Kind::Text, "whom or what it was done to"),
    field("auditlake.resources", Kind::Json, "the id of everything that was touched"),
    field("auditlake.source", Kind::Text, "the configured source"),
    field("auditlake.organization_uuid", Kind::Text, "`organization_uuid`"),
    field("auditlake.client.name", Kind::Text, "what talks to Claude"),
    field("auditlake.client.version", Kind::Text, "its version"),
    field("auditlake.place.isp", Kind::Text, "the provider of the address"),
    field("auditlake.place.connection_type", Kind::Text, "how it is connected"),
    field("auditlake.place.user_type", Kind::Text, "what kind of user it belongs to"),
    field("auditlake.person.department", Kind::Text, "the actor's department in the directory"),
    field("auditlake.person.manager", Kind::Text, "the manager in the directory"),
    field("auditlake.person.service_account", Kind::Boolean, "whether the directory says that it is a service account"),
    field("anthropic.compliance", Kind::Json, "the activity as it was received"),
];

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    let meaning = meaning::of(row.name, row.category);
    let parsed = Members::of(row.raw);
    let is_object = parsed.is_some();
    let members = parsed.unwrap_or_default();
    object(out, |o| {
        o.time("@timestamp", row.time);
        o.object("ecs", |o| o.text("version", "8.11.0"));
        match row.actor_name() {
            Some(actor) => o.text("message", &format!("{} by {actor}", row.name)),
            None => o.text("message", row.name),
        }
        o.object("event", |o| event(row, &meaning, o));
        let Affected { id, email } = Affected::of(&members);
        o.object("user", |o| {
            user(row, o);
            o.object("target", |o| {
                o.some("id", id.as_deref());
                o.some("email", email.as_deref());
                o.some("name", email.as_deref().or(id.as_deref()));
            });
        });
        o.object("group", |o| {
            o.some("id", members.text("group_id").as_deref());
            o.some("name", members.text("group_name").as_deref());
        });
        o.object("file", |o| o.some("name", members.text("filename").as_deref()));
        source(row, o);
        agent(row, o);
        http(&members, o);
        o.object("organization", |o| o.some("id", row.organization_id));
        o.object("service", |o| o.some("name", Some(row.product)));
        o.object("observer", |o| {
            o.text("vendor", "Anthropic");
            o.text("product", "Compliance API");
        });
        o.object("related", |o| {
            o.texts("ip", row.ip());
            let users = [row.any_email(), row.actor_user_id, email.as_deref(), id.as_deref(), row.actor_id()];
            o.texts("user", users.into_iter().flatten());
            o.texts("hosts", [domain(row.any_email()), domain(email.as_deref())].into_iter().flatten());
        });
        o.texts("tags", ["anthropic-compliance"]);
        o.object("auditlake", |o| ours(row, o));
        o.object("anthropic", |o| match is_object {
            true => o.json("compliance", row.raw.as_bytes()),
            false => o.object("compliance", |o| o.text("raw", row.raw)),
        });
    });
}

fn event(row: &Row, meaning: &Meaning, o: &mut Object) {
    o.text("kind", "event");
    o.texts("category", [meaning.ecs_category]);
    o.texts("type", meaning.ecs_types.into_iter().flatten());
    o.text("action", row.name);
    o.text("outcome", if matches!(row.outcome, "success" | "failure") { row.outcome } else { "unknown" });
    o.text("id", row.id);
    o.some("provider", Some(row.product));
    o.text("module", "anthropic");
    o.text("dataset", "anthropic.compliance");
    if let Some(time) = row.received_at {
        o.time("created", time);
        o.time("ingested", time);
    }
    o.value("severity", meaning.severity_of(row.outcome));
    o.text("original", row.raw);
}

fn user(row: &Row, o: &mut Object) {
    o.some("id", row.actor_id());
    o.some("email", row.any_email());
    o.some("name", row.actor_name());
    o.some("full_name", row.person.name);
    o.some("domain", domain(row.any_email()));
}

fn domain(email: Option<&str>) -> Option<&str> {
    email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain)
}

fn source(row: &Row, o: &mut Object) {
    let place = &row.place;
    o.object("source", |o| {
        o.some("address", row.actor_ip);
        o.some("ip", row.ip());
        o.object("geo", |o| {
            o.some("country_iso_code", place.country);
            o.some("city_name", place.city);
            if let (Some(latitude), Some(longitude)) = (place.latitude, place.longitude) {
                o.object("location", |o| {
                    o.value("lat", latitude);
                    o.value("lon", longitude);
                });
            }
        });
        o.object("as", |o| {
            o.some_value("number", place.as_number);
            o.object("organization", |o| o.some("name", place.as_organization));
        });
    });
}

fn agent(row: &Row, o: &mut Object) {
    let agent = &row.agent;
    o.object("user_agent", |o| {
        o.some("original", row.actor_user_agent);
        o.some("name", agent.browser.or(agent.client));
        o.some("version", agent.browser.map_or(agent.client_version, |_| agent.browser_version));
        o.object("os", |o| {
            o.some("name", agent.os);
            o.some("version", agent.os_version);
        });
        o.object("device", |o| o.some("name", agent.device));
    });
}

fn http(members: &Members, o: &mut Object) {
    let Some(method) = members.text("request_method") else { return };
    o.object("http", |o| {
        o.object("request", |o| {
            o.text("method", &method);
            o.some("id", members.text("request_id").as_deref());
        });
        o.object("response", |o| o.some_value("status_code", members.integer("status_code")));
    });
    o.object("url", |o| o.some("original", members.text("url").as_deref()));
}

fn ours(row: &Row, o: &mut Object) {
    o.text("category", row.category);
    o.text("outcome", row.outcome);
    o.value("read_only", row.read_only);
    o.value("guessed", row.guessed);
    o.some_value("commit", row.seq);
    o.some("target", row.target);
    o.texts("resources", row.resources.iter().copied());
    o.some("source", Some(row.source));
    o.some("organization_uuid", row.organization_uuid);
    o.object("client", |o| {
        o.some("name", row.agent.client);
        o.some("version", row.agent.client_version);
    });
    o.object("place", |o| {
        o.some("isp", row.place.isp);
        o.some("connection_type", row.place.connection_type);
        o.some("user_type", row.place.user_type);
    });
    o.object("person", |o| {
        o.some("department", row.person.department);
        o.some("manager", row.person.manager);
        o.some_value("service_account", row.person.is_service_account);
    });
}
