//! What one activity says about settings: names, and values before and after.
//!
//! Types tell it in four ways: a list `updates` with `previous_value` and `current_value`; two types, one of which ends in
//! `_enabled` and the other in `_disabled`; a field `enabled`; pairs of fields such as `new_mode` and `previous_mode`.

use activity::Record;
use jiff::Timestamp;
use serde_json::Value;

use super::text;

/// A change of a setting.
#[derive(Clone)]
pub struct Change {
    pub at: Timestamp,
    pub by: String,
    pub before: Option<String>,
    pub after: String,
    /// The activity that tells of it.
    pub id: String,
}

/// A change, and of what.
pub struct Named {
    pub name: String,
    /// The thing that is set, if it is not the organization.
    pub subject: Option<String>,
    pub change: Change,
}

/// The changes that an activity tells of.
pub fn changes(record: &Record, body: &Value) -> Vec<Named> {
    let activity = record.activity;
    let kind: &str = &activity.kind;
    let actor = |name: &str| body.pointer(&format!("/actor/{name}")).and_then(Value::as_str);
    let by = actor("email_address").or_else(|| activity.actor.id()).or_else(|| actor("type")).unwrap_or_default();
    let subject = record.resources.first().map(ToString::to_string);
    let named = |name: &str, before: Option<String>, after: String| Named {
        name: name.to_owned(),
        subject: subject.clone(),
        change: Change { at: activity.created_at, by: by.to_owned(), before, after, id: activity.id.to_string() },
    };
    if let Some(updates) = body.get("updates").and_then(Value::as_array) {
        let stem = kind.trim_end_matches("_updated").trim_end_matches("_settings");
        let one = |update: &Value| {
            let own = update.get("type").and_then(Value::as_str)?;
            let before = update.get("previous_value").map(shown);
            let mut named = named(&format!("{stem}.{own}"), before, update.get("current_value").map(shown)?);
            named.subject = None;
            Some(named)
        };
        return updates.iter().filter_map(one).collect();
    }
    let switch = [("_enabled", "on", "off"), ("_disabled", "off", "on")];
    if let Some((stem, after, before)) =
        switch.into_iter().find_map(|(end, after, before)| Some((kind.strip_suffix(end)?, after, before)))
    {
        let told = body.get("previous_value").map(|value| on_off(value).unwrap_or_else(|| shown(value)));
        return vec![named(stem, Some(told.unwrap_or_else(|| before.to_owned())), after.to_owned())];
    }
    let stem = ["_updated", "_toggled", "_changed"].into_iter().find_map(|end| kind.strip_suffix(end));
    if let Some(stem) = stem {
        let list = fields(body).map(|(name, before, after)| {
            let full = if name == "enabled" { stem.to_owned() } else { format!("{stem}.{name}") };
            named(&full, before, after)
        });
        return list.collect();
    }
    let state = [("_created", "there"), ("_deleted", "removed"), ("_verified", "verified"), ("_removed", "removed")];
    let told = state.into_iter().find_map(|(end, after)| Some((kind.strip_suffix(end)?, after)));
    match (told, record.category) {
        (
            Some((stem, after)),
            "network_access" | "domains" | "encryption_keys" | "directory_sync" | "inference_hooks",
        ) => {
            vec![named(stem, None, after.to_owned())]
        }
        (Some((stem, after)), "sso" | "mcp" | "slack" | "github" | "google_drive") => {
            vec![named(stem, None, after.to_owned())]
        }
        _ => match kind.strip_suffix("_activated").or_else(|| kind.strip_suffix("_deactivated")) {
            Some(stem) if kind.ends_with("_deactivated") => vec![named(stem, None, "off".to_owned())],
            Some(stem) => vec![named(stem, None, "on".to_owned())],
            None => Vec::new(),
        },
    }
}

/// Fields beside the envelope that say how something is now, with what they were.
fn fields(body: &Value) -> impl Iterator<Item = (String, Option<String>, String)> {
    let envelope = ["id", "created_at", "type", "organization_id", "organization_uuid", "actor"];
    let members = body.as_object().into_iter().flatten();
    members.filter_map(move |(name, value)| {
        let is_other = envelope.contains(&name.as_str()) || name.starts_with("previous_") || name.ends_with("_id");
        if is_other || value.is_null() {
            return None;
        }
        let bare = name.trim_start_matches("new_").trim_start_matches("current_");
        let before = body.get(format!("previous_{bare}")).map(|value| on_off(value).unwrap_or_else(|| shown(value)));
        Some((bare.to_owned(), before, on_off(value).unwrap_or_else(|| shown(value))))
    })
}

fn on_off(value: &Value) -> Option<String> {
    value.as_bool().map(|is_on| if is_on { "on" } else { "off" }.to_owned())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => text::plain(&other.to_string(), 2_000),
    }
}

/// Values that somebody who looks after security wants to know of: in the name, the value, and why.
const WEAK: [(&str, &str, &str); 13] = [
    ("org_sso", "off", "people sign in without the company's identity provider"),
    ("org_sso_connection", "off", "people sign in without the company's identity provider"),
    ("org_sso_connection", "removed", "people sign in without the company's identity provider"),
    ("org_magic_link_second_factor", "off", "a mailbox alone is enough to sign in"),
    ("org_ip_restriction", "removed", "the organization can be reached from any address"),
    ("org_cowork_act_without_asking_mode", "on", "agents act without asking"),
    ("org_cowork_mcp_always_allow", "on", "tools of connectors run without asking"),
    ("org_cowork_auto_mode", "on", "agents decide by themselves what to run"),
    ("org_claude_code_data_sharing", "on", "code is shared with Anthropic"),
    ("org_claude_code_zero_data_retention", "off", "code is kept for a time"),
    ("org_directory_sync", "removed", "who leaves the company is not removed by itself"),
    ("org_discoverability", "on", "people can find the organization and ask to join"),
    ("inference_hooks_config.fail_mode", "open", "requests pass when the hook does not answer"),
];

/// Why a value is weak, if it is.
pub fn weakness(name: &str, value: &str) -> Option<&'static str> {
    WEAK.iter().find(|(own, weak, _)| *own == name && *weak == value).map(|(_, _, why)| *why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use activity::Activity;

    use super::*;

    fn check(kind: &str, more: &str, expected: &[(&str, Option<&str>, &str)]) {
        let raw = format!(
            r#"{{"id":"activity_1","created_at":"2026-01-02T03:04:05Z","organization_id":null,"organization_uuid":null,"type":"{kind}","actor":{{"type":"user_actor","email_address":"a@example.com"}}{more}}}"#
        );
        let activity = Activity::parse_str(&raw).unwrap();
        let record = Record::of(&activity);
        let found = changes(&record, &serde_json::from_str(&raw).unwrap());
        let told: Vec<_> = found
            .iter()
            .map(|named| (named.name.as_str(), named.change.before.as_deref(), named.change.after.as_str()))
            .collect();
        assert_eq!(told, expected, "{kind}");
        assert!(found.iter().all(|named| named.change.by == "a@example.com"));
    }

    #[test]
    fn settings_are_told_in_several_ways() {
        check(
            "org_cowork_enabled",
            r#","current_value":true,"previous_value":false"#,
            &[("org_cowork", Some("off"), "on")],
        );
        check("org_sso_toggled", r#","enabled":false"#, &[("org_sso", None, "off")]);
        check(
            "org_sso_provisioning_mode_changed",
            r#","new_mode":"scim","previous_mode":"jit""#,
            &[("org_sso_provisioning_mode.mode", Some("jit"), "scim")],
        );
        check(
            "claude_organization_settings_updated",
            r#","updates":[{"type":"name","current_value":"New","previous_value":null}]"#,
            &[("claude_organization.name", Some("nothing"), "New")],
        );
        check("org_ip_restriction_deleted", "", &[("org_ip_restriction", None, "removed")]);
        assert!(weakness("org_sso", "off").is_some() && weakness("org_sso", "on").is_none());
    }
}
