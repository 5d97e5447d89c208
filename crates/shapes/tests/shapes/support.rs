//! Rows to try, and what every shape has to keep.

use activity::{Activity, Record};
use serde_json::{Map, Value};
use shapes::{Known, Origin, Row, Shape};

/// Calls `check` with the row of an activity, of which enrichment says nothing, or something.
pub fn with_row(raw: &str, is_enriched: bool, check: impl FnOnce(&Row)) {
    let activity = Activity::parse_str(raw).unwrap_or_else(|error| panic!("{error}: {raw}"));
    let record = Record::of(&activity);
    let origin = Origin {
        workspace: "default",
        source: "main",
        source_ttl: 2190,
        received_at: Some(1_790_000_000_123_456),
        seq: Some(7),
        own_read: false,
    };
    let known = Known {
        place: Some(
            "DE\u{1f}64500\u{1f}Example Net\u{1f}Berlin\u{1f}Corporate\u{1f}Example ISP\u{1f}52.52\u{1f}13.405\u{1f}business\u{1f}example-city 2026-01-01",
        ),
        agent: Some("claude-web\u{1f}1.2\u{1f}Chrome\u{1f}140.0\u{1f}macOS\u{1f}15.1\u{1f}desktop"),
        person: Some("user_9\u{1f}Alice Example\u{1f}Finance\u{1f}bob@example.com\u{1f}false"),
    };
    let known = if is_enriched { known } else { Known::default() };
    check(&Row::of(&record, origin, known));
}

/// The row in a shape.
pub fn shaped(shape: Shape, row: &Row) -> Value {
    let mut out = Vec::new();
    shape.write(row, &mut out);
    assert!(!out.contains(&b'\n') && !out.contains(&b'\r'), "{shape:?} breaks the line of {}", row.raw);
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{shape:?}: {error}: {}", String::from_utf8_lossy(&out)))
}

/// Tries a row in every shape: valid, and nothing lost.
pub fn check(row: &Row) {
    let raw: Value = serde_json::from_str(row.raw).unwrap();
    for shape in Shape::ALL {
        let value = shaped(shape, row);
        let kept = match shape {
            Shape::Raw => value.clone(),
            Shape::Unified => text(&value["rawLog"]),
            Shape::Datadog => value["claude"].clone(),
            Shape::Ocsf => super::ocsf::restored(&value),
            Shape::Ecs => {
                assert_eq!(value["event"]["original"], row.raw);
                value["anthropic"]["compliance"].clone()
            }
            Shape::Panther => without_indicators(&value, &raw),
        };
        assert_eq!(kept, raw, "{shape:?} loses something: {value:#}");
        let problems = match shape {
            Shape::Ocsf => super::ocsf::problems(&value),
            Shape::Ecs => super::ecs::problems(&value),
            _ => Vec::new(),
        };
        assert!(problems.is_empty(), "{shape:?} of {} is not valid: {problems:#?}\n{value:#}", row.raw);
        super::tables::check_columns(shape, row, &value);
    }
}

fn text(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

fn without_indicators(value: &Value, raw: &Value) -> Value {
    let members = value.as_object().unwrap().clone();
    let is_own = |name: &String| !name.starts_with("p_") || raw.get(name).is_some();
    Value::Object(members.into_iter().filter(|(name, _)| is_own(name)).collect::<Map<_, _>>())
}
