//! Shape `ocsf`: an event of the Open Cybersecurity Schema Framework 1.5.
//!
//! This file writes what every class has; `ocsf/who.rs` the actor and where it came from, `ocsf/what.rs` what a class has of
//! its own, `ocsf/rest.rs` the members of the activity that no attribute holds. Which class it is says [`crate::meaning`].

mod fields;
mod rest;
mod what;
mod who;

use crate::{
    json::{List, Object, object},
    meaning::{self, Meaning},
    members::Members,
    row::{Agent, Person, Place, Row},
};

pub(crate) use fields::FIELDS;

/// The version of the schema.
const VERSION: &str = "1.5.0";

/// A row, on its way.
struct Event<'r, 'a> {
    row: &'r Row<'a>,
    meaning: Meaning,
    /// The members of the activity; `None` if the raw log is no object.
    members: Option<Members<'a>>,
    /// The members of its actor; `None` if that is no object.
    actor: Option<Members<'a>>,
    /// What a class gives room to.
    room: Room,
}

/// The attributes that not every class has.
#[derive(Clone, Copy)]
struct Room {
    source: bool,
    /// Whether the source has to be there.
    needs_source: bool,
    request: bool,
    /// Whether the actor belongs to profile `host` there.
    host: bool,
}

impl Room {
    fn of(class: u32) -> Room {
        Room {
            source: !matches!(class, 2004 | 6007),
            needs_source: matches!(class, 6003 | 6006),
            request: !matches!(class, 2004 | 6006 | 6007),
            host: matches!(class, 2004 | 6001 | 6007),
        }
    }
}

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    let mut meaning = meaning::of(row.name, row.category);
    let members = Members::of(row.raw);
    if meaning.class == 6003
        && let Some((activity, name)) = members.as_ref().and_then(method)
    {
        (meaning.activity, meaning.activity_name) = (activity, name);
    }
    let actor = members.as_ref().and_then(|members| Members::of(members.json("actor")?));
    let event = Event { row, meaning, members, actor, room: Room::of(meaning.class) };
    object(out, |o| event.write(o));
}

/// What a call did, by its method.
fn method(members: &Members) -> Option<(u32, &'static str)> {
    match members.text("request_method")?.as_ref() {
        "POST" => Some((1, "Create")),
        "GET" | "HEAD" | "OPTIONS" => Some((2, "Read")),
        "PUT" | "PATCH" => Some((3, "Update")),
        "DELETE" => Some((4, "Delete")),
        _ => None,
    }
}

impl Event<'_, '_> {
    fn write(&self, o: &mut Object) {
        let Event { row, meaning, .. } = self;
        o.value("class_uid", meaning.class);
        o.text("class_name", meaning.class_name);
        o.value("category_uid", meaning.category);
        o.text("category_name", meaning.category_name);
        o.value("activity_id", meaning.activity);
        o.text("activity_name", meaning.activity_name);
        o.value("type_uid", meaning.type_uid());
        let is_other = meaning.activity == 99;
        let activity = if is_other { "Other" } else { meaning.activity_name };
        o.text("type_name", &format!("{}: {activity}", meaning.class_name));
        let severity = meaning.severity_of(row.outcome);
        o.value("severity_id", severity);
        o.text("severity", meaning::severity_name(severity));
        let (status, name) = self.status();
        o.value("status_id", status);
        o.text("status", name);
        o.value("time", row.time.div_euclid(1_000));
        o.time("time_dt", row.time);
        match row.actor_name() {
            Some(actor) => o.text("message", &format!("{} by {actor}", row.name)),
            None => o.text("message", row.name),
        }
        o.object("metadata", |o| self.metadata(o));
        o.object("cloud", |o| {
            o.text("provider", "Anthropic");
            o.object("org", |o| o.some("uid", row.organization_uuid));
            o.object("account", |o| o.some("uid", row.organization_id));
        });
        self.write_actor(o);
        self.write_source(o);
        self.write_request(o);
        self.write_what(o);
        o.list("enrichments", |list| self.enrichments(list));
        o.list("observables", |list| self.observables(list));
        self.write_rest(o);
    }

    /// A finding's status says where work on it stands.
    fn status(&self) -> (u32, &'static str) {
        match (self.meaning.class, self.row.outcome) {
            (2004, _) => (1, "New"),
            (_, "success") => (1, "Success"),
            (_, "failure") => (2, "Failure"),
            (_, "attempt") => (99, "Attempt"),
            _ => (0, "Unknown"),
        }
    }

    fn metadata(&self, o: &mut Object) {
        let row = self.row;
        o.text("version", VERSION);
        o.object("product", |o| {
            o.text("name", "Claude");
            o.text("vendor_name", "Anthropic");
            o.object("feature", |o| o.some("name", Some(row.product)));
        });
        let host = self.room.host.then_some("host");
        o.texts("profiles", ["cloud", "datetime"].into_iter().chain(host));
        o.text("uid", row.id);
        o.text("event_code", row.name);
        match self.members.as_ref().and_then(|members| members.json("created_at")) {
            Some(json) => o.json("original_time", json.as_bytes()),
            None => o.time("original_time", row.time),
        }
        o.text("log_name", "claude-compliance-logs");
        o.text("log_provider", "Anthropic");
        o.some_value("logged_time", row.received_at.map(|time| time.div_euclid(1_000)));
        o.some("tenant_uid", row.organization_id);
        o.texts("labels", [row.category].into_iter().chain(row.guessed.then_some("guessed")));
    }

    /// What was looked up and has no attribute.
    fn enrichments(&self, list: &mut List) {
        let Row { place, agent, person, .. } = self.row;
        if let Some(address) = self.row.actor_ip.filter(|_| *place != Place::default()) {
            list.object(|o| {
                o.text("name", if self.room.source { "src_endpoint.ip" } else { "observables" });
                o.text("value", address);
                o.text("type", "geoip");
                o.some("provider", place.database);
                o.whole_object("data", |o| {
                    o.some("country", place.country);
                    o.some("city", place.city);
                    o.some("connection_type", place.connection_type);
                    o.some("user_type", place.user_type);
                });
            });
        }
        if let Some(text) = self.row.actor_user_agent.filter(|_| *agent != Agent::default()) {
            list.object(|o| {
                o.text("name", if self.room.request { "http_request.user_agent" } else { "observables" });
                o.text("value", text);
                o.text("type", "user_agent");
                o.whole_object("data", |o| agent.named().into_iter().for_each(|(name, value)| o.some(name, value)));
            });
        }
        if let Some(name) = self.row.actor_name().filter(|_| *person != Person::default()) {
            list.object(|o| {
                o.text("name", "actor.user.name");
                o.text("value", name);
                o.text("type", "directory");
                o.whole_object("data", |o| {
                    o.some("user_id", person.user_id);
                    o.some("name", person.name);
                    o.some("department", person.department);
                    o.some("manager", person.manager);
                    o.some_value("service_account", person.is_service_account);
                });
            });
        }
    }

    fn observables(&self, list: &mut List) {
        let row = self.row;
        let mut add = |name: &str, (number, kind): (u32, &str), value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                list.object(|o| {
                    o.text("name", name);
                    o.value("type_id", number);
                    o.text("type", kind);
                    o.text("value", value);
                });
            }
        };
        let place = |is_there: bool, path| if is_there { path } else { "unmapped.actor" };
        add(place(self.room.source, "src_endpoint.ip"), (2, "IP Address"), row.ip());
        add("actor.user.uid", (31, "User Object: uid"), row.actor_user_id);
        add("actor.user.email_addr", (5, "Email Address"), row.any_email().filter(|text| who::is_email(text)));
        add("actor.user.credential_uid", (19, "User Credential ID"), row.actor_key());
        add(place(self.room.request, "http_request.user_agent"), (16, "HTTP User-Agent"), row.actor_user_agent);
        let is_target = |id: &str| row.target == Some(id);
        for id in &row.resources {
            let path = match self.meaning.class {
                6001 => "web_resources.uid",
                3005 | 6003 => "resources.uid",
                3004 if is_target(id) => "entity.uid",
                6006 if is_target(id) => "file.uid",
                _ => "unmapped",
            };
            add(path, (10, "Resource UID"), Some(id));
        }
    }
}
