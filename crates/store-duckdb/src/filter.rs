//! Filters as SQL conditions over table `activity`, to the letter of [`auditlake_store::filter::evaluate`].
//!
//! What stands in a column is tested there ([`column`]): texts by plain SQL where SQL means just the same, and by
//! `auditlake_passes` otherwise, which the engine runs once for each entry of a column's dictionary. Words and paths into
//! the raw log go to `auditlake_raw_passes`, all that stand side by side in one call, so that a row's raw log is put
//! together and parsed at most once. Both functions ([`function`]) are the reference evaluator itself. They live in the
//! open database and not in its file.
//!
//! Conditions may be NULL where they are not true. Values are bound, never written into the text.

mod column;
mod function;
mod names;
mod row;
#[cfg(test)]
mod tests;
mod wire;

use auditlake_store::filter::{Field, Filter, Known, Test};
use duckdb::types::Value;

pub(crate) use column::{ACTOR_OTHERS, other_member};
pub(crate) use function::register;
pub(crate) use names::{Among, Condition, by_columns};
pub(crate) use row::Stored;

/// How deep a tree may be to be sent to the row function as a whole.
const MAX_DEPTH: usize = 32;

/// The condition of a filter; its values are added in their order.
pub(crate) fn compile(filter: &Filter, values: &mut Vec<Value>) -> String {
    if is_raw(filter, MAX_DEPTH) {
        return raw_passes(filter, values);
    }
    match filter {
        Filter::All => "true".to_owned(),
        Filter::And(list) => joined(list, " AND ", "true", Filter::And, values),
        Filter::Or(list) => joined(list, " OR ", "false", Filter::Or, values),
        Filter::Not(inner) => format!("NOT coalesce({}, false)", compile(inner, values)),
        Filter::Word(_) => raw_passes(filter, values),
        Filter::Test { field: Field::Known(known), test } => column::known(*known, test, values),
        Filter::Test { field: Field::Tag(name), test } => column::tag(name, test, values),
        Filter::Test { field: Field::Raw(path), test } => match column::of_path(path) {
            Some(column) => column::raw_text(column, test, values),
            None => raw_passes(filter, values),
        },
    }
}

/// The column that holds what stands at this path of the raw log.
pub(crate) fn column_of_path(path: &[String]) -> Option<&'static str> {
    column::of_path(path)
}

/// Whether finding its rows takes longer than counting them: where texts are put together, or looked at by several columns.
pub(crate) fn is_slow(filter: &Filter) -> bool {
    match filter {
        Filter::All => false,
        Filter::And(list) | Filter::Or(list) => list.iter().any(is_slow),
        Filter::Not(inner) => is_slow(inner),
        Filter::Word(_) => true,
        Filter::Test { field: Field::Known(Known::Id), test: Test::Equals(_) } => false,
        Filter::Test { field: Field::Known(known), .. } => matches!(
            known,
            Known::Actor
                | Known::ActorId
                | Known::Target
                | Known::Resource
                | Known::RawLog
                | Known::Enrichments
                | Known::Identity
                | Known::Id
                | Known::RecordId
        ),
        Filter::Test { field: Field::Tag(_), .. } => false,
        Filter::Test { field: Field::Raw(path), .. } => column::of_path(path).is_none(),
    }
}

/// The members with a column first, as they are the cheap ones, then all others in one call.
fn joined(
    list: &[Filter],
    by: &str,
    none: &str,
    list_of: fn(Vec<Filter>) -> Filter,
    values: &mut Vec<Value>,
) -> String {
    let (raw, plain): (Vec<&Filter>, Vec<&Filter>) = list.iter().partition(|filter| is_raw(filter, MAX_DEPTH - 1));
    let mut parts: Vec<String> = plain.into_iter().map(|filter| compile(filter, values)).collect();
    match raw.as_slice() {
        [] => {}
        [one] => parts.push(raw_passes(one, values)),
        many => parts.push(raw_passes(&list_of(many.iter().copied().cloned().collect()), values)),
    }
    match parts.is_empty() {
        true => none.to_owned(),
        false => format!("({})", parts.join(by)),
    }
}

/// Whether all of the filter asks for what stands in no column, in a tree that is not deeper than `depth`.
fn is_raw(filter: &Filter, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match filter {
        Filter::All => false,
        Filter::And(list) | Filter::Or(list) => !list.is_empty() && list.iter().all(|filter| is_raw(filter, depth)),
        Filter::Not(inner) => is_raw(inner, depth),
        Filter::Word(_) => true,
        Filter::Test { field: Field::Raw(path), .. } => column::of_path(path).is_none(),
        Filter::Test { field: Field::Known(Known::RawLog), .. } => true,
        // Nobody can write such a test, but it has a meaning.
        Filter::Test { field: Field::Known(Known::Time), test } => {
            matches!(test, Test::Pattern(_) | Test::InNetwork(_))
        }
        Filter::Test { .. } => false,
    }
}

/// Whether some part of the filter has to look into the raw log.
pub(crate) fn opens_raw(filter: &Filter) -> bool {
    match filter {
        Filter::And(list) | Filter::Or(list) => list.iter().any(opens_raw),
        Filter::Not(inner) => opens_raw(inner),
        one => is_raw(one, MAX_DEPTH),
    }
}

/// The call that puts the row's raw log together and asks it.
fn raw_passes(filter: &Filter, values: &mut Vec<Value>) -> String {
    let mut look = String::new();
    if let Filter::Test { field: Field::Raw(path), .. } = filter
        && let Some(key) = path.last().filter(|key| row::is_plain_key(key))
    {
        // The engine looks at this column alone and reads the others only where it says yes.
        values.push(Value::Text(format!("{key}\"")));
        look = r"(contains(raw_rest, ?) OR contains(raw_rest, '\u')) AND ".to_owned();
    }
    values.push(Value::Text(wire::encode(filter)));
    format!("({look}{}(?, raw_rest, event_id, event_time, resource_ids))", function::RAW_PASSES)
}
