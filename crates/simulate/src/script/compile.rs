//! Turns what a step says, and what the catalogue demands, into the program that writes the activity's own fields.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use activity::catalog::{Field, Shape};

use super::{
    Step,
    value::{Op, Value, atom},
};
use crate::hash::{mix, named};

/// What a step says of a field.
pub(super) enum Given {
    Is(Value),
    /// The field stays away.
    Left,
}

/// The program for all of a step's fields. `seen` are the ids that the story has named so far.
pub(super) fn fields(step: &Step, given: Vec<(&str, Given)>, seen: &mut HashSet<String>) -> Result<Vec<Op>, String> {
    let info = activity::catalog::get(step.name).ok_or("no such type")?;
    let mut given: HashMap<&str, Given> = given.into_iter().collect();
    let turn = given.values().any(|given| matches!(given, Given::Is(Value::Atom(atom)) if atom.ends_with('#')));
    let mut writer = Writer { step: step.name, turn, ops: Vec::new(), text: Vec::new() };
    // What is said or required may make ids that the optional fields then repeat.
    for field in &info.fields {
        match given.get(field.name.as_str()) {
            Some(Given::Is(value)) => note(value, seen),
            None if field.required => default(step.name, field).iter().for_each(|value| note(value, seen)),
            _ => {}
        }
    }
    for field in &info.fields {
        match given.remove(field.name.as_str()) {
            Some(Given::Is(value)) if !fits(&value, &field.shape) => {
                return Err(format!("{}: {value:?} is no {}", step.name, field.name));
            }
            Some(Given::Is(value)) => writer.field(field, Some(&value))?,
            Some(Given::Left) => {}
            None => {
                let value = default(step.name, field);
                if field.required || value.as_ref().is_some_and(|value| known(value, seen)) {
                    writer.field(field, value.as_ref())?;
                } else if field.nullable && mix(named(step.name), named(&field.name)) & 1 == 0 {
                    writer.field(field, Some(&Value::Json(serde_json::Value::Null)))?;
                }
            }
        }
    }
    match given.keys().next() {
        Some(name) => Err(format!("{} has no field {name}", step.name)),
        None => Ok(writer.end()),
    }
}

fn note(value: &Value, seen: &mut HashSet<String>) {
    let mut vars = Vec::new();
    value.vars(&mut vars);
    seen.extend(vars);
}

/// Whether all ids that a value names were named before: an optional field never makes an id up.
fn known(value: &Value, seen: &HashSet<String>) -> bool {
    let mut vars = Vec::new();
    value.vars(&mut vars);
    vars.iter().all(|var| seen.contains(var))
}

static DEFAULTS: LazyLock<HashMap<&str, Value>> = LazyLock::new(|| {
    include_str!("../../data/fields.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .filter_map(|(name, value)| Some((name, Value::read(value.trim()).ok()?.0)))
        .collect()
});

fn default(step: &str, field: &Field) -> Option<Value> {
    let own = format!("{step}.{}", field.name);
    let value = DEFAULTS.get(own.as_str()).or_else(|| DEFAULTS.get(field.name.as_str()));
    // A name may stand for an enumeration in one type and for free text in another.
    value.filter(|value| fits(value, &field.shape)).cloned()
}

/// Whether all that a value can be is in the field's enumeration, if it has one.
fn fits(value: &Value, shape: &Shape) -> bool {
    let Shape::Enum { values } = shape else { return true };
    let text = match value {
        Value::Atom(atom) => atom.as_str(),
        Value::Json(serde_json::Value::String(text)) => text.trim_start_matches("{{").trim_end_matches("}}"),
        Value::Json(json) => return json.is_null(),
    };
    let words = text.strip_prefix("%one(").or_else(|| text.strip_prefix("%fixed(")).unwrap_or(text);
    words.trim_end_matches(')').split('|').all(|word| values.iter().any(|value| value == word))
}

/// The prefix of the ids in fields of this name.
fn prefix(name: &str) -> Option<String> {
    let Some(Value::Atom(atom)) = DEFAULTS.get(name) else { return None };
    match atom.split_once(':') {
        Some((_, prefix)) => Some(prefix.to_owned()),
        None => atom.strip_prefix('^').map(str::to_owned),
    }
}

struct Writer<'a> {
    step: &'a str,
    turn: bool,
    ops: Vec<Op>,
    text: Vec<u8>,
}

impl Writer<'_> {
    fn field(&mut self, field: &Field, value: Option<&Value>) -> Result<(), String> {
        self.text.push(b',');
        self.text.extend_from_slice(serde_json::Value::from(field.name.as_str()).to_string().as_bytes());
        self.text.push(b':');
        let salt = named(&field.name);
        match value {
            Some(Value::Atom(text)) => self.atom(text, prefix(&field.name).as_deref(), salt),
            Some(Value::Json(json)) => self.json(json, prefix(&field.name).as_deref(), salt),
            None => self.shape(field, salt),
        }
    }

    fn atom(&mut self, text: &str, prefix: Option<&str>, salt: u64) -> Result<(), String> {
        let (op, quoted) = atom(text, prefix, salt, self.turn).map_err(|error| format!("{}: {error}", self.step))?;
        if quoted {
            self.text.push(b'"');
        }
        self.op(op);
        if quoted {
            self.text.push(b'"');
        }
        Ok(())
    }

    fn op(&mut self, op: Op) {
        if !self.text.is_empty() {
            self.ops.push(Op::Text(std::mem::take(&mut self.text).into()));
        }
        self.ops.push(op);
    }

    fn json(&mut self, json: &serde_json::Value, prefix: Option<&str>, salt: u64) -> Result<(), String> {
        match json {
            serde_json::Value::String(text) => self.string(text, prefix, salt)?,
            serde_json::Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.text.push(if at == 0 { b'[' } else { b',' });
                    self.json(item, prefix, mix(salt, at as u64))?;
                }
                self.text.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
            }
            serde_json::Value::Object(fields) => {
                for (at, (name, item)) in fields.iter().enumerate() {
                    self.text.push(if at == 0 { b'{' } else { b',' });
                    self.text.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
                    self.text.push(b':');
                    self.json(item, self::prefix(name).as_deref(), mix(salt, named(name)))?;
                }
                self.text.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
            }
            plain => self.text.extend_from_slice(plain.to_string().as_bytes()),
        }
        Ok(())
    }

    /// A string with atoms in double braces; `"={{…}}"` is the atom alone, as a number.
    fn string(&mut self, text: &str, prefix: Option<&str>, salt: u64) -> Result<(), String> {
        if let Some(alone) = text.strip_prefix("={{").and_then(|rest| rest.strip_suffix("}}")) {
            return self.atom(alone, prefix, salt);
        }
        self.text.push(b'"');
        for (at, part) in text.split("{{").enumerate() {
            let plain = match part.split_once("}}") {
                Some((inner, plain)) if at > 0 => {
                    let (op, _) = atom(inner, prefix, mix(salt, at as u64), self.turn)
                        .map_err(|error| format!("{}: {error}", self.step))?;
                    self.op(op);
                    plain
                }
                _ => part,
            };
            let quoted = serde_json::Value::from(plain).to_string();
            self.text.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        }
        self.text.push(b'"');
        Ok(())
    }

    /// A value from nothing but the catalogue's shape.
    fn shape(&mut self, field: &Field, salt: u64) -> Result<(), String> {
        match &field.shape {
            Shape::Boolean => self.text.extend_from_slice(b"false"),
            Shape::Number => self.op(Op::Int { low: 1, high: 9, salt }),
            Shape::Enum { values } => {
                let known: Vec<&str> =
                    values.iter().map(String::as_str).filter(|value| *value != "unspecified").collect();
                if let [only] = known[..] {
                    return self.json(&only.into(), None, salt);
                }
                self.atom(&format!("%one({})", known.join("|")), None, salt)?;
            }
            Shape::String | Shape::Array { .. } | Shape::Object { .. } | Shape::Union { .. } => {
                return Err(format!("{}: nothing is said of {}", self.step, field.name));
            }
        }
        Ok(())
    }

    fn end(mut self) -> Vec<Op> {
        if !self.text.is_empty() {
            self.ops.push(Op::Text(self.text.into()));
        }
        self.ops
    }
}
