//! People, keys, addresses and things by their names, column by column.
//!
//! The engine applies a condition about one column while it scans, and looks at each entry of a dictionary once. Where several columns
//! stand in one condition it reads all of them, row by row, which takes ten times as long.

use std::collections::BTreeMap;

use auditlake_store::filter::{Field, Filter, Known, Test};
use duckdb::types::Value;

use super::{
    column::{ACTOR_OTHERS, other_member},
    compile,
};
use crate::shelves::key;

/// A condition about one column, or about rows that such a one has found.
pub(crate) struct Condition {
    pub(crate) test: String,
    /// What is bound to its marks.
    pub(crate) values: Vec<Value>,
    /// Where the rows that pass stand.
    pub(crate) among: Among,
}

/// How the shelves know where rows stand ([`crate::shelves`]).
pub(crate) enum Among {
    /// Rows that pass have one of these names, which are tested so quickly that to pass over a few shelves between others is not
    /// worth a statement of its own.
    Keys(Vec<String>),
    /// One of the actor's members without a column is one of these.
    Others(Vec<String>),
    /// Rows that pass name this thing; whether all of those do.
    Thing(String, bool),
}

/// Conditions of which each finds some of a filter's rows, and all together all of them; `None` unless the filter is a name, or a choice
/// of names.
pub(crate) fn by_columns(filter: &Filter) -> Option<Vec<Condition>> {
    let members = match filter {
        Filter::Or(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut columns: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut actors, mut more) = (Vec::new(), Vec::new());
    let is_there = |known, name: &str| {
        let equals = |test: &Test| matches!(test, Test::Equals(other) if other.eq_ignore_ascii_case(name));
        members
            .iter()
            .any(|one| matches!(one, Filter::Test { field: Field::Known(own), test } if *own == known && equals(test)))
    };
    for member in members {
        let Filter::Test { field: Field::Known(known), test: Test::Equals(name) } = member else { return None };
        // Of others, there is more than one way to write them small; and control characters have a meaning in column `target`.
        if name.is_empty() || !name.is_ascii() || name.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let mut compiled = |filter: &Filter, do_all: bool| {
            let mut values = Vec::new();
            let test = compile(filter, &mut values);
            more.push(Condition { test, values, among: Among::Thing(name.clone(), do_all) });
        };
        match known {
            Known::Resource => {
                compiled(member, true);
                continue;
            }
            // Most targets are resources of the same activity, which the column points to. Others stand there themselves.
            Known::Target if !is_there(Known::Resource, name) => {
                let resource = Filter::test(Known::Resource, Test::Equals(name.clone()));
                compiled(&Filter::and([resource, member.clone()]), false);
            }
            _ => {}
        }
        let name = name.to_ascii_lowercase();
        for column in columns_of(*known)? {
            columns.entry(column).or_default().push(name.clone());
        }
        if *known == Known::Actor {
            actors.push(name);
        }
    }
    let plain = columns.into_iter().map(|(column, names)| among(column, names));
    let conditions: Vec<Condition> = plain.chain(other_members(actors)).chain(more).collect();
    (!conditions.is_empty()).then_some(conditions)
}

fn columns_of(known: Known) -> Option<&'static [&'static str]> {
    Some(match known {
        Known::Actor => &["actor_email", "actor_user_id", "actor_admin_api_key_id", "actor_api_key_id"],
        Known::Email => &["actor_email"],
        Known::User => &["actor_user_id"],
        Known::Key => &["actor_api_key_id", "actor_admin_api_key_id"],
        Known::ApiKey => &["actor_api_key_id"],
        Known::AdminApiKey => &["actor_admin_api_key_id"],
        Known::Ip => &["actor_ip"],
        Known::Target => &["target"],
        _ => return None,
    })
}

fn among(column: &str, names: Vec<String>) -> Condition {
    let mut values = Vec::new();
    let test = is_any(column, &names, &mut values);
    let keys = names.iter().map(|name| key(column, name)).collect();
    Condition { test, values, among: Among::Keys(keys) }
}

/// Whether a text is one of these, however it is written. `lower` also makes ASCII letters of two others; those have more bytes.
fn is_any(column: &str, names: &[String], values: &mut Vec<Value>) -> String {
    if let [name] = names {
        values.push(Value::Text(name.clone()));
        return format!("(lower({column}) = ? AND strlen({column}) = {})", name.len());
    }
    values.extend(names.iter().map(|name| Value::Text(format!("{name}\u{1f}{}", name.len()))));
    format!(
        "list_contains([{}], concat(lower({column}), chr(31), strlen({column})))",
        vec!["?"; names.len()].join(", ")
    )
}

/// Whether the actor has one of these names in a member without a column.
fn other_members(names: Vec<String>) -> Option<Condition> {
    if names.is_empty() {
        return None;
    }
    let mut values = Vec::new();
    let any: Vec<String> = ACTOR_OTHERS.iter().map(|name| is_any(&other_member(name), &names, &mut values)).collect();
    let test = format!("actor_other IS NOT NULL AND ({})", any.join(" OR "));
    Some(Condition { test, values, among: Among::Others(names) })
}
