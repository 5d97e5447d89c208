//! What strangers write stands as text on every page, whatever carries it: titles of alerts and rules, settings of an
//! organization and of this deployment, names of sources, look-ups, answers of SQL.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use auditlake_store::{alert::Severity, lookup::Lookup};
use jiff::Timestamp;
use support::{
    Answer, TestSite, activity,
    desk::{FakeAlerts, FakeLookups, FakeRules, alert, furnish, rule},
};
use web::{KeyReport, SettingsReport, SettingsSection, SourceReport};

const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)><b>",
    "\"'><svg onload=alert(1)><style>*{}</style>",
    "a\u{202e}gpj.exe\u{2066}\0\r",
    "{{7*7}}${7*7}<!-- -->]]>&lt;b&gt;",
];
/// No page is longer, whatever it has to show.
const MOST_BYTES: usize = 400_000;

/// A site in which everything that a stranger can write is this.
fn site(text: &str) -> TestSite {
    let mut grave = alert("alert_1", Severity::Critical, text);
    grave.finding.entity = text.to_owned();
    grave.finding.summary = format!("{text}\n{text}");
    grave.finding.organization = Some(text.to_owned());
    grave.finding.source = Some(text.to_owned());
    grave.finding.next_steps[0].text = text.to_owned();
    grave.finding.false_positives = vec![text.to_owned()];
    grave.history[0].note = Some(text.to_owned());
    let mut other = rule("other", text);
    (other.description, other.why, other.text, other.place) =
        (text.to_owned(), text.to_owned(), text.to_owned(), text.to_owned());
    (other.tags, other.switches) = (vec![text.to_owned()], vec![text.to_owned(); 2]);
    let rules = Arc::new(FakeRules(Mutex::new(vec![other]), Mutex::default()));
    let now = Timestamp::now();
    // Names of users are short, whoever gave them.
    let short: String = text.chars().take(100).collect();
    let lookup = Lookup {
        at: now,
        who: short.clone(),
        address: Some(short.clone()),
        what: short.clone(),
        detail: text.to_owned(),
        link: "/explore".to_owned(),
    };
    let lookups = Arc::new(FakeLookups(Mutex::new(vec![lookup])));
    let (own, name) = (text.to_owned(), short.clone());
    let site = TestSite::with(|site| {
        furnish(site, &FakeAlerts::new(vec![grave]), &rules);
        site.lookups = Some(lookups);
        let text = own.clone();
        site.settings = Arc::new(move || SettingsReport {
            keys: vec![KeyReport {
                id: text.clone(),
                name: Some(text.clone()),
                shown: text.clone(),
                scopes: vec![text.clone()],
                created: now,
                revoked: None,
            }],
            users: Some(vec![(text.clone(), text.clone())]),
            sections: vec![SettingsSection {
                title: text.clone(),
                about: text.clone(),
                rows: vec![vec![text.clone(), text.clone()]],
                ..SettingsSection::default()
            }],
            ..SettingsReport::default()
        });
        let (text, source) = (own.clone(), name.clone());
        site.sources = Arc::new(move || {
            vec![SourceReport {
                source: source.clone(),
                phase: "retrying".to_owned(),
                trouble: Some((now, text.clone(), text.clone())),
                errors: vec![(text.clone(), 1)],
                ..SourceReport::default()
            }]
        });
    });
    let json = serde_json::to_string(text).unwrap();
    let more = format!(
        r#","updates":[{{"type":{json},"previous_value":{json},"current_value":{json}}}],"name":{json},"title":{json}"#
    );
    let time = now.to_string();
    site.store.add(
        &short,
        [
            activity("activity_A", "claude_organization_settings_updated", &time, &more),
            activity("activity_B", "something_new_was_made", &time, &more),
            activity("activity_C", "claude_project_created", &time, &more),
        ],
    );
    site
}

fn check(path: &str, page: &Answer) {
    assert!(page.status.is_success() || page.status == 400, "{path}: {}", page.status);
    assert!(page.body.len() < MOST_BYTES, "{path}: {} bytes", page.body.len());
    let sources = page.attributes("script", "src");
    assert!(sources.iter().all(|source| source.starts_with("/assets/")), "{path}: {sources:?}");
    assert!(page.texts("script").iter().all(String::is_empty), "{path}");
    assert_eq!(page.texts("main script, main img, main b, main style, style").len(), 0, "{path}");
    for handler in ["onerror", "onload", "onclick", "style"] {
        assert_eq!(page.attributes(&format!("[{handler}]"), handler).len(), 0, "{path}: {handler}");
    }
    assert!(!page.text().contains(['\u{202e}', '\u{2066}', '\0', '\r']), "{path}: what nobody sees");
}

const PAGES: [&str; 18] = [
    "/",
    "/overview/live",
    "/alerts",
    "/alerts/alert_1",
    "/alerts/live",
    "/rules",
    "/rules/other",
    "/lookups",
    "/settings",
    "/posture",
    "/posture?at=2099-01-01T00:00",
    "/sources",
    "/sql?q=hostile",
    "/explore",
    "/explore/facets",
    "/activity/activity_A",
    "/activity/activity_B/panel",
    "/dashboards/settings",
];

#[tokio::test]
async fn what_strangers_write_is_text_on_every_page() {
    for text in HOSTILE {
        let site = site(text);
        for path in PAGES {
            check(path, &site.get(path).await);
        }
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in
            ["/alerts?q=", "/rules?q=", "/lookups?q=", "/posture?at=", "/sql?q=", "/explore?q=", "/explore?since="]
        {
            let path = format!("{path}{encoded}");
            check(&path, &site.get(&path).await);
        }
    }
}

#[tokio::test]
async fn the_pages_say_what_was_written() {
    let site = site(HOSTILE[0]);
    for (path, selector) in [
        ("/", ".newest-alerts a"),
        ("/alerts", ".inbox .what > a"),
        ("/alerts/alert_1", "h1"),
        ("/rules", ".rule-list .what > a"),
        ("/posture", ".settings strong"),
    ] {
        let texts = site.get(path).await.texts(selector);
        assert!(texts[0].contains("<script>alert(1)</script>"), "{path}: {texts:?}");
    }
}

#[tokio::test]
async fn a_megabyte_is_cut_on_every_page() {
    let site = site(&"long ".repeat(200_000));
    for path in PAGES {
        check(path, &site.get(path).await);
    }
}
