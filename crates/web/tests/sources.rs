//! What the Sources page says of stretches, drift and comparing, and the SQL page of answers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use support::{TestSite, activity};
use web::{Dialect, SettingsReport, SourceReport};

fn site() -> TestSite {
    let report = SourceReport { source: "main".to_owned(), phase: "following".to_owned(), ..SourceReport::default() };
    let site = TestSite::with(|site| site.sources = std::sync::Arc::new(move || vec![report.clone()]));
    let now = Timestamp::now();
    site.store.add("main", [activity("activity_A", "claude_chat_created", &now.to_string(), "")]);
    let day = |day: i64| "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * day);
    let again = now - SignedDuration::from_mins(30);
    let read = |from, to| json!({ "from": day(from), "to": day(to), "first_read": day(30), "last_read": again });
    let mut kept = site.store.kept.lock().unwrap();
    kept.insert("covered".to_owned(), json!([read(0, 3), read(4, 6), read(7, 9)]));
    kept.insert("unreadable".to_owned(), json!([{ "from": day(6), "to": day(7) }]));
    drop(kept);
    site
}

#[tokio::test]
async fn stretches_that_were_not_read_are_listed() {
    let site = site();
    let page = site.get("/sources").await;
    let list = page.texts("section[aria-labelledby=unread] li");
    assert_eq!(list[0], "7 Mar 2026 00:00:00 – 8 Mar 2026 00:00:00 24 hours cannot be read");
    assert_eq!(list[1], "4 Mar 2026 00:00:00 – 5 Mar 2026 00:00:00 24 hours gap");
    assert_eq!(list.len(), 2);
    let facts = page.texts(".source-card dd");
    assert!(facts.contains(&"30 min ago".to_owned()), "{facts:?}");
    assert!(facts.contains(&"1 Mar 2026 00:00 – 10 Mar 2026 00:00, with 1 gap".to_owned()), "{facts:?}");
    let page = site.get("/").await;
    assert_eq!(page.texts("#whole dd a"), ["1 gap", "1 stretch"]);
    assert_eq!(page.attributes("#whole dd a", "href"), ["/sources#unread", "/sources#unread"]);
}

#[tokio::test]
async fn drift_of_every_kind_is_told() {
    let page = site().get("/sources").await;
    assert_eq!(page.texts(".drift h3"), ["New values"]);
    let findings = page.texts(".findings p");
    assert_eq!(findings[0], "claude_chat_created mood “1”");
    assert!(
        findings[1].starts_with("1 time, last ") && findings[1].ends_with(" days ago · an example"),
        "{findings:?}"
    );
    assert_eq!(page.attributes(".findings a", "href")[0], "/activity/activity_1");
    let more = page.attributes(".drift > section > .note a", "href");
    assert!(more[0].starts_with("/sql?q=select%20%2A%20from%20drift%20where%20kind%20%3D%20%27value%27"), "{more:?}");
}

#[tokio::test]
async fn answers_are_shown_by_position() {
    let site = TestSite::new();
    let page = site.get("/sql?q=twice").await;
    assert_eq!(
        (page.texts(".answer th"), page.texts(".answer td")),
        (vec!["a".to_owned(); 2], vec!["1".into(), "2".into()])
    );
    assert_eq!(site.get("/sql.csv?q=twice").await.text(), "a,a\r\n1,2\r\n");
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_no_empty_one() {
    let site = TestSite::new();
    let page = site.get("/sql?q=numbered").await;
    assert_eq!((page.status.as_u16(), page.texts(".answer").len()), (400, 0));
    let said = page.texts(".wrong").join("");
    assert!(
        said.starts_with("the answer cannot be shown: ") && said.ends_with("cast such a column to varchar"),
        "{said}"
    );
    assert_eq!(site.get("/sql.csv?q=numbered").await.status, 400);
}

#[tokio::test]
async fn whose_sql_it_is_is_said() {
    let examples = async |site: &TestSite| {
        let page = site.get("/sql").await;
        (page.texts(".title p").join(""), page.attributes(".editor .menu-body a", "href").join(" "))
    };
    let (title, links) = examples(&TestSite::new()).await;
    assert!(title.contains("in DuckDB’s SQL") && links.contains("rawLog-%3E%3E"), "{title} {links}");
    let report = || SettingsReport { dialect: Dialect::ClickHouse, ..SettingsReport::default() };
    let other = TestSite::with(|site| site.settings = std::sync::Arc::new(report));
    let (title, links) = examples(&other).await;
    assert!(title.contains("in ClickHouse’s SQL") && links.contains("JSONExtractRaw"), "{title} {links}");
    // The store in memory calls the columns of a description as it likes, too.
    assert!(!other.get("/sql").await.texts(".schema dt").is_empty());
}
