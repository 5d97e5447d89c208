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

fn is_weaker(way: &Weaker, before: Option<&Value>, after: Option<&Value>) -> bool {
    if !way.order.is_empty() {
        let place = |value: Option<&Value>| {
            let text = value.and_then(Value::scalar_text).unwrap_or(Cow::Borrowed("null"));
            way.order.iter().position(|known| known.0.eq_ignore_ascii_case(&text))
        };
        // A value before that nobody ranked counts as the strongest: what was switched off is off.
        return place(after).is_some_and(|after| place(before).unwrap_or(0) < after);
    }
    let (before, after) = (size(before), size(after));
    (way.grows && after > before) || (way.shrinks && after < before)
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
        Some(Value::Object(_)) => "{…}".to_owned(),
        Some(scalar) => scalar.scalar_text().unwrap_or_default().into_owned(),
    }
}
