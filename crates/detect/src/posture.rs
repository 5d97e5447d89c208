//! Whether an activity says that a setting became weaker: by value, inside `updates[]` or in a pair of fields.

use std::borrow::Cow;

use activity::value::{Value, each_at};

use crate::{rule::Weaker, seen::Seen};

/// What became weaker: the setting, its value before and after.
pub(crate) fn weakened(seen: &Seen, ways: &[Weaker]) -> Option<String> {
    ways.iter().find_map(|way| match (&way.setting, &way.from, &way.to) {
        (Some(setting), _, _) => update(seen, setting, way),
        (None, Some(from), Some(to)) => {
            let (from, to) = (value(seen, from), value(seen, to)?);
            is_weaker(way, from, Some(to)).then(|| told(way.to.as_deref().unwrap_or_default(), from, Some(to)))
        }
        _ => None,
    })
}

fn value<'s>(seen: &'s Seen, path: &str) -> Option<&'s Value<'s>> {
    let mut found = None;
    each_at(&seen.activity.fields, path, &mut |value| found = found.or(Some(value)));
    found
}

fn update(seen: &Seen, setting: &str, way: &Weaker) -> Option<String> {
    let (_, updates) = seen.activity.fields.iter().find(|(name, _)| name == "updates")?;
    let Value::Array(items) = updates else { return None };
    items.iter().find_map(|item| {
        let Value::Object(fields) = item else { return None };
        let member = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        if member("type").and_then(Value::as_str) != Some(setting) {
            return None;
        }
        let (before, after) = (member("previous_value"), member("current_value"));
        is_weaker(way, before, after).then(|| told(setting, before, after))
    })
}

fn is_weaker<'v>(way: &Weaker, before: Option<&'v Value<'v>>, after: Option<&'v Value<'v>>) -> bool {
    if !way.order.is_empty() {
        let place = |value: Option<&Value>| {
            let text = value.and_then(Value::scalar_text).unwrap_or(Cow::Borrowed("null"));
            way.order.iter().position(|known| known.0.eq_ignore_ascii_case(&text))
        };
        // A value before that nobody ranked counts as the strongest: what was switched off is off.
        return place(after).is_some_and(|after| place(before).unwrap_or(0) < after);
    }
    if way.shortens {
        return is_shorter(before, after);
    }
    let (before, after) = (size(before), size(after));
    (way.grows && after > before) || (way.shrinks && after < before)
}

/// Whether one of several periods got shorter. What no period is named for is kept for ever.
fn is_shorter<'v>(before: Option<&'v Value<'v>>, after: Option<&'v Value<'v>>) -> bool {
    let of = |list: Option<&'v Value<'v>>, kind: &str| {
        let Some(Value::Array(items)) = list else { return f64::INFINITY };
        let named = |kind: &str| items.iter().find(|item| text(item, "data_type") == Some(kind));
        named(kind).or_else(|| named("all")).map_or(f64::INFINITY, days)
    };
    kinds(after).chain(kinds(before)).any(|kind| of(after, kind) < of(before, kind))
}

/// What periods are named for.
fn kinds<'v>(list: Option<&'v Value<'v>>) -> impl Iterator<Item = &'v str> {
    let items = match list {
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|item| text(item, "data_type"))
}

fn member<'v>(item: &'v Value<'v>, name: &str) -> Option<&'v Value<'v>> {
    let Value::Object(fields) = item else { return None };
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn text<'v>(item: &'v Value<'v>, name: &str) -> Option<&'v str> {
    member(item, name).and_then(Value::as_str)
}

/// A period in days.
fn days(period: &Value) -> f64 {
    let duration = size(member(period, "duration"));
    match text(period, "timescale") {
        Some("day") => duration,
        Some("month") => duration * 30.0,
        _ => f64::INFINITY,
    }
}

/// A number, or the number of elements, or of the parts of a text between commas.
fn size(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Integer(number)) => *number as f64,
        Some(Value::Unsigned(number)) => *number as f64,
        Some(Value::Float(number)) => *number,
        Some(Value::Bool(value)) => f64::from(u8::from(*value)),
        Some(Value::Array(items)) => items.len() as f64,
        Some(Value::Object(fields)) => fields.len() as f64,
        Some(Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            Err(_) => text.split(',').filter(|part| !part.trim().is_empty()).count() as f64,
        },
        Some(Value::Null) | None => 0.0,
    }
}

fn told(setting: &str, before: Option<&Value>, after: Option<&Value>) -> String {
    format!("{setting}: {} → {}", shown(before), shown(after))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::Array(items)) => {
            let texts: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            format!("[{}]", texts.join(", "))
        }
        Some(period @ Value::Object(_)) => match (text(period, "data_type"), text(period, "timescale")) {
            (Some(kind), Some("indefinite")) => format!("{kind} for ever"),
            (Some(kind), Some(scale)) => format!("{kind} {} {scale}s", shown(member(period, "duration"))),
            _ => "{…}".to_owned(),
        },
        Some(scalar) => scalar.scalar_text().unwrap_or_default().into_owned(),
    }
}
