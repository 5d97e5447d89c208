//! Shape `panther`: the raw activity, with the fields that Panther derives of its log type `Anthropic.Activity`.
//!
//! The members of the activity stand at the top as they were received. An activity's own member goes before a field of the
//! same name.

use crate::{
    flat::{Field, Kind, field},
    json::{Object, object},
    members::Members,
    row::Row,
};

pub(crate) static FIELDS: &[Field] = &[
    field("id", Kind::Text, "the activity's own member"),
    field("created_at", Kind::Text, "the activity's own member"),
    field("organization_id", Kind::Text, "the activity's own member"),
    field("organization_uuid", Kind::Text, "the activity's own member"),
    field("actor", Kind::Json, "the activity's own member"),
    field("type", Kind::Text, "the activity's own member"),
    field("p_log_type", Kind::Text, "`Anthropic.Activity`"),
    field("p_row_id", Kind::Text, "source and activity id"),
    field("p_event_time", Kind::Text, "`created_at`, to the microsecond"),
    field("p_parse_time", Kind::Text, "when it was stored"),
    field("p_source_id", Kind::Text, "the configured source"),
    field("p_source_label", Kind::Text, "the configured source"),
    field("p_any_emails", Kind::Json, "e-mail addresses: of the actor, proved or claimed"),
    field("p_any_ip_addresses", Kind::Json, "the actor's address, where it is a real one"),
    field("p_any_actor_ids", Kind::Json, "user id, or whatever id the actor has"),
    field("p_any_usernames", Kind::Json, "the actor's name in the directory"),
    field("rawLog", Kind::Text, "the activity as it was received, with every other member (in tables only)"),
];

pub(crate) fn write(row: &Row, out: &mut Vec<u8>) {
    object(out, |o| fill(row, o));
}

/// As [`write`], with the raw log in one member, as a table has a fixed list of columns.
pub(crate) fn write_columns(row: &Row, out: &mut Vec<u8>) {
    object(out, |o| {
        fill(row, o);
        o.text("rawLog", row.raw);
    });
}

fn fill(row: &Row, o: &mut Object) {
    let members = Members::of(row.raw).unwrap_or_default();
    for (name, json) in &members.list {
        o.foreign(name, json);
    }
    let is_free = |name: &str| members.json(name).is_none();
    let mut text = |name: &str, value: &str| {
        if is_free(name) {
            o.text(name, value);
        }
    };
    text("p_log_type", "Anthropic.Activity");
    text("p_row_id", &activity::record_id(row.source, row.id));
    text("p_source_id", row.source);
    text("p_source_label", row.source);
    if is_free("p_event_time") {
        o.time("p_event_time", row.time);
    }
    if let Some(time) = row.received_at.filter(|_| is_free("p_parse_time")) {
        o.time("p_parse_time", time);
    }
    let keys = [row.actor_user_id, row.actor_admin_api_key_id, row.actor_api_key_id, row.actor_id()];
    let emails = [row.actor_email, row.other("unauthenticated_email_address")];
    let mut texts = |name: &str, values: &[Option<&str>]| {
        if is_free(name) {
            o.texts(name, values.iter().copied().flatten());
        }
    };
    texts("p_any_emails", &emails);
    texts("p_any_ip_addresses", &[row.source_ip]);
    texts("p_any_actor_ids", &keys);
    texts("p_any_usernames", &[row.person.name]);
}
