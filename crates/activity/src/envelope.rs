//! One activity: its envelope, its actor and its other fields, parsed without losing a byte.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::{
    record::shown,
    value::{Fields, Key, Value},
};

/// An activity that borrows from the bytes it was parsed from.
///
/// Unknown types, actors and fields are all there: `raw` is byte for byte what was received, `fields` holds every member
/// beside the envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity<'a> {
    /// The JSON object as received, without white space around it.
    pub raw: &'a str,
    /// `id`, never empty.
    pub id: Cow<'a, str>,
    /// `created_at`, cut to microseconds.
    pub created_at: Timestamp,
    /// `created_at` as it was written.
    pub created_at_text: Cow<'a, str>,
    /// `type`, never empty.
    pub kind: Cow<'a, str>,
    /// `organization_id`
    pub organization_id: Option<Cow<'a, str>>,
    /// `organization_uuid`
    pub organization_uuid: Option<Cow<'a, str>>,
    /// `actor`
    pub actor: Actor<'a>,
    /// Every other member.
    pub fields: Fields<'a>,
}

/// Who did it. Empty if the activity names nobody.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Actor<'a> {
    /// The members of `actor` in their order.
    pub fields: Fields<'a>,
}

impl<'a> Actor<'a> {
    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_str())
    }

    /// A member as the record shows it: as [`Actor::text`], and numbers, truths and lists as text.
    pub fn shown(&self, name: &str) -> Option<Cow<'_, str>> {
        if ACTOR_COLUMNS.contains(&name) {
            return self.text(name).map(Cow::Borrowed);
        }
        self.fields.iter().filter(|(key, _)| key == name).find_map(|(_, value)| shown(value))
    }

    /// `actor.type`
    pub fn kind(&self) -> Option<&str> {
        self.text("type")
    }

    /// The id that stands for the actor: of the user, key, service account, directory or device, whichever it names.
    pub fn id(&self) -> Option<&str> {
        ACTOR_IDS.iter().find_map(|name| self.text(name))
    }
}

/// The members of an actor that identify it, the more telling one first.
pub const ACTOR_IDS: [&str; 8] = [
    "user_id",
    "admin_api_key_id",
    "api_key_id",
    "service_account_id",
    "directory_id",
    "external_client_id",
    "subject",
    "service",
];

/// The members of an actor that have a column of their own, and so must be strings.
pub(crate) const ACTOR_COLUMNS: [&str; 7] =
    ["type", "email_address", "user_id", "ip_address", "user_agent", "api_key_id", "admin_api_key_id"];

/// Why some bytes are not an activity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes are not UTF-8.
    #[error("invalid UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first offending byte, counted from 0.
        at: usize,
    },
    /// The text is not one JSON object.
    #[error("{0}")]
    NotJson(String),
    /// A member that every activity has is absent.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member stands twice, so that nobody can say which one counts.
    #[error("`{0}` stands twice")]
    Twice(&'static str),
    /// A member has another type than the contract gives it.
    #[error("`{name}` must be {expected}, found {found}")]
    WrongType {
        /// The member.
        name: String,
        /// What the contract says.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// `created_at` is no point in time.
    #[error("`created_at` must be an RFC 3339 time with zone, found {0:?}")]
    NotATime(String),
}

impl<'a> Activity<'a> {
    /// Parses one activity. White space around it is left out.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong. Nothing that the contract allows is refused: unknown types, actors and fields
    /// pass through.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|error| ParseError::NotUtf8 { at: error.valid_up_to() })?;
        Self::parse_str(text)
    }

    /// As [`Activity::parse`], for text.
    pub fn parse_str(text: &'a str) -> Result<Self, ParseError> {
        let raw = text.trim_matches([' ', '\t', '\r', '\n']);
        if !raw.starts_with('{') {
            return Err(not_an_object(raw));
        }
        let members: Members = serde_json::from_str(raw).map_err(|error| ParseError::NotJson(json_message(&error)))?;
        members.into_activity(raw)
    }
}

fn not_an_object(raw: &str) -> ParseError {
    let found = match serde_json::from_str::<Value>(raw) {
        Ok(value) => value.kind(),
        Err(_) if raw.is_empty() => "nothing",
        Err(error) => return ParseError::NotJson(json_message(&error)),
    };
    ParseError::NotJson(format!("an activity is a JSON object, found {found}"))
}

/// The parser's message, with the column only: an activity mostly stands on one line, and its line in the file is told
/// beside this message.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Eof => format!("invalid JSON: cut short at byte {}: {text}", error.column()),
        _ if error.line() > 1 => {
            format!("invalid JSON at line {}, byte {} of the object: {text}", error.line(), error.column())
        }
        _ => format!("invalid JSON at byte {}: {text}", error.column()),
    }
}

/// The top level of an activity, as parsed.
#[derive(Default)]
struct Members<'a> {
    id: Option<Value<'a>>,
    created_at: Option<Value<'a>>,
    kind: Option<Value<'a>>,
    organization_id: Option<Value<'a>>,
    organization_uuid: Option<Value<'a>>,
    actor: Option<Value<'a>>,
    fields: Fields<'a>,
    twice: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an activity")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members { fields: Vec::with_capacity(8), ..Members::default() };
                while let Some(Key(key)) = map.next_key()? {
                    let value = map.next_value()?;
                    let (slot, name) = match key.as_ref() {
                        "id" => (&mut members.id, "id"),
                        "created_at" => (&mut members.created_at, "created_at"),
                        "type" => (&mut members.kind, "type"),
                        "organization_id" => (&mut members.organization_id, "organization_id"),
                        "organization_uuid" => (&mut members.organization_uuid, "organization_uuid"),
                        "actor" => (&mut members.actor, "actor"),
                        _ => {
                            members.fields.push((key, value));
                            continue;
                        }
                    };
                    if slot.replace(value).is_some() {
                        members.twice = Some(name);
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'a> Members<'a> {
    fn into_activity(self, raw: &'a str) -> Result<Activity<'a>, ParseError> {
        if let Some(name) = self.twice {
            return Err(ParseError::Twice(name));
        }
        let id = required("id", self.id)?;
        let created_at_text = required("created_at", self.created_at)?;
        let kind = required("type", self.kind)?;
        let created_at = parse_time(&created_at_text)?;
        Ok(Activity {
            raw,
            id,
            created_at,
            created_at_text,
            kind,
            organization_id: optional("organization_id", self.organization_id)?,
            organization_uuid: optional("organization_uuid", self.organization_uuid)?,
            actor: actor(self.actor)?,
            fields: self.fields,
        })
    }
}

fn required<'a>(name: &'static str, value: Option<Value<'a>>) -> Result<Cow<'a, str>, ParseError> {
    match value {
        None => Err(ParseError::Missing(name)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(Value::String(_)) => Err(wrong(name, "a non-empty string", "an empty one")),
        Some(other) => Err(wrong(name, "a string", other.kind())),
    }
}

fn optional<'a>(name: &str, value: Option<Value<'a>>) -> Result<Option<Cow<'a, str>>, ParseError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(name, "a string or null", other.kind())),
    }
}

fn actor(value: Option<Value<'_>>) -> Result<Actor<'_>, ParseError> {
    let fields = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(fields)) => fields,
        Some(other) => return Err(wrong("actor", "an object", other.kind())),
    };
    for (name, value) in &fields {
        if ACTOR_COLUMNS.contains(&name.as_ref()) && !matches!(value, Value::String(_) | Value::Null) {
            return Err(wrong(&format!("actor.{name}"), "a string or null", value.kind()));
        }
    }
    Ok(Actor { fields })
}

fn wrong(name: &str, expected: &'static str, found: &'static str) -> ParseError {
    ParseError::WrongType { name: name.to_owned(), expected, found }
}

/// An RFC 3339 time with zone, cut to microseconds.
fn parse_time(text: &str) -> Result<Timestamp, ParseError> {
    let not_a_time = || ParseError::NotATime(text.chars().take(64).collect());
    let bytes = text.as_bytes();
    // The parser also takes ISO 8601 forms that RFC 3339 does not have; a feed that sends one is not the feed.
    if bytes.len() < 20 || bytes[4] != b'-' || !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' {
        return Err(not_a_time());
    }
    let time: Timestamp = text.parse().map_err(|_| not_a_time())?;
    Timestamp::from_microsecond(time.as_nanosecond().div_euclid(1_000).try_into().map_err(|_| not_a_time())?)
        .map_err(|_| not_a_time())
}

#[cfg(test)]
mod tests;
