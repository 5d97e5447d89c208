//! What needs no data: the catalogue, help, and wrong usage.

use crate::place::{Place, lines};

#[test]
fn the_catalogue_lists_and_tells() {
    let place = Place::new();
    let all = lines(&place.run(&["catalog", "--format", "jsonl"]).ok());
    assert!(all.len() > 100, "{}", all.len());
    assert!(
        all.iter().all(|info| ["type", "category", "surface", "outcome", "read_only"]
            .iter()
            .all(|name| !info[*name].is_null()))
    );
    let one = lines(&place.run(&["catalog", "sso_login_failed", "--format", "jsonl"]).ok()).remove(0);
    assert_eq!(one["category"], "authentication");
    assert!(place.run(&["catalog", "sso_login_failed", "--format", "table"]).ok().contains("authentication"));
    let unknown = place.run(&["catalog", "claude_teapot_created"]);
    assert!(unknown.stderr.contains("is not in the catalogue"), "{unknown:?}");
    assert_eq!(lines(&unknown.ok())[0]["guessed"], true);
}

#[test]
fn wrong_usage_is_2() {
    let place = Place::new();
    for words in [
        &[][..],
        &["teapot"],
        &["import"],
        &["query"],
        &["query", "select 1", "--format", "xml"],
        &["run", "--port", "x"],
    ] {
        let outcome = place.run(words);
        assert_eq!(outcome.code, Some(2), "{words:?}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && outcome.stderr.contains("--help"), "{words:?}: {outcome:?}");
    }
    for words in [&["--help"][..], &["query", "--help"], &["--version"]] {
        assert!(place.run(words).ok().contains("auditlake"), "{words:?}");
    }
}

#[test]
fn no_data_is_said() {
    let place = Place::new();
    for words in [&["query", "select 1"][..], &["search", "x"], &["ledger"]] {
        let failed = place.run(words).failed();
        assert!(failed.contains("there is no data in ") && failed.contains("hint: "), "{failed}");
    }
    assert!(!place.data().exists(), "asking makes nothing");
    let failed = place.run(&["run", "--port", "0"]).failed();
    assert!(
        failed.contains("there is nothing to collect") && failed.contains("ANTHROPIC_COMPLIANCE_ACCESS_KEY"),
        "{failed}"
    );
}
