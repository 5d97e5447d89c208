//! The Explorer and what belongs to it, found by CSS selectors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{TestSite, activity};

fn ago(hours: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(hours)).to_string()
}

fn site() -> TestSite {
    let site = TestSite::new();
    site.store.add(
        "main",
        [
            activity("activity_A", "claude_chat_created", &ago(50), r#","claude_chat_id":"claude_chat_1""#),
            activity("activity_B", "claude_chat_viewed", &ago(3), r#","claude_chat_id":"claude_chat_1""#),
            activity("activity_C", "sso_login_failed", &ago(2), ""),
        ],
    );
    site
}

#[tokio::test]
async fn finds_by_filter_and_time() {
    let site = site();
    let page = site.get("/explore").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.texts("#rows td.type a"), ["sso_login_failed", "claude_chat_viewed", "claude_chat_created"]);
    assert_eq!(page.texts("#chart .count"), ["3"]);
    let page = site.get("/explore?q=outcome%3Afailure").await;
    assert_eq!(page.texts("#rows td.type a"), ["sso_login_failed"]);
    assert_eq!(page.attributes("#q", "value"), ["outcome:failure"]);
    let page = site.get("/explore?range=24h").await;
    assert_eq!(page.texts("#rows td.type a").len(), 2);
    assert_eq!(page.texts(".time [aria-current]"), ["24 hours"]);
    let page = site.get("/explore?q=nothing_like_it").await;
    assert!(page.texts(".nothing")[0].starts_with("Nothing found"));
}

#[tokio::test]
async fn an_error_points_at_the_spot() {
    let page = site().get("/explore?q=type%3Aa%20%28outcome%3Afailure").await;
    assert_eq!(page.status, 400);
    assert_eq!(page.texts("#wrong mark").len(), 1);
    assert!(page.texts("#wrong pre")[0].starts_with("type:a "));
    assert!(!page.texts("#wrong .muted")[0].is_empty());
    assert_eq!(page.attributes("#q[aria-invalid]", "aria-describedby"), ["wrong"]);
    assert_eq!(site().get("/explore?since=nonsense").await.status, 400);
}

#[tokio::test]
async fn facets_count_and_narrow() {
    let site = site();
    let facets = site.get("/explore/facets").await;
    assert!(facets.texts("h2").contains(&"Category".to_owned()));
    assert!(!facets.texts("h2").contains(&"Country".to_owned()), "what the store cannot count by is not there");
    let types = facets.texts("section[aria-labelledby=facet-type] .label");
    assert_eq!(types.len(), 3);
    let only = facets.attributes("section[aria-labelledby=facet-outcome] a.only", "href");
    let failed = only.iter().find(|href| href.contains("failure")).unwrap();
    assert_eq!(site.get(failed).await.texts("#rows td.type a"), ["sso_login_failed"]);
    let without = facets.attributes("section[aria-labelledby=facet-outcome] a.without", "href");
    let others = without.iter().find(|href| href.contains("failure")).unwrap();
    assert_eq!(site.get(others).await.texts("#rows td.type a").len(), 2);
}

#[tokio::test]
async fn columns_are_chosen_by_the_address() {
    let page = site().get("/explore?cols=time,id,org").await;
    assert_eq!(page.texts("#rows th"), ["Time", "Organisation", "Id"]);
    assert_eq!(page.texts("#rows td.id")[0], "activity_C");
    assert_eq!(page.attributes("#rows td.open a", "href").len(), 3);
    assert_eq!(page.texts("#rows .choices [aria-checked=true]"), ["Time", "Organisation", "Id"]);
}

#[tokio::test]
async fn an_activity_opens_beside_the_table() {
    let site = site();
    let page = site.get("/explore?open=activity_A").await;
    assert_eq!(page.texts("#detail h1").len(), 1);
    let panel = site.get("/activity/activity_A/panel").await;
    assert!(!panel.text().contains("<html"));
    assert!(panel.texts(".provenance dd")[0] == "main");
    let related = panel.attributes(".related a", "href");
    assert!(related.contains(&"/person/ada%40example.com".to_owned()), "{related:?}");
    assert!(related.contains(&"/resource/claude_chat_1".to_owned()), "{related:?}");
    let all = related.iter().find(|href| href.contains("q=ip")).unwrap();
    assert_eq!(site.get(all).await.texts("#rows td.type a").len(), 3);
    assert_eq!(site.get("/activity/none/panel").await.status, 404);
}

#[tokio::test]
async fn completes_what_is_being_written() {
    let site = site();
    let texts = async |path: &str| {
        let offers = site.get(path).await.json();
        offers.as_array().unwrap().iter().map(|offer| offer["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts("/explore/complete?q=outc&at=4").await, ["outcome:"]);
    assert_eq!(texts("/explore/complete?q=a%20-outcome%3Af&at=12").await, ["-outcome:failure"]);
    assert!(texts("/explore/complete?q=type%3Asso_login&at=14").await.contains(&"type:sso_login_failed".to_owned()));
    assert_eq!(texts("/explore/complete?q=email%3Aa&at=7").await, ["email:ada@example.com"]);
}

#[tokio::test]
async fn what_is_shown_can_be_saved() {
    let site = site();
    let csv = site.get("/explore/export.csv?q=outcome%3Afailure&cols=type,outcome").await;
    assert_eq!(csv.text(), "type,outcome\r\nsso_login_failed,failure\r\n");
    assert!(csv.header("content-disposition").starts_with("attachment; filename=\"activities-"));
    let lines = site.get("/explore/export.jsonl").await;
    assert_eq!(lines.text().lines().count(), 3);
    assert_eq!(site.get("/explore/export.csv?q=%28").await.status, 400);
}
