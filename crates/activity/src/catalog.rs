//! The catalogue: every activity type and actor type that is known, with the fields that each carries.
//!
//! The data is one readable file, `data/catalog.json`, compiled in and parsed once at first use. Unknown types are normal
//! (new ones ship every few weeks); [`get`] answers `None` for them and [`crate::classify`] guesses by name.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// What the catalogue says of one activity type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeInfo {
    /// The wire value of the activity's `type`.
    #[serde(rename = "type")]
    pub name: String,
    /// The wire values of `actor.type` that this type allows.
    pub actors: Vec<String>,
    /// The type-specific fields beside the envelope.
    pub fields: Vec<Field>,
}

/// A field of an activity type or of an actor type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The JSON key.
    pub name: String,
    /// Whether the key is always present.
    pub required: bool,
    /// Whether the value may be `null`.
    pub nullable: bool,
    /// Whether the feed calls it deprecated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// The shape of a value that is not `null`.
    #[serde(flatten)]
    pub shape: Shape,
}

/// The shape of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Shape {
    /// Any string.
    String,
    /// `true` or `false`.
    Boolean,
    /// Any JSON number.
    Number,
    /// One of the given strings.
    Enum {
        /// The values that are known.
        values: Vec<String>,
    },
    /// A list.
    Array {
        /// The shape of each element.
        items: Box<Shape>,
    },
    /// An object with named fields, or a free map where `fields` is empty.
    Object {
        /// The named fields.
        #[serde(default)]
        fields: Vec<Field>,
        /// For a free map, the shape of its values as the feed's reference spells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        map: Option<serde_json::Value>,
    },
    /// One of several objects.
    Union {
        /// The alternatives.
        variants: Vec<Variant>,
    },
}

/// One alternative of a [`Shape::Union`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// The name that the feed's reference gives it.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// An actor type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActorInfo {
    /// The wire value of `actor.type`.
    #[serde(rename = "type")]
    pub name: String,
    /// Its fields, `type` among them.
    pub fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Data {
    actors: Vec<ActorInfo>,
    types: Vec<TypeInfo>,
}

struct Catalogue {
    actors: Vec<ActorInfo>,
    types: Vec<TypeInfo>,
    by_name: HashMap<String, usize>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    let Data { actors, types }: Data = serde_json::from_str(include_str!("../data/catalog.json")).expect("data/catalog.json");
    let by_name = types.iter().enumerate().map(|(at, info)| (info.name.clone(), at)).collect();
    Catalogue { actors, types, by_name }
});

/// All known activity types, by name.
pub fn types() -> &'static [TypeInfo] {
    &CATALOGUE.types
}

/// All known actor types, by name.
pub fn actors() -> &'static [ActorInfo] {
    &CATALOGUE.actors
}

/// What is known of the activity type with this wire name.
pub fn get(name: &str) -> Option<&'static TypeInfo> {
    CATALOGUE.by_name.get(name).map(|&at| &CATALOGUE.types[at])
}

/// What is known of the actor type with this wire name.
pub fn actor(name: &str) -> Option<&'static ActorInfo> {
    CATALOGUE.actors.iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_type_once() {
        assert_eq!(types().len(), 467);
        assert_eq!(actors().len(), 11);
        for info in types() {
            assert_eq!(get(&info.name), Some(info), "{}", info.name);
            for name in &info.actors {
                assert!(actor(name).is_some(), "{}: {name}", info.name);
            }
        }
        assert_eq!(get("no_such_type"), None);
    }
}
