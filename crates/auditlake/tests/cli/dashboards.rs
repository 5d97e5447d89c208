//! Every number on every dashboard, on the Overview and on pages about one thing equals what SQL says on the same data: in all,
//! of one organization, and in a stretch up to now.
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
        "city" => "srcCity",
        "network" => "srcASOrganization",
        "org" => "organizationID",
        "source" => "sourceID",
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
fn question(panel: &Value, inside: &str, width: u64) -> String {
    let text = |name: &str| panel[name].as_str().unwrap_or_default();
    let mut rows = format!("from activities where {inside} and {}", condition(text("filter")));
    let mut by = String::new();
    if text("by") == "resource" {
        // Each id once, even where an activity names it in two places.
        rows = format!("from (select distinct eventID, unnest(resources) as resource {rows})");
        by.push_str("resource");
    } else if !text("by").is_empty() {
        by = column(text("by"));
    }
    match text("kind") {
        "number" => format!("(select count(*) {rows})"),
        "distinct" => format!("(select count(distinct {by}) {rows})"),
        "time" => format!(
            "(select {{'sum': cast(coalesce(sum(n), 0) as bigint), 'bars': coalesce(list([cast(start as varchar), value, cast(n as varchar)] \
             order by start, value), [])}} from (select cast(floor(epoch_us(eventTime) / {micros}) as bigint) * {width} as start, \
             coalesce(cast({by} as varchar), '') as value, count(*) as n {rows} group by 1, 2))",
            micros = width * 1_000_000
        ),
        "list" => format!(
            "(select coalesce(list(eventID order by eventTime desc, eventID desc), []) from (select eventID, eventTime {rows} \
             order by eventTime desc, eventID desc limit 12))"
        ),
        "top" => format!(
            "(select coalesce(list([value, cast(n as varchar)] order by n desc, value), []) from (select cast({by} as varchar) as value, \
             count(*) as n {rows} group by 1 having value <> '' order by n desc, value limit 8))"
        ),
        other => panic!("a panel of kind {other}"),
    }
}

/// The answer of a panel in the form that [`question`] gives it.
fn told(panel: &Value) -> Value {
    let texts = |row: &Value| -> Value {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        row.as_array().unwrap().iter().map(text).collect()
    };
    let answer = &panel["answer"];
    match panel["kind"].as_str() {
        Some("top") => answer.as_array().unwrap().iter().map(texts).collect(),
        Some("time") => {
            let bar = |bar: &Value| {
                let start: jiff::Timestamp = bar[0].as_str().unwrap().parse().unwrap();
                texts(&serde_json::json!([start.as_second(), bar[1], bar[2]]))
            };
            let bars: Value = answer["bars"].as_array().unwrap().iter().map(bar).collect();
            serde_json::json!({ "sum": answer["sum"], "bars": bars })
        }
        _ => answer.clone(),
    }
}

/// A moment as SQL has it.
fn moment(time: &Value) -> String {
    format!("timestamp '{}'", time.as_str().unwrap().trim_end_matches('Z').replace('T', " "))
}

/// Compares every panel of an address with SQL over the rows that pass a condition. Answers how many there are, and how many of
/// them say something.
#[track_caller]
fn compare(place: &Place, base: &str, path: &str, inside: &str) -> (usize, usize) {
    let (status, body) = http::get(&format!("{base}{path}"));
    assert_eq!(status, 200, "{path}: {body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let mut inside = inside.to_owned();
    for (name, sign) in [("since", ">="), ("until", "<")] {
        if !answer[name].is_null() {
            inside.push_str(&format!(" and eventTime {sign} {}", moment(&answer[name])));
        }
    }
    let (list, width) = (answer["panels"].as_array().unwrap(), answer["width_seconds"].as_u64().unwrap());
    let columns = list.iter().enumerate().map(|(at, panel)| format!("{} as p{at}", question(panel, &inside, width)));
    let row = place.rows(&format!("select {}", columns.collect::<Vec<_>>().join(", "))).remove(0);
    let mut filled = 0;
    for (at, panel) in list.iter().enumerate() {
        let told = told(panel);
        assert_eq!(told, row[format!("p{at}")], "{path}: {}: {}", panel["title"], panel["filter"]);
        filled += usize::from(!matches!(told.to_string().as_str(), "0" | "[]" | "{\"sum\":0,\"bars\":[]}"));
    }
    (list.len(), filled)
}

#[test]
fn every_number_is_what_sql_says() {
    let place = Place::new();
    let words = ["demo", "--people", "30", "--days", "10", "--seed", "3", "--port", "0", "--no-open"];
    let mut demo = place.program(&words).start();
    demo.line(|line| line.starts_with("http://"));
    demo.says("the past is here");
    demo.terminate().ok();
    // Over the same data nothing happens any more, so a stretch up to now holds still.
    let mut service = place.program(&["run", "--port", "0"]).start();
    let base = service.line(|line| line.starts_with("http://"));
    let (mut panels, mut filled) = (0, 0);
    let mut add = |(all, some): (usize, usize)| (panels, filled) = (panels + all, filled + some);
    let one = |column: &str| {
        let rows = place.rows(&format!(
            "select {column} as id from activities where {column} <> '' group by 1 order by count(*) desc, 1 limit 1"
        ));
        rows[0]["id"].as_str().unwrap().to_owned()
    };
    let org = one("organizationID");
    for board in BOARDS {
        add(compare(&place, &base, &format!("/dashboards/{board}/numbers?range=all"), "true"));
        let inside = format!("organizationID = '{org}'");
        add(compare(&place, &base, &format!("/dashboards/{board}/numbers?range=7d&org={org}"), &inside));
    }
    add(compare(&place, &base, "/overview/numbers?range=24h", "true"));
    add(compare(&place, &base, "/overview/numbers?since=2001-01-01", "true"));
    for (kind, column) in [("person", "actorEmail"), ("address", "srcIP"), ("organization", "organizationID")] {
        let id = one(column);
        let path = format!("/{kind}/{}/numbers", id.replace('@', "%40"));
        let inside = match kind {
            // Whoever fails to sign in is known by an address, too.
            "person" => {
                format!("'{id}' in ({column}, json_extract_string(rawLog, '$.actor.unauthenticated_email_address'))")
            }
            _ => format!("{column} = '{id}'"),
        };
        add(compare(&place, &base, &path, &inside));
        add(compare(&place, &base, &format!("{path}?range=7d"), &inside));
    }
    let id = one("target");
    let inside = format!("(list_contains(resources, '{id}') or target = '{id}')");
    add(compare(&place, &base, &format!("/resource/{id}/numbers"), &inside));
    assert!(panels >= 300, "no panel is left out: {panels}");
    assert!(filled > panels / 2, "they say something: {filled} of {panels}");
}
