//! One activity of each category in each shape, as a file.
//!
//! Where a shape repeats the activity, `…` stands in its place: that it is there is another test's business.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use shapes::Shape;

use crate::support::{shaped, with_row};

const UNKNOWN: &str = r#"{"id":"activity_unknown","created_at":"2026-03-01T09:00:00Z","organization_id":null,"organization_uuid":null,"actor":{"type":"moon_actor","moon":{"phase":3}},"type":"moon_phase_shifted","moon_id":"moon_1"}"#;

/// An activity of each category.
fn activities() -> BTreeMap<String, String> {
    let mut found = BTreeMap::from([("other".to_owned(), UNKNOWN.to_owned())]);
    for sample in simulate::samples(3, "2026-03-01T09:00:00Z".parse().unwrap()) {
        let raw = String::from_utf8(sample.json.to_vec()).unwrap();
        let mut category = String::new();
        with_row(&raw, false, |row| category = row.category.to_owned());
        found.entry(category).or_insert(raw);
    }
    found
}

fn golden(shape: Shape, repeated: &[&str]) -> String {
    let activities = activities();
    assert_eq!(activities.len(), activity::catalog::categories().len());
    let mut text = String::new();
    for (at, (category, raw)) in activities.iter().enumerate() {
        with_row(raw, at.is_multiple_of(2), |row| {
            let mut value = shaped(shape, row);
            for path in repeated {
                if let Some(value) = value.pointer_mut(path) {
                    *value = Value::from("…");
                }
            }
            writeln!(text, "{category}: {value}").unwrap();
        });
    }
    text
}

#[test]
fn unified() {
    insta::assert_snapshot!(golden(Shape::Unified, &["/rawLog"]));
}

#[test]
fn datadog() {
    insta::assert_snapshot!(golden(Shape::Datadog, &["/claude"]));
}

#[test]
fn ocsf() {
    insta::assert_snapshot!(golden(Shape::Ocsf, &[]));
}

#[test]
fn ecs() {
    insta::assert_snapshot!(golden(Shape::Ecs, &["/event/original", "/anthropic/compliance"]));
}

#[test]
fn panther() {
    insta::assert_snapshot!(golden(Shape::Panther, &[]));
}

#[test]
fn raw() {
    for raw in activities().values() {
        with_row(raw, true, |row| {
            let mut out = Vec::new();
            Shape::Raw.write(row, &mut out);
            assert_eq!(out, raw.as_bytes());
        });
    }
}
