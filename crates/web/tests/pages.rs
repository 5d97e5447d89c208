//! What people see, found by CSS selectors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{TestSite, activity};

fn ago(hours: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(hours)).to_string()
}

fn fill(site: &TestSite) {
    site.store.add(
        "main",
        [
            activity("activity_A", "claude_chat_created", &ago(50), r#","claude_chat_id":"claude_chat_1""#),
            activity("activity_B", "claude_chat_viewed", &ago(3), r#","claude_chat_id":"claude_chat_1""#),
            activity("activity_C", "sso_login_failed", &ago(2), ""),
        ],
    );
    site.store.add("other", [activity("activity_D", "never_seen_before_created", &ago(1), "")]);
}

#[tokio::test]
async fn overview_counts_and_lists() {
    let site = TestSite::new();
    fill(&site);
    let page = site.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.texts("head > title"), ["Overview · Auditlake"]);
    assert_eq!(page.texts("#tiles dt")[..3], ["Activities", "Failed", "People"]);
    assert_eq!(page.texts("#tiles .big")[..3], ["4", "1", "1"]);
    assert_eq!(page.attributes("#tiles .big", "href")[1], "/explore?q=outcome%3Afailure&range=7d");
    assert_eq!(page.texts(".time [aria-current]"), ["7 days"]);
    let types = page.texts("#newest td.type a");
    assert_eq!(types, ["never_seen_before_created", "sso_login_failed", "claude_chat_viewed", "claude_chat_created"]);
    assert_eq!(page.texts("#newest td.outcome")[1], "failure");
    assert_eq!(page.texts("#newest td.actor")[0], "ada@example.com");
    assert_eq!(page.texts("#newest td.target")[3], "claude_chat_1");
    assert_eq!(page.attributes("#newest td.type a", "href")[0], "/activity/activity_D");
    assert_eq!(page.texts("#chart .series a")[0], "Chats");
    assert_eq!(page.texts("#lists .label")[0], "ada@example.com");
}

#[tokio::test]
async fn the_overview_says_what_needs_attention_and_whether_the_log_is_whole() {
    let now = Timestamp::now();
    let report = move |source: &str, phase: &str| web::SourceReport {
        source: source.to_owned(),
        phase: phase.to_owned(),
        watermark: Some(now - SignedDuration::from_secs(30)),
        ..web::SourceReport::default()
    };
    let site = TestSite::with(|site| {
        site.sources = std::sync::Arc::new(move || vec![report("main", "following"), report("<b>", "refused")]);
    });
    fill(&site);
    let page = site.get("/").await;
    let concerns = page.texts("#attention li");
    assert!(concerns[0].starts_with("1 <b>: the feed refuses"), "{concerns:?}");
    assert_eq!(concerns[1], "1 type is not in the catalogue");
    assert_eq!(page.attributes("#attention a", "href"), ["/sources", "/sources#drift"]);
    assert_eq!(page.texts("#whole .verdict"), ["Whole main", "Not whole <b>", "Not collected now other"]);
    assert!(page.texts("#whole dd").contains(&"30 seconds ago".to_owned()), "{:?}", page.texts("#whole dd"));
}

#[tokio::test]
async fn the_chart_holds_what_the_store_counts() {
    let site = TestSite::new();
    fill(&site);
    let page = site.get("/?range=24h").await;
    assert_eq!(page.texts("#tiles .big")[..2], ["3", "1"]);
    let titles = page.texts("#chart .hit title");
    assert_eq!(titles.len(), 3);
    assert!(titles.iter().all(|title| title.ends_with("UTC: 1 activity")), "{titles:?}");
    assert!(page.attributes("#chart svg[role=img]", "aria-label")[0].starts_with("Activities in each 30 minutes"));
}

#[tokio::test]
async fn ranges_leave_out_what_is_older() {
    let site = TestSite::new();
    site.store.add("main", [activity("activity_A", "claude_chat_created", &ago(24 * 400), "")]);
    // Nobody has chosen: what is there is shown, however old.
    let page = site.get("/").await;
    assert_eq!(page.texts(".time [aria-current]"), ["All"]);
    assert_eq!((page.texts("#tiles .big")[0].as_str(), page.texts("#newest td.type a").len()), ("1", 1));
    let page = site.get("/?range=30d").await;
    assert_eq!(page.texts(".time [aria-current]"), ["30 days"]);
    assert_eq!(page.texts("#tiles .big")[0], "0");
    assert_eq!(page.texts("#chart p.muted").last().unwrap(), "None in the last 30 days.");
    assert_eq!(site.get("/?range=nonsense").await.status, 200);
}

#[tokio::test]
async fn the_fragment_has_the_regions_of_the_page() {
    let site = TestSite::new();
    fill(&site);
    let (page, fragment) = (site.get("/?range=7d").await, site.get("/overview/live?range=7d").await);
    let regions = page.attributes("[data-region]", "id");
    assert_eq!(regions, fragment.attributes("[data-region]", "id"));
    assert_eq!(regions, ["rest", "tiles", "chart", "attention", "whole", "lists", "newest"]);
    assert_eq!(page.attributes("[data-live]", "data-live"), ["/overview/live?range=7d"]);
    assert!(!fragment.text().contains("<html"), "no frame");
    assert_eq!(fragment.attributes("[data-seq]", "data-seq"), ["2"]);
}

#[tokio::test]
async fn an_empty_store_says_what_to_do() {
    let page = TestSite::new().get("/").await;
    assert_eq!(page.texts("h2"), ["No activity yet"]);
    assert!(page.texts(".empty code").iter().any(|line| line == "auditlake check"));
    assert_eq!(page.attributes("[data-kind]", "data-kind"), ["empty"]);
    assert!(page.texts("table").is_empty());
}

#[tokio::test]
async fn simulated_people_are_called_so_on_every_page() {
    let site = TestSite::simulated();
    for path in ["/", "/nowhere", "/activity/none"] {
        let banner = site.get(path).await.texts(".simulated");
        assert!(banner[0].starts_with("People in this organisation are simulated."), "{path}");
        assert!(banner[0].contains("200 people, 30 days"), "{path}");
    }
    assert!(TestSite::new().get("/").await.texts(".simulated").is_empty());
}

#[tokio::test]
async fn a_failing_store_is_told_in_words() {
    let site = TestSite::new();
    site.store.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
    for path in ["/", "/activity/activity_A"] {
        let page = site.get(path).await;
        assert_eq!(page.status, 500, "{path}");
        assert_eq!(page.texts("h1"), ["The store gave no answer"], "{path}");
        assert!(page.texts("main p")[0].contains("the <disk> is gone"), "{path}");
    }
    assert_eq!(site.get("/overview/live").await.status, 500);
    assert_eq!(TestSite::new().get("/nowhere").await.texts("h1"), ["Not found"]);
}

#[tokio::test]
async fn an_activity_is_shown_whole() {
    let site = TestSite::new();
    fill(&site);
    let page = site.get("/activity/activity_A").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.texts("head > title"), ["claude_chat_created · Auditlake"]);
    assert!(page.texts(".json")[0].starts_with(r#"{ "id": "activity_A", "created_at":"#), "{:?}", page.texts(".json"));
    let names = page.texts(".record dt");
    assert!(names.contains(&"actorEmail".to_owned()) && !names.contains(&"dstIP".to_owned()), "{names:?}");
    assert!(page.texts("details").last().unwrap().contains("dstIP"));
    let raw = site.get("/activity/activity_A/raw").await;
    assert_eq!(raw.header("content-disposition"), "attachment; filename=\"activity_A.json\"");
    assert!(raw.text().starts_with(r#"{"id":"activity_A","created_at":""#));
    let unknown = site.get("/activity/activity_D").await;
    assert!(unknown.texts(".badges")[0].contains("not in the catalogue"));
    // An id in another case is another activity.
    for path in ["/activity/ACTIVITY_A", "/activity/none", "/activity/%ff", "/activity/none/raw"] {
        assert!(site.get(path).await.status.is_client_error(), "{path}");
    }
}

#[tokio::test]
async fn what_strangers_write_is_text() {
    let site = TestSite::new();
    let texts = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "a\u{202e}gpj.exe",
        "{{7*7}}",
        "שלום",
        "a\rb\0",
    ];
    for (at, text) in texts.into_iter().enumerate() {
        let text = serde_json::to_string(text).unwrap();
        let id = serde_json::to_string(&format!("id/{at}?<b>&\"'")).unwrap();
        site.store.add(texts[0], [format!(
            r#"{{"id":{id},"created_at":"{}","type":{text},"organization_id":{text},"actor":{{"type":{text},"email_address":{text},"ip_address":{text},"user_agent":{text}}},"claude_chat_id":{text},"name":{text}}}"#,
            ago(1)
        )]);
    }
    let page = site.get("/").await;
    assert_harmless(&page);
    assert!(page.texts("#newest td.type a").contains(&texts[0].to_owned()));
    assert!(page.texts("#newest td.actor").contains(&"aU+202Egpj.exe".to_owned()));
    assert!(page.texts("#whole dd").contains(&texts.len().to_string()));
    let mut paths = page.attributes("#newest td.type a", "href");
    let related = site.get(&paths[0]).await.attributes(".related a", "href");
    assert!(related.iter().any(|path| path.starts_with("/person/")), "{related:?}");
    paths.extend(related);
    let links = page.attributes("nav.pages a", "href");
    paths.extend(
        links
            .into_iter()
            .filter(|path| ["/explore", "/dashboards", "/posture", "/sources", "/sql"].contains(&path.as_str())),
    );
    paths.extend(site.get("/dashboards").await.attributes(".boards a", "href"));
    paths.extend(["/explore/facets", "/explore/live", "/overview/live"].map(str::to_owned));
    assert!(paths.len() >= 30, "{}", paths.len());
    for path in paths {
        let page = site.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        match path.contains("/live") || path.ends_with("/facets") {
            true => assert!(page.texts("script, img, b").is_empty(), "{path}"),
            false => assert_harmless(&page),
        }
    }
}

/// Nothing but the own script, no handler, no style that the policy forbids, no mark that turns the text around.
fn assert_harmless(page: &support::Answer) {
    assert_eq!(
        page.attributes("script", "src").len(),
        page.attributes("script", "src").iter().filter(|src| src.starts_with("/assets/")).count()
    );
    assert!(page.texts("script").iter().all(String::is_empty));
    assert_eq!(page.attributes("img", "src").len(), 1);
    for name in ["style", "onerror", "onclick", "onload"] {
        assert!(page.attributes(&format!("[{name}]"), name).is_empty(), "{name}");
    }
    assert!(page.texts("style").is_empty() && page.texts("b").is_empty());
    assert!(!page.text().contains(['\u{202e}', '\0', '\r']));
}

#[tokio::test]
async fn a_title_of_a_megabyte_is_cut() {
    let site = TestSite::new();
    let title = "long ".repeat(200_000);
    let more = format!(r#","name":"{title}","claude_chat_id":"{title}","claude_project_id":"{title}""#);
    site.store
        .add("main", (0..20).map(|at| activity(&format!("activity_{at}"), "claude_project_created", &ago(1), &more)));
    let page = site.get("/").await;
    assert!(page.body.len() < 80_000, "{} bytes", page.body.len());
    assert!(page.texts("#newest td.target")[0].ends_with('…'));
    for path in ["/explore", "/explore/facets", "/dashboards/projects", "/dashboards/data", "/dashboards/recent"] {
        let page = site.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.len() < 200_000, "{path}: {} bytes", page.body.len());
    }
    let page = site.get("/activity/activity_1").await;
    assert!(page.body.len() < 60_000, "{} bytes", page.body.len());
    assert!(page.texts(".json .cut").len() >= 2);
    assert!(site.get("/activity/activity_1/raw").await.body.len() > 3_000_000);
}
