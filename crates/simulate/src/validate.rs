//! Whether an activity is valid by the catalogue: strict, because what the simulation makes has no excuse.

use activity::catalog::{self, Field, Shape};
use serde_json::{Map, Value};

/// Checks a whole activity: envelope, actor, fields. The error says where and why.
pub fn validate(activity: &Value) -> Result<(), String> {
    let activity = activity.as_object().ok_or("no object")?;
    let text = |name: &str| activity.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name}: no string"));
    id(text("id")?).ok_or_else(|| format!("id: {}", activity["id"]))?;
    let created_at = text("created_at")?;
    if !created_at.ends_with('Z') || created_at.parse::<jiff::Timestamp>().is_err() {
        return Err(format!("created_at: {created_at:?}"));
    }
    for name in ["organization_id", "organization_uuid"] {
        match activity.get(name) {
            Some(Value::Null | Value::String(_)) => {}
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    if activity["organization_id"].is_null() != activity["organization_uuid"].is_null() {
        return Err("organization_id and organization_uuid disagree".into());
    }
    let name = text("type")?;
    let info = catalog::get(name).ok_or_else(|| format!("type: {name:?} is not in the catalogue"))?;
    actor(activity.get("actor").unwrap_or(&Value::Null), &info.actors)?;
    let own: Map<String, Value> = activity
        .iter()
        .filter(|(name, _)| !ENVELOPE.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields(&own, &info.fields, name)
}

const ENVELOPE: [&str; 6] = ["id", "created_at", "organization_id", "organization_uuid", "actor", "type"];

fn id(text: &str) -> Option<()> {
    let digits = text.strip_prefix("activity_01")?;
    (digits.len() == 22 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(())
}

fn actor(actor: &Value, allowed: &[String]) -> Result<(), String> {
    let actor = actor.as_object().ok_or("actor: no object")?;
    let name = actor.get("type").and_then(Value::as_str).ok_or("actor.type: no string")?;
    if !allowed.iter().any(|allowed| allowed == name) {
        return Err(format!("actor.type: {name} is none of {allowed:?}"));
    }
    let info = catalog::actor(name).ok_or_else(|| format!("actor.type: {name} is not in the catalogue"))?;
    fields(actor, &info.fields, "actor")
}

fn fields(found: &Map<String, Value>, fields: &[Field], path: &str) -> Result<(), String> {
    for field in fields {
        let path = format!("{path}.{}", field.name);
        match found.get(&field.name) {
            None if field.required => return Err(format!("{path}: missing")),
            None => {}
            Some(Value::Null) if field.nullable => {}
            Some(value) => shape(value, &field.shape, &path)?,
        }
    }
    match found.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
        Some(name) => Err(format!("{path}.{name}: not in the catalogue")),
        None => Ok(()),
    }
}

fn shape(value: &Value, shape: &Shape, path: &str) -> Result<(), String> {
    let fits = match (shape, value) {
        (Shape::String, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) | (Shape::Number, Value::Number(_)) => {
            true
        }
        (Shape::Enum { values }, Value::String(text)) => values.contains(text),
        (Shape::Array { items }, Value::Array(found)) => {
            for (at, item) in found.iter().enumerate() {
                self::shape(item, items, &format!("{path}[{at}]"))?;
            }
            true
        }
        (Shape::Object { fields, .. }, Value::Object(_)) if fields.is_empty() => true,
        (Shape::Object { fields, .. }, Value::Object(found)) => {
            self::fields(found, fields, path)?;
            true
        }
        (Shape::Union { variants }, Value::Object(found)) => {
            let errors: Vec<String> =
                variants.iter().filter_map(|variant| self::fields(found, &variant.fields, path).err()).collect();
            if errors.len() == variants.len() {
                return Err(format!("{path}: {value} is none of its variants: {}", errors.join("; ")));
            }
            true
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{path}: {value} does not fit")) }
}
