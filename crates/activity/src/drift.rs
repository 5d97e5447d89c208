//! What an activity shows that the catalogue does not know: types, actors, fields, values and forms.
//!
//! Every activity that is taken in passes here, so the catalogue is compiled once into sets that are looked up by hash, and
//! an activity without anything new costs no allocation. What is found was written by strangers: texts are cut to
//! [`MAX_TEXT`] characters and hold no control character.

mod form;

use std::{collections::HashMap, sync::LazyLock};

use self::form::{Form, Hashed, Path};
use crate::{Activity, catalog};

/// Names and values are cut to so many characters.
pub const MAX_TEXT: usize = 120;
/// At most so many things are said of one activity.
pub const MAX_PER_ACTIVITY: usize = 16;

/// What kind of thing is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An activity type.
    Type,
    /// A kind of actor, or one that the type did not have.
    Actor,
    /// A field.
    Field,
    /// A value of a field whose values are known.
    Value,
    /// A known field with another kind of JSON value than it had.
    Form,
}

impl Kind {
    /// The name in tables and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Type => "type",
            Kind::Actor => "actor",
            Kind::Field => "field",
            Kind::Value => "value",
            Kind::Form => "form",
        }
    }
}

/// Something new in one activity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: Kind,
    /// The path of the field; empty for a type.
    pub name: String,
    /// The value, or the form; empty for a type or a field.
    pub value: String,
}

struct Known {
    fields: Form,
    actors: Hashed<()>,
}

static TYPES: LazyLock<Hashed<Known>> = LazyLock::new(|| {
    let known = |info: &'static catalog::TypeInfo| Known {
        fields: Form::of_fields(&info.fields),
        actors: info.actors.iter().map(|name| (name.as_str(), ())).collect(),
    };
    catalog::types().iter().map(|info| (info.name.as_str(), known(info))).collect()
});

static ACTORS: LazyLock<Hashed<Form>> = LazyLock::new(|| {
    catalog::actors().iter().map(|info| (info.name.as_str(), Form::of_fields(&info.fields))).collect()
});

/// Calls `found` for each new thing in an activity, at most [`MAX_PER_ACTIVITY`] times.
pub fn each(activity: &Activity, found: &mut dyn FnMut(Finding)) {
    let mut left = MAX_PER_ACTIVITY;
    let mut note = |kind, path: &Path, value: &str| {
        if left > 0 {
            left -= 1;
            found(Finding { kind, name: path.text(), value: bounded(value) });
        }
    };
    let known = TYPES.get(activity.kind.as_ref());
    match known {
        None => note(Kind::Type, &Path::Top, ""),
        Some(known) => known.fields.each_in(&activity.fields, &Path::Top, &mut note),
    }
    let actor = Path::Member(&Path::Top, "actor");
    let Some(kind) = activity.actor.kind() else { return };
    let form = ACTORS.get(kind);
    if form.is_none() || known.is_some_and(|known| !known.actors.contains_key(kind)) {
        note(Kind::Actor, &Path::Member(&actor, "type"), kind);
    }
    if let Some(form) = form {
        form.each_in(&activity.actor.fields, &actor, &mut note);
    }
}

/// A text of a stranger's, short and without control characters.
pub fn bounded(text: &str) -> String {
    let plain = |sign: char| if sign.is_control() { '\u{fffd}' } else { sign };
    let mut short: String = text.chars().take(MAX_TEXT).map(plain).collect();
    if short.len() < text.len() && text.chars().nth(MAX_TEXT).is_some() {
        short.push('…');
    }
    short
}

/// A hash for short names of our own: nobody chooses what stands in these tables, so none can be filled with collisions.
#[derive(Debug, Clone, Copy, Default)]
struct Mix(u64);

impl std::hash::Hasher for Mix {
    fn finish(&self) -> u64 {
        // The table takes its place from the low bits, which a product mixes least.
        self.0.rotate_left(26)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
    fn write_u8(&mut self, _: u8) {}
}

type Table<V> = HashMap<&'static str, V, std::hash::BuildHasherDefault<Mix>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String, String)> {
        let activity = Activity::parse_str(text).unwrap();
        let mut list = Vec::new();
        each(&activity, &mut |finding| list.push((finding.kind.as_str(), finding.name, finding.value)));
        list
    }

    fn activity(rest: &str) -> String {
        format!(r#"{{"id":"activity_01A","created_at":"2026-04-10T08:09:10Z",{rest}}}"#)
    }

    #[test]
    fn what_is_known_is_not_told() {
        let text = r#""type":"abuse_decision_received","decision":"blocked","abuse_session_id":null,"organization_id":"o","actor":{"type":"anthropic_actor","email_address":null}"#;
        assert_eq!(found(&activity(text)), []);
        let union = r#""type":"claude_user_settings_updated","updates":[{"type":"full_name","current_value":"a","previous_value":"b"}],"actor":{"type":"system_actor"}"#;
        let found = found(&activity(union));
        assert!(found.iter().all(|(kind, ..)| *kind == "value" || *kind == "actor"), "{found:?}");
    }

    #[test]
    fn what_is_new_is_told_with_its_place() {
        let text = r#""type":"abuse_decision_received","decision":"paused","abuse_session_id":7,"new":{"a":1},"actor":{"type":"api_actor","api_key_id":"k","ip_address":"i","user_agent":"u","mood":"good"}"#;
        let told = |kind, name: &str, value: &str| (kind, name.to_owned(), value.to_owned());
        assert_eq!(
            found(&activity(text)),
            [
                told("value", "decision", "paused"),
                told("form", "abuse_session_id", "a number"),
                told("field", "new", ""),
                told("field", "actor.mood", ""),
            ]
        );
        let text = r#""type":"never_seen","x":1,"actor":{"type":"ghost_actor","y":1}"#;
        assert_eq!(found(&activity(text)), [told("type", "", ""), told("actor", "actor.type", "ghost_actor")]);
    }

    #[test]
    fn strangers_cannot_make_much_of_it() {
        let many: Vec<String> = (0..1_000).map(|n| format!(r#""f{n}\u001b[31m{}":1"#, "x".repeat(500))).collect();
        let list = found(&activity(&format!(r#""type":"account_deleted",{}"#, many.join(","))));
        assert_eq!(list.len(), MAX_PER_ACTIVITY);
        assert!(list.iter().all(|(_, name, _)| name.chars().count() <= MAX_TEXT + 1), "{list:?}");
        assert!(list.iter().all(|(_, name, _)| !name.chars().any(char::is_control)));
    }
}
