//! A validator for the published schema, and the way back from an event to the activity.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/ocsf-1.5.0.json")).unwrap());

/// Everything in which an event is not what the schema says.
pub fn problems(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(class) = SCHEMA["classes"].get(event["class_uid"].to_string()) else {
        return vec![format!("no class {}", event["class_uid"])];
    };
    let list = |value: &Value| -> Vec<String> {
        let items = value.as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let profiles = list(&event["metadata"]["profiles"]);
    let allowed = list(&class["profiles"]);
    problems.extend(profiles.iter().filter(|p| !allowed.contains(p)).map(|p| format!("the class has no profile {p}")));
    object(event, class, &profiles, "", &mut problems);
    for (name, wanted) in
        [("class_name", "caption"), ("category_uid", "category_uid"), ("category_name", "category_name")]
    {
        if event[name] != class[wanted] {
            problems.push(format!("{name} is {}, not {}", event[name], class[wanted]));
        }
    }
    let uid = |name: &str| event[name].as_u64().unwrap_or(0);
    if uid("type_uid") != uid("class_uid") * 100 + uid("activity_id") {
        problems.push("type_uid is not class_uid * 100 + activity_id".to_owned());
    }
    if event["metadata"]["version"] != SCHEMA["version"] {
        problems.push("another version".to_owned());
    }
    problems
}

fn object(value: &Value, schema: &Value, profiles: &[String], path: &str, problems: &mut Vec<String>) {
    let Some(members) = value.as_object() else {
        return problems.push(format!("{path} is no object"));
    };
    let attributes = schema["attributes"].as_object().unwrap();
    let is_on = |attribute: &Value| attribute["profile"].as_str().is_none_or(|name| profiles.iter().any(|p| p == name));
    for (name, attribute) in attributes {
        if attribute["required"] == true && is_on(attribute) && !members.contains_key(name) {
            problems.push(format!("{path}{name} is missing"));
        }
    }
    for (name, value) in members {
        let path = format!("{path}{name}");
        match attributes.get(name) {
            None => problems.push(format!("{path} is no attribute")),
            Some(attribute) if !is_on(attribute) => {
                problems.push(format!("{path} needs profile {}", attribute["profile"]))
            }
            Some(attribute) if attribute["deprecated"] == true => problems.push(format!("{path} is deprecated")),
            Some(attribute) if attribute["array"] == true => match value.as_array() {
                Some(items) => {
                    items.iter().for_each(|item| single(item, attribute, members, profiles, &path, problems))
                }
                None => problems.push(format!("{path} is no list")),
            },
            Some(attribute) => single(value, attribute, members, profiles, &path, problems),
        }
    }
    let constraints = &schema["constraints"];
    let count = |rule: &str| {
        let names = constraints[rule].as_array()?;
        Some(names.iter().filter(|name| members.contains_key(name.as_str().unwrap())).count())
    };
    if count("at_least_one") == Some(0) || count("just_one").is_some_and(|count| count != 1) {
        problems.push(format!("{path} breaks the constraint {constraints}"));
    }
}

fn single(
    value: &Value,
    attribute: &Value,
    beside: &Map<String, Value>,
    profiles: &[String],
    path: &str,
    problems: &mut Vec<String>,
) {
    if let Some(name) = attribute["object"].as_str() {
        return match (name, SCHEMA["objects"].get(name)) {
            ("object", _) if value.is_object() => {}
            (_, Some(schema)) => object(value, schema, profiles, &format!("{path}."), problems),
            (_, None) => problems.push(format!("{path} is of the object {name}, which the data does not have")),
        };
    }
    let kind = attribute["type"].as_str().unwrap();
    if !is_of(value, kind) {
        problems.push(format!("{path} is no {kind}: {value}"));
    }
    let Some(values) = attribute["enum"].as_object() else { return };
    let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Some(caption) = values.get(&key) else {
        return problems.push(format!("{path} may not be {value}"));
    };
    let sibling = attribute["sibling"].as_str().and_then(|name| beside.get(name));
    if sibling.is_some_and(|text| text != caption && key != "99" && key != "0") {
        problems.push(format!("{path} is {value}, so its name is {caption} and not {}", sibling.unwrap()));
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "json_t" => true,
        "boolean_t" => value.is_boolean(),
        "integer_t" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long_t" | "timestamp_t" => value.is_i64(),
        "port_t" => value.as_u64().is_some_and(|port| port <= 65_535),
        "float_t" => value.is_number(),
        "ip_t" => text.is_some_and(|text| text.len() <= 40 && text.parse::<std::net::IpAddr>().is_ok()),
        "email_t" => text.is_some_and(is_email),
        "datetime_t" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        _ => text.is_some(),
    }
}

/// The schema's pattern: `^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$`.
fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let [local, domain] = parts[..] else { return false };
    let Some((first, rest)) = domain.split_once('.') else { return false };
    let alnum = |sign: char| sign.is_ascii_alphanumeric();
    !local.is_empty()
        && local.chars().all(|sign| alnum(sign) || "!#$%&'*+,-./=?^_`{|}~".contains(sign))
        && !first.is_empty()
        && first.chars().all(|sign| alnum(sign) || sign == '-')
        && !rest.is_empty()
        && rest.chars().all(|sign| alnum(sign) || sign == '-' || sign == '.')
}

/// The activity that an event was made of, as `ocsf/rest.rs` says.
pub fn restored(event: &Value) -> Value {
    let mut raw = event["unmapped"].as_object().cloned().unwrap_or_default();
    let put = |raw: &mut Map<String, Value>, name: &str, value: Option<&Value>| {
        if let Some(value) = value.filter(|_| !raw.contains_key(name)) {
            raw.insert(name.to_owned(), value.clone());
        }
    };
    put(&mut raw, "id", event.pointer("/metadata/uid"));
    put(&mut raw, "created_at", event.pointer("/metadata/original_time"));
    put(&mut raw, "type", event.pointer("/metadata/event_code"));
    put(&mut raw, "organization_id", event.pointer("/cloud/account/uid"));
    put(&mut raw, "organization_uuid", event.pointer("/cloud/org/uid"));
    if let Some(Value::Object(actor)) = raw.get_mut("actor") {
        let ids = [
            "admin_api_key_id",
            "api_key_id",
            "service_account_id",
            "directory_id",
            "external_client_id",
            "subject",
            "service",
        ];
        if ids.iter().all(|id| !actor.contains_key(*id)) {
            put(actor, "user_id", event.pointer("/actor/user/uid"));
        }
        if !actor.contains_key("unauthenticated_email_address") {
            put(actor, "email_address", event.pointer("/actor/user/email_addr"));
        }
        put(actor, "ip_address", event.pointer("/src_endpoint/ip"));
        put(actor, "user_agent", event.pointer("/http_request/user_agent"));
    }
    Value::Object(raw)
}

#[test]
fn finds_what_is_wrong() {
    let event = serde_json::json!({
        "class_uid": 3002, "class_name": "Authentication", "category_uid": 3, "category_name": "Identity & Access Management",
        "activity_id": 1, "activity_name": "Logoff", "type_uid": 300201, "severity_id": 77, "time": "now", "extra": 1,
        "user": {}, "metadata": {"version": "1.5.0", "product": {"name": "x"}, "profiles": ["host", "moon"]},
        "actor": {"user": {"name": "x", "email_addr": "not an address"}}
    });
    let found = problems(&event).join("\n");
    for wanted in [
        "the class has no profile moon",
        "severity_id may not be 77",
        "time is no timestamp_t",
        "extra is no attribute",
        "user. breaks the constraint",
        "email_addr is no email_t",
        "its name is \"Logon\"",
        "breaks the constraint {\"at_least_one\":[\"service\",\"dst_endpoint\"]}",
    ] {
        assert!(found.contains(wanted), "not found: {wanted}\nin {found}");
    }
}
