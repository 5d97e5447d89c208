//! Filters as SQL conditions over table `activity`.

use auditlake_store::filter::Filter;
use duckdb::types::Value;

/// The condition of a filter; its values are added in their order.
pub(crate) fn compile(filter: &Filter, values: &mut Vec<Value>) -> String {
    match filter {
        Filter::All => "true".to_owned(),
        Filter::Word(word) => {
            values.push(Value::Text(word.to_lowercase()));
            format!("contains(lower({}), ?)", crate::schema::raw_log())
        }
        Filter::And(list) => joined(list, " AND ", values),
        Filter::Or(list) => joined(list, " OR ", values),
        Filter::Not(inner) => format!("NOT coalesce({}, false)", compile(inner, values)),
        Filter::Test { .. } => "true".to_owned(),
    }
}

fn joined(list: &[Filter], by: &str, values: &mut Vec<Value>) -> String {
    let parts: Vec<String> = list.iter().map(|filter| compile(filter, values)).collect();
    format!("({})", parts.join(by))
}
