//! The unified record of an activity: everything that is derived from it, before an engine lays it out in columns.

use std::borrow::Cow;

use crate::{
    Activity, AddressClass,
    classify::{Classification, classify},
    envelope::ACTOR_COLUMNS,
    value::{Fields, Value},
};

/// An activity with all that follows from it. Deterministic: the same bytes always give the same record.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The activity itself.
    pub activity: &'a Activity<'a>,
    /// The name of its category in the catalogue.
    pub category: &'static str,
    /// `success`, `failure`, `attempt` or `unknown`.
    pub outcome: &'static str,
    /// The product surface, column `serviceName`.
    pub product: &'static str,
    /// Whether the activity changed nothing.
    pub read_only: bool,
    /// Whether category, outcome, surface and read-only are guessed from the name of an unknown type.
    pub guessed: bool,
    /// The class of `actor.ip_address`, if there is one.
    pub ip_class: Option<AddressClass>,
    /// Whom or what the action was done to. Holds no control character.
    pub target: Option<Cow<'a, str>>,
    /// The id of every resource that the activity touches, each once. None contains a control character.
    pub resources: Vec<Cow<'a, str>>,
    /// The members of `actor` without a column of their own, flattened with dots, as text.
    pub actor_other: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Record<'a> {
    /// Derives the record.
    pub fn of(activity: &'a Activity<'a>) -> Record<'a> {
        let class = classify(&activity.kind, &activity.fields);
        let Classification { category, surface, outcome, read_only, guessed, .. } = class;
        let mut resources = class.resources(&activity.fields);
        resources.iter_mut().for_each(without_controls);
        let mut target = class.target(&activity.fields);
        target.iter_mut().for_each(without_controls);
        Record {
            activity,
            category,
            outcome: outcome.as_str(),
            product: surface,
            read_only,
            guessed,
            ip_class: activity.actor.text("ip_address").map(AddressClass::of),
            target,
            resources,
            actor_other: actor_other(&activity.actor.fields),
        }
    }
}

/// Puts U+FFFD in the place of control characters, which no id has and the store uses as marks.
fn without_controls(text: &mut Cow<str>) {
    if text.contains(|sign: char| sign.is_control()) {
        *text = Cow::Owned(text.replace(|sign: char| sign.is_control(), "\u{fffd}"));
    }
}

/// The record's id: from the source and the activity's id, so that collecting twice gives the same id.
///
/// The activity's id begins after the last colon, as no activity id holds one.
pub fn record_id(source: &str, activity_id: &str) -> String {
    format!("{source}:{activity_id}")
}

fn actor_other<'a>(fields: &'a Fields<'a>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let mut list = Vec::new();
    for (name, value) in fields {
        if !ACTOR_COLUMNS.contains(&name.as_ref()) {
            flatten(Cow::Borrowed(name), value, &mut list);
        }
    }
    // A map has each key once; the first stands, as in every look-up.
    let mut at = 0;
    while at < list.len() {
        let is_again = list[..at].iter().any(|(name, _)| *name == list[at].0);
        if is_again {
            list.remove(at);
        } else {
            at += 1;
        }
    }
    list
}

/// Adds `value` under `name`, members of objects under `name.member`.
fn flatten<'a>(name: Cow<'a, str>, value: &'a Value<'a>, list: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>) {
    match value {
        Value::Object(fields) => {
            for (member, value) in fields {
                flatten(Cow::Owned(format!("{name}.{member}")), value, list);
            }
        }
        other => list.extend(shown(other).map(|text| (name, text))),
    }
}

/// A value as one text: scalars as they are written, lists of them with commas; `None` for null and objects.
pub(crate) fn shown<'a>(value: &'a Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Array(items) => {
            let texts: Vec<Cow<str>> = items.iter().filter_map(Value::scalar_text).collect();
            Some(Cow::Owned(texts.join(",")))
        }
        other => other.scalar_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives() {
        let text = r#"{"id":"activity_01A","created_at":"2026-04-10T08:09:10Z","actor":{"type":"federated_actor","provider":{"type":"aws","account_id":"12"},"ip_address":"0.0.0.0","aud":["a","b"],"aud":"c","n":null},"type":"claude_chat_created","claude_chat_id":"claude_chat_1\u001f","claude_project_id":null}"#;
        let activity = Activity::parse_str(text).unwrap();
        let record = Record::of(&activity);
        assert_eq!((record.category, record.outcome, record.read_only), ("chats", "success", false));
        assert_eq!(record.product, "claude.ai");
        assert_eq!(record.ip_class, Some(AddressClass::Placeholder));
        assert_eq!(record.resources, ["claude_chat_1\u{fffd}"]);
        let other: Vec<(&str, &str)> = record.actor_other.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(other, [("provider.type", "aws"), ("provider.account_id", "12"), ("aud", "a,b")]);
        assert_eq!(record_id("main", &activity.id), "main:activity_01A");
    }
}
