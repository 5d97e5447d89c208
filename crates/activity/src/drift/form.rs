//! The catalogue's shapes, compiled for looking up: what a value may be, and what is new in it.

use super::{Kind, Table, bounded};
use crate::{
    catalog::{Field, Shape},
    value::{Fields, Value},
};

/// A table by names of the catalogue.
pub(super) type Hashed<V> = Table<V>;

/// Where something stands, as a chain on the stack: made into a text only when there is something to tell.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Top,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>),
}

impl Path<'_> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        bounded(&text)
    }

    fn write(&self, out: &mut String) {
        // What is cut off later need not be written.
        match self {
            Path::Top => {}
            Path::Member(above, name) => {
                above.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.extend(name.chars().take(super::MAX_TEXT + 1));
            }
            Path::Item(above) => {
                above.write(out);
                out.push_str("[]");
            }
        }
    }
}

/// Who is told.
pub(super) type Note<'n> = dyn FnMut(Kind, &Path, &str) + 'n;

/// What a value may be. `null` may stand anywhere.
#[derive(Clone)]
pub(super) enum Form {
    Any,
    Text,
    Boolean,
    Number,
    Enum(Hashed<()>),
    List(Box<Form>),
    Object(Hashed<Form>),
}

impl Form {
    /// An object with these fields. One that stands twice may be either.
    pub(super) fn of_fields(fields: &'static [Field]) -> Form {
        let mut known = Hashed::default();
        for field in fields {
            add(&mut known, &field.name, Form::of(&field.shape));
        }
        Form::Object(known)
    }

    fn of(shape: &'static Shape) -> Form {
        match shape {
            Shape::String => Form::Text,
            Shape::Boolean => Form::Boolean,
            Shape::Number => Form::Number,
            Shape::Enum { values } => Form::Enum(values.iter().map(|value| (value.as_str(), ())).collect()),
            Shape::Array { items } => Form::List(Box::new(Form::of(items))),
            // A free map: its keys are data.
            Shape::Object { fields, .. } if fields.is_empty() => Form::Any,
            Shape::Object { fields, .. } => Form::of_fields(fields),
            Shape::Union { variants } => {
                let all = variants.iter().map(|variant| Form::of_fields(&variant.fields));
                all.reduce(Form::or).unwrap_or(Form::Any)
            }
        }
    }

    /// Either of both; where they cannot be told apart by form, anything.
    fn or(self, other: Form) -> Form {
        match (self, other) {
            (Form::Text, Form::Text) => Form::Text,
            (Form::Boolean, Form::Boolean) => Form::Boolean,
            (Form::Number, Form::Number) => Form::Number,
            (Form::Enum(mut one), Form::Enum(other)) => {
                one.extend(other);
                Form::Enum(one)
            }
            (Form::List(one), Form::List(other)) => Form::List(Box::new(one.or(*other))),
            (Form::Object(mut one), Form::Object(other)) => {
                for (name, form) in other {
                    add(&mut one, name, form);
                }
                Form::Object(one)
            }
            _ => Form::Any,
        }
    }

    /// Tells what is new in the members of an object of this form.
    pub(super) fn each_in(&self, fields: &Fields, path: &Path, note: &mut Note) {
        let Form::Object(known) = self else { return };
        for (name, value) in fields {
            let path = Path::Member(path, name);
            match known.get(name.as_ref()) {
                None => note(Kind::Field, &path, ""),
                Some(form) => form.each(value, &path, note),
            }
        }
    }

    fn each(&self, value: &Value, path: &Path, note: &mut Note) {
        match (self, value) {
            (Form::Any, _) | (_, Value::Null) => {}
            (Form::Text, Value::String(_)) | (Form::Boolean, Value::Bool(_)) => {}
            (Form::Number, Value::Integer(_) | Value::Unsigned(_) | Value::Float(_)) => {}
            (Form::Enum(values), Value::String(text)) => {
                if !values.contains_key(text.as_ref()) {
                    note(Kind::Value, path, text);
                }
            }
            (Form::List(items), Value::Array(list)) => {
                for item in list {
                    items.each(item, &Path::Item(path), note);
                }
            }
            (Form::Object(_), Value::Object(fields)) => self.each_in(fields, path, note),
            (_, other) => note(Kind::Form, path, other.kind()),
        }
    }
}

fn add(known: &mut Hashed<Form>, name: &'static str, form: Form) {
    let form = match known.remove(name) {
        Some(before) => before.or(form),
        None => form,
    };
    known.insert(name, form);
}
