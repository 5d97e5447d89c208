//! Activities of tests: written in short, made complete here.

use activity::catalog::{self, Field, Shape};
use jiff::{SignedDuration, Timestamp};
use rsigma_parser::Timespan;
use serde_json::{Map, Value, json};

use crate::seen::{AGENT, PERSON, PLACE};

/// A complete activity of a test, with what enrichment would say of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub json: String,
    pub place: Option<String>,
    pub agent: Option<String>,
    pub person: Option<String>,
}

/// When tests begin: a Monday.
const START: &str = "2026-03-02T09:00:00Z";

/// Makes the activities of a test complete.
///
/// # Errors
/// What is wrong with the test.
pub(crate) fn complete(activities: &[Value]) -> Result<Vec<Sample>, String> {
    let start: Timestamp = START.parse().map_err(|error| format!("{error}"))?;
    let mut samples = Vec::new();
    let mut next = start;
    for activity in activities {
        let Value::Object(activity) = activity else { return Err("an activity is a mapping".to_owned()) };
        let mut activity = activity.clone();
        if let Some(at) = activity.shift_remove("$at") {
            next = start + age(&at)?;
        }
        let times = match activity.shift_remove("$repeat") {
            None => 1,
            Some(times) => times.as_u64().filter(|times| *times <= 10_000).ok_or("$repeat: a number up to 10000")?,
        };
        let every = match activity.shift_remove("$every") {
            None => SignedDuration::from_secs(1),
            Some(every) => age(&every)?,
        };
        let place = enriched(&mut activity, "$src", &PLACE)?;
        let agent = enriched(&mut activity, "$client", &AGENT)?;
        let person = enriched(&mut activity, "$person", &PERSON)?;
        if let Some(odd) = activity.keys().find(|name| name.starts_with('$')) {
            return Err(format!("{odd} is none of $at, $repeat, $every, $src, $client, $person"));
        }
        for number in 1..=times {
            let json = one(&activity, samples.len(), number, next)?;
            samples.push(Sample { json, place: place.clone(), agent: agent.clone(), person: person.clone() });
            next += every;
        }
    }
    Ok(samples)
}

/// `+5m`, `-3d`, `90s`
fn age(value: &Value) -> Result<SignedDuration, String> {
    let text = value.as_str().ok_or("$at, $every: a text such as +5m")?;
    let (is_before, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = Timespan::parse(rest).map_err(|error| error.to_string())?.seconds as i64;
    Ok(SignedDuration::from_secs(if is_before { -seconds } else { seconds }))
}

fn enriched(activity: &mut Map<String, Value>, name: &str, parts: &[&str]) -> Result<Option<String>, String> {
    let Some(value) = activity.shift_remove(name) else { return Ok(None) };
    let Value::Object(given) = value else { return Err(format!("{name}: a mapping")) };
    if let Some(odd) = given.keys().find(|key| !parts.contains(&key.as_str())) {
        return Err(format!("{name}: {odd} is none of {}", parts.join(", ")));
    }
    let texts: Vec<String> = parts
        .iter()
        .map(|part| match given.get(*part) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
        .collect();
    Ok(Some(texts.join("\u{1f}")))
}

fn one(given: &Map<String, Value>, place: usize, number: u64, at: Timestamp) -> Result<String, String> {
    let kind = given.get("type").and_then(Value::as_str).ok_or("an activity has a type")?;
    let mut activity = Map::new();
    activity.insert("id".to_owned(), json!(format!("activity_01{:022}", place + 1)));
    activity.insert("created_at".to_owned(), json!(at.to_string()));
    activity.insert("organization_id".to_owned(), json!("org_01SampleSampleSample0001"));
    activity.insert("organization_uuid".to_owned(), json!("5a3b1c9e-0d4f-4b6a-8a57-2f7c3f0d9a11"));
    activity.insert("actor".to_owned(), Value::Null);
    for (name, value) in given {
        let value = numbered(value, number);
        match name.as_str() {
            "actor" => activity.insert(name.clone(), actor(&value)?),
            _ => activity.insert(name.clone(), value),
        };
    }
    if activity["actor"].is_null() && !given.contains_key("actor") {
        activity["actor"] = actor(&json!("alice"))?;
    }
    if let Some(info) = catalog::get(kind) {
        fill(&mut activity, &info.fields);
    }
    serde_json::to_string(&activity).map_err(|error| error.to_string())
}

/// `{n}` in texts is the number.
fn numbered(value: &Value, number: u64) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{n}", &number.to_string())),
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), numbered(value, number))).collect(),
        other => other.clone(),
    }
}

fn actor(value: &Value) -> Result<Value, String> {
    let mut given = match value {
        Value::String(name) => {
            let email = if name.contains('@') { name.clone() } else { format!("{name}@example.com") };
            let id = name.split('@').next().unwrap_or_default();
            let mut fields = Map::new();
            fields.insert("type".to_owned(), json!("user_actor"));
            fields.insert("email_address".to_owned(), json!(email));
            fields.insert("user_id".to_owned(), json!(format!("user_01{id}")));
            fields
        }
        Value::Object(fields) => fields.clone(),
        Value::Null => return Ok(Value::Null),
        _ => return Err("actor: a name or a mapping".to_owned()),
    };
    let kind = given.get("type").and_then(Value::as_str).unwrap_or("user_actor").to_owned();
    given.insert("type".to_owned(), json!(kind));
    if let Some(info) = catalog::actor(&kind) {
        let given_email = given.get("email_address").and_then(Value::as_str).map(str::to_owned);
        for field in info.fields.iter().filter(|field| field.required) {
            let value = match (field.name.as_str(), &given_email) {
                ("ip_address", _) => json!("198.51.100.7"),
                ("user_agent", _) => {
                    json!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/142.0.0.0 Safari/537.36")
                }
                ("email_address", _) => json!("alice@example.com"),
                ("user_id", Some(email)) => json!(format!("user_01{}", email.split('@').next().unwrap_or_default())),
                ("user_id", None) => json!("user_01alice"),
                (name, _) if name.ends_with("_id") => json!(format!("{name}_01sample")),
                _ => any(&field.shape),
            };
            given.entry(field.name.clone()).or_insert(value);
        }
    }
    Ok(Value::Object(given))
}

/// Puts a valid value in the place of each required field that is left out.
fn fill(activity: &mut Map<String, Value>, fields: &[Field]) {
    for field in fields.iter().filter(|field| field.required) {
        activity.entry(field.name.clone()).or_insert_with(|| any(&field.shape));
    }
}

fn any(shape: &Shape) -> Value {
    match shape {
        Shape::String => json!("sample"),
        Shape::Boolean => json!(true),
        Shape::Number => json!(1),
        Shape::Enum { values } => values.first().map_or(Value::Null, |value| json!(value)),
        Shape::Array { .. } => json!([]),
        Shape::Object { fields, .. } => object(fields),
        Shape::Union { variants } => variants.first().map_or(json!({}), |variant| object(&variant.fields)),
    }
}

fn object(fields: &[Field]) -> Value {
    let mut map = Map::new();
    fill(&mut map, fields);
    Value::Object(map)
}
