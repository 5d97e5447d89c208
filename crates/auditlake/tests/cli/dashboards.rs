//! Every number on every dashboard equals what SQL says on the same data.
//!
//! The filters of the panels are read here by other means than the program's: as text, turned into conditions over the
//! documented columns of view `activities`.

use serde_json::Value;

use crate::{http, place::Place};

const BOARDS: [&str; 14] = [
    "overview",
    "admin-sso-streams",
    "recent",
    "sso",
    "keys",
    "compliance-api",
    "identity",
    "data",
    "projects",
    "connectors",
    "claude-code",
    "settings",
    "billing",
    "clients",
];

/// The column of view `activities` that a name in a panel stands for.
fn column(name: &str) -> String {
    let column = match name {
        "type" => "eventName",
        "read_only" => "readOnly",
        "ip" => "srcIP",
        "email" => "actorEmail",
        "actor" => "actorLabel",
        "actor_type" => "actorType",
        "api_key" => "actorAPIKeyID",
        "admin_api_key" => "actorAdminAPIKeyID",
        "key" => "coalesce(actorAPIKeyID, actorAdminAPIKeyID)",
        "user_agent" => "actorUserAgent",
        "country" => "srcASCountryCode",
        "product" => "serviceName",
        "category" | "outcome" | "client" | "os" | "target" => name,
        _ => {
            let path = name.strip_prefix("raw.").unwrap_or_else(|| panic!("no column for {name}"));
            return format!("json_extract_string(rawLog, '$.{path}')");
        }
    };
    column.to_owned()
}

/// A filter as a condition: terms side by side, a list of values in parentheses, `-` before what must not be.
fn condition(filter: &str) -> String {
    let mut parts = vec!["true".to_owned()];
    let mut rest = filter.trim();
    while !rest.is_empty() {
        let (is_negated, term) = rest.strip_prefix('-').map_or((false, rest), |term| (true, term));
        let (name, value) = term.split_once(':').unwrap_or_else(|| panic!("no term: {rest}"));
        let (values, after) = match value.strip_prefix('(') {
            Some(list) => list.split_once(')').unwrap(),
            None => value.split_once(' ').unwrap_or((value, "")),
        };
        let tests: Vec<String> = values.split(" OR ").map(|value| test(&column(name), value)).collect();
        let any = format!("coalesce({}, false)", tests.join(" or "));
        parts.push(if is_negated { format!("not {any}") } else { any });
        rest = after.trim();
    }
    parts.join(" and ")
}

fn test(column: &str, value: &str) -> String {
    match value.replace('_', "\\_").replace('*', "%") {
        // A text that is empty is no text.
        pattern if pattern == "%" => format!("nullif(cast({column} as varchar), '') is not null"),
        pattern if pattern.contains('%') => format!("{column} like '{pattern}' escape '\\'"),
        _ => format!("cast({column} as varchar) = '{value}'"),
    }
}

/// What the panel has to say, as one value.
fn question(panel: &Value, inside: &str) -> String {
    let text = |name: &str| panel[name].as_str().unwrap_or_default();
    let rows = format!("from activities where {inside} and {}", condition(text("filter")));
    let by = |name: &str| column(text(name));
    match text("kind") {
        "number" => format!("(select count(*) {rows})"),
        "distinct" => format!("(select count(distinct {}) {rows})", by("by")),
        "time" => format!("(select {{'sum': count(*)}} {rows})"),
        "list" => format!(
            "(select coalesce(list(eventID order by eventTime desc, eventID desc), []) from (select eventID, eventTime {rows} \
             order by eventTime desc, eventID desc limit 12))"
        ),
        "top" => format!(
            "(select coalesce(list([value, cast(n as varchar)] order by n desc, value), []) from (select cast({} as varchar) as value, \
             count(*) as n {rows} group by 1 having value <> '' order by n desc, value limit 8))",
            by("by")
        ),
        other => panic!("a panel of kind {other}"),
    }
}

/// The answer of a panel in the form that [`question`] gives it.
fn told(panel: &Value) -> Value {
    match (panel["kind"].as_str(), panel["answer"].as_array()) {
        (Some("top"), Some(bars)) => {
            bars.iter().map(|bar| serde_json::json!([bar[0], bar[1].as_u64().unwrap().to_string()])).collect()
        }
        _ => panel["answer"].clone(),
    }
}

#[test]
fn every_number_is_what_sql_says() {
    let place = Place::new();
    let words = ["demo", "--people", "30", "--days", "10", "--seed", "3", "--port", "0", "--no-open"];
    let mut demo = place.program(&words).start();
    let base = demo.line(|line| line.starts_with("http://"));
    demo.says("the past is here");
    // What happens from now on is left out: nothing comes before this moment any more.
    let newest = place.rows("select max(eventTime) - interval 3 hour as at from activities").remove(0);
    let until = newest["at"].as_str().unwrap().to_owned();
    let inside = format!("eventTime < timestamp '{}'", until.trim_end_matches('Z').replace('T', " "));
    let (mut panels, mut filled) = (0, 0);
    for board in BOARDS {
        let (status, body) = http::get(&format!("{base}/dashboards/{board}/numbers?since=2001-01-01&until={until}"));
        assert_eq!(status, 200, "{board}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let list = answer["panels"].as_array().unwrap();
        let columns: Vec<String> =
            list.iter().enumerate().map(|(at, panel)| format!("{} as p{at}", question(panel, &inside))).collect();
        let row = place.rows(&format!("select {}", columns.join(", "))).remove(0);
        for (at, panel) in list.iter().enumerate() {
            let told = told(panel);
            assert_eq!(told, row[format!("p{at}")], "{board}: {}: {}", panel["title"], panel["filter"]);
            panels += 1;
            filled += usize::from(!matches!(told.to_string().as_str(), "0" | "[]" | "{\"sum\":0}"));
        }
    }
    assert!(panels >= 140, "no panel is left out: {panels}");
    assert!(filled > panels / 2, "they say something: {filled} of {panels}");
}
