//! What the catalogue says of a path in some types: which shapes stand there, which values fit them.

use std::collections::BTreeSet;

use activity::{
    Activity,
    catalog::{self, Field, Shape},
    value::{Fields, Value},
};
use rsigma_parser::{Modifier, SigmaValue};

use crate::types::Types;

/// A map with any keys.
static FREE: Shape = Shape::String;

/// The shapes at a path in the types' own fields.
pub(super) fn of_types(path: &str, types: &Types) -> Vec<&'static Shape> {
    let known = types.names.iter().filter_map(|name| catalog::get(name));
    known.flat_map(|info| at(&info.fields, path)).collect()
}

/// The shapes at a path in the actors that the types allow.
pub(super) fn of_actors(path: &str, types: &Types) -> Vec<&'static Shape> {
    let Some(path) = path.strip_prefix("actor.") else { return Vec::new() };
    let known = types.names.iter().filter_map(|name| catalog::get(name));
    let mut actors: BTreeSet<&str> = known.flat_map(|info| info.actors.iter().map(String::as_str)).collect();
    if types.unknown {
        actors.extend(catalog::actors().iter().map(|info| info.name.as_str()));
    }
    actors.into_iter().filter_map(catalog::actor).flat_map(|info| at(&info.fields, path)).collect()
}

/// The names of settings that stand in `updates[].type`.
pub(super) fn settings(types: &Types) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for shape in of_types("updates.type", types) {
        if let Shape::Enum { values } = shape {
            names.extend(values.iter().cloned());
        }
    }
    names
}

fn at(fields: &'static [Field], path: &str) -> Vec<&'static Shape> {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let key = key.split('[').next().unwrap_or(key);
    fields.iter().filter(|field| field.name == key).flat_map(|field| below(&field.shape, rest)).collect()
}

fn below(shape: &'static Shape, path: &str) -> Vec<&'static Shape> {
    match shape {
        Shape::Array { items } if path.is_empty() => {
            let mut list = below(items, path);
            list.push(shape);
            list
        }
        Shape::Array { items } => below(items, path),
        shape if path.is_empty() => vec![shape],
        Shape::Object { fields, .. } if fields.is_empty() => vec![&FREE],
        Shape::Object { fields, .. } => at(fields, path),
        Shape::Union { variants } => variants.iter().flat_map(|variant| at(&variant.fields, path)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a known value meets a value of a rule.
pub(super) fn fits(modifiers: &[Modifier], value: &SigmaValue, known: &str) -> bool {
    let SigmaValue::String(text) = value else { return matches!(value, SigmaValue::Null) };
    let (wanted, known) = (text.original.to_lowercase(), known.to_lowercase());
    let has = |modifier| modifiers.contains(&modifier);
    if has(Modifier::Re) || has(Modifier::FieldRef) || has(Modifier::Neq) {
        return true;
    }
    if has(Modifier::StartsWith) {
        return known.starts_with(&wanted);
    }
    if has(Modifier::EndsWith) {
        return known.ends_with(&wanted);
    }
    if has(Modifier::Contains) {
        return known.contains(&wanted);
    }
    if !text.is_plain() {
        return wanted.split(['*', '?']).all(|part| known.contains(part));
    }
    known == wanted
}

/// Whether a field of this shape can meet a value of a rule.
pub(super) fn can_be(shape: &Shape, modifiers: &[Modifier], value: &SigmaValue) -> bool {
    if matches!(value, SigmaValue::Null) || modifiers.contains(&Modifier::Re) {
        return true;
    }
    match shape {
        Shape::Enum { values } => values.iter().any(|known| fits(modifiers, value, known)),
        Shape::Boolean => match value {
            SigmaValue::Bool(_) => true,
            SigmaValue::String(text) => matches!(text.original.to_lowercase().as_str(), "true" | "false"),
            _ => false,
        },
        Shape::Number => match value {
            SigmaValue::Integer(_) | SigmaValue::Float(_) => true,
            SigmaValue::String(text) => text.original.parse::<f64>().is_ok() || !modifiers.is_empty(),
            _ => false,
        },
        Shape::String => !matches!(value, SigmaValue::Bool(_)) || modifiers.contains(&Modifier::Exists),
        Shape::Array { items } => can_be(items, modifiers, value),
        Shape::Object { fields, .. } => fields.is_empty(),
        Shape::Union { .. } => false,
    }
}

/// A shape in words.
pub(super) fn named(shape: &Shape) -> String {
    match shape {
        Shape::String => "a text".to_owned(),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Number => "a number".to_owned(),
        Shape::Enum { values } => format!("one of {}", super::some(values)),
        Shape::Array { items } => format!("a list, each {}", named(items)),
        Shape::Object { .. } | Shape::Union { .. } => "an object".to_owned(),
    }
}

/// What is wrong with an activity by the catalogue.
pub(super) fn wrong(activity: &Activity) -> Option<String> {
    let Some(info) = catalog::get(&activity.kind) else {
        return Some(format!("{:?} is no type of the catalogue", activity.kind));
    };
    let kind = activity.actor.kind().unwrap_or_default();
    if !info.actors.iter().any(|actor| actor == kind) {
        return Some(format!("actor.type {kind:?} is none of {}", super::some(&info.actors)));
    }
    let actor = catalog::actor(kind).map_or(&[][..], |actor| &actor.fields);
    members(&activity.actor.fields, actor, "actor.").or_else(|| members(&activity.fields, &info.fields, ""))
}

fn members(found: &Fields, known: &[Field], path: &str) -> Option<String> {
    for (name, value) in found {
        let Some(field) = known.iter().find(|field| field.name == *name) else {
            return Some(format!("no field {path}{name}"));
        };
        let is_null = matches!(value, Value::Null) && field.nullable;
        if !is_null && let Some(wrong) = misfit(value, &field.shape, &format!("{path}{name}")) {
            return Some(wrong);
        }
    }
    let missing = known.iter().find(|field| field.required && !found.iter().any(|(name, _)| *name == field.name))?;
    Some(format!("{path}{} is missing", missing.name))
}

fn misfit(value: &Value, shape: &Shape, path: &str) -> Option<String> {
    let is_fine = match (shape, value) {
        (Shape::String, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) => true,
        (Shape::Number, Value::Integer(_) | Value::Unsigned(_) | Value::Float(_)) => true,
        (Shape::Enum { values }, Value::String(text)) => values.iter().any(|known| known == text),
        (Shape::Array { items }, Value::Array(list)) => {
            return list.iter().find_map(|item| misfit(item, items, &format!("{path}[]")));
        }
        (Shape::Object { fields, .. }, Value::Object(_)) if fields.is_empty() => true,
        (Shape::Object { fields, .. }, Value::Object(found)) => return members(found, fields, &format!("{path}.")),
        (Shape::Union { variants }, Value::Object(found)) => {
            let prefix = format!("{path}.");
            let mut wrong = variants.iter().map(|variant| members(found, &variant.fields, &prefix));
            return if wrong.any(|wrong| wrong.is_none()) {
                None
            } else {
                Some(format!("{path} is none of its variants"))
            };
        }
        _ => false,
    };
    (!is_fine)
        .then(|| format!("{path} is {}, not {}", named(shape), value.scalar_text().unwrap_or(value.kind().into())))
}
