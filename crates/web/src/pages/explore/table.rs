//! The table of activities: its columns, which the address chooses, and its rows.

use activity::catalog;
use serde_json::{Map, Value};

use super::{
    super::{
        dimension::Dimension,
        line::{category_title, is_load},
        text,
    },
    Asked,
};
use crate::text::Moment as _;

/// A column that can be chosen.
pub struct Column {
    /// The name in the address.
    pub name: &'static str,
    pub title: &'static str,
    /// The name in the store's answer.
    key: &'static str,
    is_default: bool,
}

const fn column(name: &'static str, title: &'static str, key: &'static str, is_default: bool) -> Column {
    Column { name, title, key, is_default }
}

/// Every one, in the order of the table.
pub const COLUMNS: [Column; 13] = [
    column("time", "Time", "eventTime", true),
    column("type", "Type", "eventName", true),
    column("category", "Category", "category", true),
    column("outcome", "Outcome", "outcome", true),
    column("actor", "Actor", "actor", true),
    column("ip", "Address", "srcIP", true),
    column("target", "Target", "target", true),
    column("product", "Product", "serviceName", false),
    column("actor_type", "Kind of actor", "actorType", false),
    column("org", "Organisation", "organizationID", false),
    column("source", "Source", "sourceID", false),
    column("seq", "Commit", "seq", false),
    column("id", "Id", "eventID", false),
];

/// What the table shows.
pub struct Table {
    pub columns: Vec<&'static Column>,
    pub rows: Vec<Row>,
    pub choices: Vec<Choice>,
    /// Whether nobody has chosen columns.
    pub is_usual: bool,
}

/// A column, and the address of the page with it or without it.
pub struct Choice {
    pub title: &'static str,
    pub is_shown: bool,
    pub url: String,
}

/// An activity.
pub struct Row {
    pub id: String,
    pub summary: String,
    /// Whether an app loaded something by itself.
    pub is_load: bool,
    /// Whether it is open beside the table.
    pub is_open: bool,
    /// The page with this activity open, and the activity's own page.
    pub url: String,
    pub panel: String,
    pub cells: Vec<Cell>,
}

/// What stands in a column.
pub struct Cell {
    pub name: &'static str,
    pub text: String,
    /// For `<time>`.
    pub exact: Option<String>,
}

/// The columns that the address names, or the usual ones.
pub fn chosen(asked: &Asked) -> Vec<&'static Column> {
    let named = |text: &str| {
        let has = |column: &&Column| text.split(',').any(|name| name == column.name);
        COLUMNS.iter().filter(has).collect::<Vec<_>>()
    };
    let list = asked.params.get("cols").map(named).unwrap_or_default();
    if list.is_empty() { COLUMNS.iter().filter(|column| column.is_default).collect() } else { list }
}

impl Table {
    pub fn new(asked: &Asked, rows: &[Map<String, Value>]) -> Table {
        let columns = chosen(asked);
        let rows = rows.iter().map(|row| Row::new(asked, &columns, row)).collect();
        let choice = |column: &'static Column| {
            let is_shown = columns.iter().any(|shown| shown.name == column.name);
            let keep = |other: &&Column| match other.name == column.name {
                true => !is_shown,
                false => columns.iter().any(|shown| shown.name == other.name),
            };
            let names: Vec<&str> = COLUMNS.iter().filter(keep).map(|column| column.name).collect();
            let url = asked.params.with("cols", Some(&names.join(","))).url("/explore");
            Choice { title: column.title, is_shown, url }
        };
        let choices = COLUMNS.iter().map(choice).collect();
        let is_usual = columns.iter().all(|column| column.is_default);
        Table { columns, rows, choices, is_usual }
    }

    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }
}

impl Column {
    /// Its value in a row of the store's answer, as text.
    pub fn value(&self, row: &Map<String, Value>) -> Option<String> {
        match row.get(self.key)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            other => Some(other.to_string()),
        }
    }
}

impl Row {
    fn new(asked: &Asked, columns: &[&'static Column], row: &Map<String, Value>) -> Row {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, kind) = (text("eventID"), text("eventName"));
        let guess = || text::plain(&activity::classify::guess_summary(&kind), 300);
        Row {
            is_load: is_load(&kind),
            is_open: asked.params.get("open") == Some(&id),
            summary: catalog::get(&kind).map_or_else(guess, |info| info.summary.clone()),
            url: asked.opened(&id),
            panel: format!("/activity/{}/panel", crate::scope::encode(&id)),
            cells: columns.iter().map(|column| Cell::new(column, row)).collect(),
            id,
        }
    }

    /// The id, for a program to tell rows apart.
    pub fn key(&self) -> String {
        text::plain(&self.id, 200)
    }
}

impl Cell {
    fn new(column: &'static Column, row: &Map<String, Value>) -> Cell {
        let mut value = column.value(row).unwrap_or_default();
        let mut exact = None;
        if column.name == "time"
            && let Ok(time) = value.parse::<jiff::Timestamp>()
        {
            exact = Some(time.utc("%A %-d %B %Y, %H:%M:%S%.6f UTC"));
            value = time.utc("%-d %b %H:%M:%S");
        }
        if column.name == "category" {
            value = category_title(&value).to_owned();
        }
        Cell { name: column.name, text: value, exact }
    }

    pub fn outcome_class(&self) -> &'static str {
        match self.text.as_str() {
            "success" => "success",
            "failure" => "failure",
            "attempt" => "attempt",
            _ => "unknown",
        }
    }

    pub fn is_code(&self) -> bool {
        matches!(self.name, "id" | "seq") || Dimension::of(self.name).is_some_and(|dimension| dimension.is_code)
    }
}
