//! A shape as a table: a fixed list of columns, their values taken out of the written object, and CSV and Arrow of them.
//!
//! Every member of the object belongs to a column: what can grow (the raw log, lists) is one column of JSON text. So a table
//! loses nothing that the object holds.

mod csv;
mod table;
mod unified;

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    Shape,
    members::{Key, string},
    panther, raw,
    row::Row,
};

pub use csv::Csv;
pub use table::Table;

/// A column of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Where the value stands: keys parted by dots. This is the column's name.
    pub path: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it holds, in a few words of Markdown.
    pub about: &'static str,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Yes or no.
    Boolean,
    /// An object or a list, as JSON.
    Json,
}

impl Kind {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Float => "number",
            Kind::Boolean => "boolean",
            Kind::Json => "JSON",
        }
    }
}

pub(crate) const fn field(path: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { path, kind, about }
}

/// Takes the cells of a shape's columns out of its objects.
#[derive(Debug)]
pub struct Cells {
    shape: Shape,
    root: Node,
    object: Vec<u8>,
}

#[derive(Debug, Default)]
struct Node {
    column: Option<usize>,
    below: Vec<(&'static str, Node)>,
}

impl Cells {
    /// For this shape.
    pub fn new(shape: Shape) -> Cells {
        let mut root = Node::default();
        for (column, field) in shape.fields().iter().enumerate() {
            let mut node = &mut root;
            for key in field.path.split('.') {
                let at = node.below.iter().position(|(name, _)| *name == key).unwrap_or_else(|| {
                    node.below.push((key, Node::default()));
                    node.below.len() - 1
                });
                node = &mut node.below[at].1;
            }
            node.column = Some(column);
        }
        Cells { shape, root, object: Vec::new() }
    }

    /// The JSON of each cell of a row, `None` where there is nothing.
    fn of<'c>(&'c mut self, row: &Row, cells: &mut Vec<Option<Cow<'c, str>>>) {
        self.object.clear();
        match self.shape {
            Shape::Raw => raw::write_columns(row, &mut self.object),
            Shape::Panther => panther::write_columns(row, &mut self.object),
            shape => shape.write(row, &mut self.object),
        }
        cells.clear();
        cells.resize(self.shape.fields().len(), None);
        let mut deserializer = serde_json::Deserializer::from_slice(&self.object);
        // What a shape writes is an object.
        let _ = Walk { node: &self.root, cells }.deserialize(&mut deserializer);
    }
}

/// The value of a cell as a text: of a string what it says, of everything else its JSON.
fn plain(json: &str) -> Cow<'_, str> {
    string(json).unwrap_or(Cow::Borrowed(json))
}

/// Goes through an object along the tree of columns.
struct Walk<'n, 'v, 'j> {
    node: &'n Node,
    cells: &'v mut Vec<Option<Cow<'j, str>>>,
}

impl<'j> DeserializeSeed<'j> for Walk<'_, '_, 'j> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'j> Visitor<'j> for Walk<'_, '_, 'j> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            match self.node.below.iter().find(|(name, _)| *name == key) {
                Some((_, Node { column: Some(column), .. })) => {
                    let value: &'j RawValue = map.next_value()?;
                    self.cells[*column] = Some(value.get()).filter(|json| *json != "null").map(Cow::Borrowed);
                }
                Some((_, node)) => map.next_value_seed(Walk { node, cells: &mut *self.cells })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
