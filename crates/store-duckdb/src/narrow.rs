//! Somebody's statement over the views, with only those of their columns that it names.
//!
//! The engine plans all columns of a view before it finds that most of them are not wanted: some ten milliseconds each time, which is
//! most of what a count takes. So where a statement names its columns, the views in it become queries over table `activity` with
//! these columns alone. The engine's own parser says what the statement names and where. In doubt a statement stays as it is, and
//! whoever runs a narrowed one that the engine refuses runs the statement as it was written, whose error is the one to show.

use std::collections::HashSet;

use duckdb::Connection;
use serde_json::Value;

use crate::schema;

/// Longer statements stay as they are.
const LONGEST: usize = 16 * 1024;

/// What the engine's parser tells of a statement.
#[derive(Default)]
struct Told {
    /// Every part of every column's name, in small letters.
    columns: HashSet<String>,
    /// Columns that are named by one word.
    words: HashSet<String>,
    /// Tables and what they are called, in small letters.
    tables: HashSet<String>,
    /// The views, in the order in which they were found.
    views: Vec<View>,
    is_doubtful: bool,
}

/// A view in a statement.
struct View {
    name: String,
    alias: String,
    start: usize,
    length: usize,
}

/// The statement with fewer columns; `None` if it stays as it is.
pub(crate) fn narrowed(connection: &Connection, text: &str) -> Option<String> {
    if text.len() > LONGEST || !schema::VIEWS.iter().any(|view| text.to_ascii_lowercase().contains(view)) {
        return None;
    }
    let tree: String = connection.query_row("SELECT json_serialize_sql(?)", [text], |row| row.get(0)).ok()?;
    let tree: Value = serde_json::from_str(&tree).ok()?;
    let [statement] = tree.get("statements")?.as_array()?.as_slice() else { return None };
    let mut told = Told::default();
    told.read(statement.get("node")?);
    // A table's name as a column means the whole row.
    if told.is_doubtful || told.words.iter().any(|word| told.tables.contains(word)) {
        return None;
    }
    told.views.sort_by_key(|view| view.start);
    let (mut narrowed, mut done) = (String::new(), 0);
    for view in &told.views {
        let end = view.start.checked_add(view.length)?;
        let spot = text.get(view.start..end)?.to_ascii_lowercase();
        let last = if view.alias.is_empty() { &view.name } else { &view.alias };
        let is_whole = spot.trim_matches('"').starts_with(&view.name)
            && spot.trim_end_matches('"').ends_with(&last.to_ascii_lowercase());
        if !is_whole || view.start < done {
            return None;
        }
        narrowed.push_str(text.get(done..view.start)?);
        let columns = schema::view_columns(&view.name)?;
        let wanted = columns.iter().filter(|(name, _)| told.columns.contains(&name.to_ascii_lowercase()));
        let mut wanted: Vec<String> = wanted.map(|(name, value)| format!("{value} AS \"{name}\"")).collect();
        if wanted.is_empty() {
            wanted.push("NULL".to_owned());
        }
        // A view without another name is called as it is written.
        let alias = if view.alias.is_empty() { text.get(view.start..end)?.trim_matches('"') } else { &view.alias };
        let alias = alias.replace('"', "\"\"");
        narrowed.push_str(&format!("(SELECT {} FROM activity) AS \"{alias}\"", wanted.join(", ")));
        done = end;
    }
    narrowed.push_str(text.get(done..)?);
    (!told.views.is_empty()).then_some(narrowed)
}

impl Told {
    fn read(&mut self, node: &Value) {
        match node {
            Value::Array(list) => list.iter().for_each(|one| self.read(one)),
            Value::Object(members) => {
                let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
                match text("type") {
                    // All columns, by whatever sign; and what is named where this does not look.
                    "STAR"
                    | "POSITIONAL_REFERENCE"
                    | "TABLE_FUNCTION"
                    | "PIVOT"
                    | "SHOW_REF"
                    | "RECURSIVE_CTE_NODE" => {
                        self.is_doubtful = true;
                    }
                    "COLUMN_REF" => self.column(members.get("column_names")),
                    "BASE_TABLE" => self.table(members),
                    _ => {}
                }
                self.is_doubtful |= text("class") == "STAR" || text("ref_type") == "NATURAL";
                if let Some(list) = members.get("using_columns").and_then(Value::as_array) {
                    self.columns.extend(list.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase));
                }
                if let Some(map) = members.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array) {
                    let own = map.iter().filter_map(|one| one.get("key")?.as_str()).map(str::to_ascii_lowercase);
                    self.is_doubtful |= own.into_iter().any(|name| schema::VIEWS.contains(&name.as_str()));
                }
                members.values().for_each(|one| self.read(one));
            }
            _ => {}
        }
    }

    fn column(&mut self, names: Option<&Value>) {
        let names = names.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
        if let [word] = names.as_slice() {
            self.words.insert(word.clone());
        }
        self.is_doubtful |= names.is_empty();
        self.columns.extend(names);
    }

    fn table(&mut self, members: &serde_json::Map<String, Value>) {
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, alias) = (text("table_name").to_ascii_lowercase(), text("alias").to_owned());
        self.tables.extend([name.clone(), alias.to_ascii_lowercase()]);
        if !schema::VIEWS.contains(&name.as_str()) {
            return;
        }
        let is_empty = |name: &str| members.get(name).and_then(Value::as_array).is_none_or(Vec::is_empty);
        let is_null = |name: &str| members.get(name).is_none_or(Value::is_null);
        let is_plain = text("schema_name").is_empty() && text("catalog_name").is_empty();
        let number = |name: &str| members.get(name).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        match (number("query_location"), number("query_location_length")) {
            (Some(start), Some(length))
                if is_plain && is_empty("column_name_alias") && is_null("sample") && is_null("at_clause") =>
            {
                self.views.push(View { name, alias, start, length });
            }
            _ => self.is_doubtful = true,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        narrowed(&Connection::open_in_memory().unwrap(), text)
    }

    #[test]
    fn only_the_named_columns_are_left() {
        assert_eq!(
            of("SELECT eventname, count(*) AS n FROM anthropic_logs GROUP BY 1 ORDER BY n DESC").unwrap(),
            "SELECT eventname, count(*) AS n FROM (SELECT event_name AS \"eventName\" FROM activity) AS \"anthropic_logs\" GROUP BY 1 ORDER BY n DESC"
        );
        let two = of(
            "WITH x AS (SELECT \"eventID\" FROM Anthropic_Logs AS a WHERE a.readOnly) SELECT count(*) FROM x, activities b WHERE b.eventID = x.\"eventID\"",
        );
        assert_eq!(
            two.unwrap(),
            "WITH x AS (SELECT \"eventID\" FROM (SELECT event_id AS \"eventID\", read_only AS \"readOnly\" FROM activity) AS \"a\" WHERE a.readOnly) \
             SELECT count(*) FROM x, (SELECT event_id AS \"eventID\", read_only AS \"readOnly\" FROM activity) AS \"b\" WHERE b.eventID = x.\"eventID\""
        );
        assert_eq!(
            of("select count(*) from anthropic_logs").unwrap(),
            "select count(*) from (SELECT NULL FROM activity) AS \"anthropic_logs\""
        );
    }

    #[test]
    fn what_may_mean_all_columns_stays() {
        for text in [
            "SELECT * FROM anthropic_logs",
            "FROM anthropic_logs",
            "SELECT a.* FROM anthropic_logs a",
            "SELECT COLUMNS('event.*') FROM anthropic_logs",
            "SELECT anthropic_logs FROM anthropic_logs",
            "SELECT to_json(a) FROM anthropic_logs a",
            "SELECT x FROM anthropic_logs t(x)",
            "SELECT #1 FROM anthropic_logs",
            "SELECT eventName FROM main.anthropic_logs",
            "SELECT eventName FROM anthropic_logs NATURAL JOIN drift",
            "WITH anthropic_logs AS (SELECT 1 AS eventName) SELECT eventName FROM anthropic_logs",
            "SELECT eventName FROM anthropic_logs TABLESAMPLE 1%",
            "SELECT eventName FROM anthropic_logs, query('SELECT 1')",
            "EXPLAIN SELECT eventName FROM anthropic_logs",
            "DESCRIBE anthropic_logs",
            "SUMMARIZE anthropic_logs",
            "PIVOT anthropic_logs ON outcome USING count(eventName)",
            "SELECT event_name FROM drift",
            "SELECT eventName FROM",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
