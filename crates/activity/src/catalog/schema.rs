//! The shapes of an activity's fields, as the catalogue writes them.

use serde::{Deserialize, Serialize};

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

impl Shape {
    /// Calls `each` with the path of every scalar below a value of this shape that stands at `path`.
    fn each_path(&self, path: &str, each: &mut dyn FnMut(&str)) {
        match self {
            Shape::String | Shape::Boolean | Shape::Number | Shape::Enum { .. } => each(path),
            Shape::Array { items } => items.each_path(&format!("{path}[]"), each),
            Shape::Object { fields, .. } => each_path(fields, path, each),
            Shape::Union { variants } => variants.iter().for_each(|variant| each_path(&variant.fields, path, each)),
        }
    }
}

/// Calls `each` with the path of every scalar below `fields`, which stand at `path`; the top level is the empty path.
pub(super) fn each_path(fields: &[Field], path: &str, each: &mut dyn FnMut(&str)) {
    for field in fields {
        let below = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        field.shape.each_path(&below, each);
    }
}
