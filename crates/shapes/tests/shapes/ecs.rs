//! A validator for the published fields.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/ecs-8.11.0.json")).unwrap());

/// What is not of the schema and may be there: custom fields stand under a name of their own.
const OWN: [&str; 2] = ["anthropic", "auditlake"];

/// Everything in which an event is not what the schema says.
pub fn problems(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, value) in event.as_object().unwrap() {
        if !OWN.contains(&name.as_str()) {
            field(name, value, &mut problems);
        }
    }
    for name in ["@timestamp", "ecs"] {
        if event.get(name).is_none() {
            problems.push(format!("{name} is missing"));
        }
    }
    if event["ecs"]["version"] != SCHEMA["version"] {
        problems.push("another version".to_owned());
    }
    let event = &event["event"];
    let one_of = |value: &Value, list: &str| SCHEMA[list].as_array().unwrap().contains(value);
    if !one_of(&event["kind"], "kinds") || !one_of(&event["outcome"], "outcomes") {
        problems.push(format!("kind {} or outcome {} is none", event["kind"], event["outcome"]));
    }
    let texts = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (categories, types) = (texts(&event["category"]), texts(&event["type"]));
    let expected = |category: &Value| SCHEMA["categories"][category.as_str().unwrap()].as_array().cloned();
    if categories.is_empty() || types.is_empty() {
        problems.push("no category or no type".to_owned());
    }
    for category in &categories {
        match expected(category) {
            None => problems.push(format!("{category} is no category")),
            Some(list) => problems
                .extend(types.iter().filter(|t| !list.contains(t)).map(|t| format!("{category} expects no type {t}"))),
        }
    }
    problems
}

fn field(path: &str, value: &Value, problems: &mut Vec<String>) {
    let Some(kind) = SCHEMA["fields"].get(path).and_then(Value::as_str) else {
        return match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| field(&format!("{path}.{name}"), value, problems));
            }
            _ => problems.push(format!("{path} is no field")),
        };
    };
    let (kind, is_list) = kind.strip_suffix("[]").map_or((kind, false), |kind| (kind, true));
    let is_right = match value {
        Value::Array(items) if is_list => !items.is_empty() && items.iter().all(|item| is_of(item, kind)),
        Value::Array(_) => false,
        value => !is_list && is_of(value, kind),
    };
    if !is_right {
        problems.push(format!("{path} is no {kind}{}: {value}", if is_list { "[]" } else { "" }));
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "keyword" | "constant_keyword" | "wildcard" | "match_only_text" | "text" => text.is_some(),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "date" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        "long" => value.is_i64(),
        "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        "geo_point" => ["lat", "lon"].iter().all(|name| value[name].is_number()),
        "object" | "flattened" => value.is_object(),
        _ => false,
    }
}

#[test]
fn finds_what_is_wrong() {
    let event = serde_json::json!({
        "@timestamp": "2026-01-01T00:00:00Z", "ecs": {"version": "8.11.0"}, "moon": 1,
        "event": {"kind": "event", "category": ["authentication"], "type": ["creation"], "outcome": "maybe"},
        "source": {"ip": "nowhere"}, "related": {"ip": "192.0.2.1"}
    });
    let found = problems(&event).join("\n");
    for wanted in [
        "moon is no field",
        "outcome \"maybe\" is none",
        "expects no type \"creation\"",
        "source.ip is no ip",
        "related.ip is no ip[]",
    ] {
        assert!(found.contains(wanted), "not found: {wanted}\nin {found}");
    }
}
