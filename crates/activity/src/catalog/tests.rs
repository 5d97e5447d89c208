//! The data file: complete, and nothing in it points nowhere.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::classify::OTHER;

#[test]
fn knows_every_type_once_and_in_order() {
    assert_eq!(types().len(), 467);
    assert_eq!(actors().len(), 11);
    assert!(types().is_sorted_by(|left, right| left.name < right.name));
    for info in types() {
        assert_eq!(get(&info.name), Some(info), "{}", info.name);
        assert!(!info.actors.is_empty(), "{}", info.name);
        for name in &info.actors {
            assert!(actor(name).is_some(), "{}: {name}", info.name);
        }
    }
    assert_eq!(get("no_such_type"), None);
}

#[test]
fn every_type_has_a_category_that_exists_and_every_category_a_type() {
    let used: BTreeSet<_> = types().iter().map(|info| info.category.as_str()).collect();
    let listed: BTreeSet<_> = categories().iter().map(|category| category.name.as_str()).collect();
    assert_eq!(listed.difference(&used).collect::<Vec<_>>(), [&OTHER]);
    assert_eq!(used.difference(&listed).count(), 0);
    assert!(used.len() >= 35, "{}", used.len());
    assert_eq!(listed.len(), categories().len());
}

#[test]
fn every_type_has_a_surface_that_exists_and_every_surface_a_type() {
    let used: BTreeSet<_> = types().iter().map(|info| info.surface.as_str()).collect();
    let listed: BTreeSet<_> = surfaces().iter().map(|surface| surface.name.as_str()).collect();
    assert_eq!(used, listed);
}

#[test]
fn summaries_say_something_of_their_own_on_one_line() {
    let mut seen = HashSet::new();
    for info in types() {
        let summary = info.summary.as_str();
        assert!((20..=140).contains(&summary.chars().count()), "{}: {summary}", info.name);
        assert!(summary.starts_with(char::is_uppercase) && !summary.ends_with('.'), "{}: {summary}", info.name);
        assert!(!summary.contains('\n'), "{}", info.name);
        assert!(seen.insert(summary.to_lowercase()), "{}: {summary}", info.name);
        assert_ne!(summary.to_lowercase(), info.name.replace('_', " "));
    }
}

#[test]
fn every_path_leads_to_a_field() {
    for info in types() {
        let paths: HashSet<_> = info.paths().into_iter().collect();
        let mut named: Vec<&str> = info.resources.iter().chain(&info.target).map(String::as_str).collect();
        if let OutcomeRule::ByField(rule) = &info.outcome {
            named.push(&rule.field);
            named.extend(rule.failure_if.as_deref());
            let decides = rule.failure_from.is_some() || !(rule.success.is_empty() && rule.failure.is_empty());
            assert!(decides, "{}", info.name);
        }
        if let ReadOnlyRule::ByField { field, changes } = &info.read_only {
            named.push(field);
            assert!(!changes.is_empty(), "{}", info.name);
        }
        for path in named {
            assert!(paths.contains(path), "{}: {path}", info.name);
        }
        let distinct: HashSet<_> = info.resources.iter().collect();
        assert_eq!(distinct.len(), info.resources.len(), "{}", info.name);
    }
}

/// A new enum value shows up here, rather than as an outcome that nobody knows.
#[test]
fn outcome_rules_on_enums_decide_every_value_but_the_unspecified() {
    for info in types() {
        let OutcomeRule::ByField(rule) = &info.outcome else { continue };
        let Some(field) = info.fields.iter().find(|field| field.name == rule.field) else { continue };
        let Shape::Enum { values } = &field.shape else { continue };
        for value in values {
            let outcome = info.outcome.apply(|path| (path == rule.field).then(|| value.into()));
            assert_eq!(outcome == Outcome::Unknown, value == "unspecified", "{}: {value}", info.name);
        }
    }
}

#[test]
fn what_was_only_loaded_changed_nothing() {
    for info in types() {
        if ["_viewed", "_listed", "_downloaded"].iter().any(|end| info.name.ends_with(end)) {
            assert_eq!(info.read_only, ReadOnlyRule::Always(true), "{}", info.name);
        }
    }
}

/// The feed's reference is no part of the repository; where it lies beside the checkout, nothing of it may be missing.
#[test]
fn has_every_type_of_the_reference() {
    // Below the package, where tests run.
    let path = "../../../shared/spec/catalog.json";
    let Ok(text) = std::fs::read_to_string(path) else { return };
    #[derive(Deserialize)]
    struct Reference {
        #[serde(rename = "type")]
        name: String,
        actors: BTreeSet<String>,
        fields: Vec<Field>,
    }
    let reference: Vec<Reference> = serde_json::from_str(&text).expect("the reference is JSON of this shape");
    assert!(reference.len() >= 467);
    for wanted in reference {
        let info = get(&wanted.name).unwrap_or_else(|| panic!("{} is missing", wanted.name));
        assert_eq!(info.fields, wanted.fields, "{}", wanted.name);
        assert_eq!(info.actors.iter().cloned().collect::<BTreeSet<_>>(), wanted.actors, "{}", wanted.name);
    }
}

#[test]
fn the_page_has_every_type_and_is_always_the_same() {
    let page = markdown();
    assert_eq!(page, markdown());
    for info in types() {
        assert!(page.contains(&format!("\n### {}\n\n{}.\n", info.name, info.summary)), "{}", info.name);
    }
    assert_eq!(page.matches("\n### ").count(), types().len());
    assert!(page.ends_with('\n') && !page.ends_with("\n\n"));
}
