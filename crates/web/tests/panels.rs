//! Panels and where they lead: the Explorer finds as many activities as the panel has counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{TestSite, activity};

/// Three people, two things, successes and failures, loads and changes.
fn site() -> TestSite {
    let site = TestSite::new();
    let kinds = ["claude_chat_created", "claude_chat_viewed", "claude_chat_deleted", "sso_login_failed"];
    let list = (0..60).map(|at: i64| {
        let time = (Timestamp::now() - SignedDuration::from_hours(1 + at % 40)).to_string();
        let more = match at % 5 {
            0 | 1 => r#","claude_chat_id":"claude_chat_1""#,
            2 => r#","claude_chat_id":"claude_chat_2","claude_project_id":"claude_chat_1""#,
            _ => "",
        };
        let raw = activity(&format!("activity_{at}"), kinds[at as usize % 4], &time, more);
        let raw =
            raw.replace("ada@example.com", ["ada@example.com", "bob@example.com", "eve@example.com"][at as usize % 3]);
        if at % 7 == 0 { raw.replace("org_1", "org_2") } else { raw }
    });
    site.store.add("main", list);
    site
}

#[tokio::test]
async fn links_lead_to_what_was_counted() {
    let site = site();
    let mut checked = 0;
    let found = async |href: &str| {
        let page = site.get(href).await;
        assert_eq!(page.status, 200, "{href}");
        page.texts("#chart .count")[0].clone()
    };
    for path in [
        "/resource/claude_chat_1",
        "/resource/claude_chat_1?range=24h&org=org_2",
        "/person/ada%40example.com",
        "/address/198.51.100.7",
        "/organization/org_2",
        "/dashboards/overview",
        "/dashboards/data",
        "/dashboards/identity?org=org_1",
        "/",
    ] {
        let page = site.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let bare = if bare == "/" { "/overview" } else { bare };
        let told = site.get(&format!("{bare}/numbers?{query}")).await.json();
        let panels = told["panels"].as_array().unwrap();
        let tiles = panels.iter().filter(|panel| matches!(panel["kind"].as_str(), Some("number" | "distinct")));
        let (texts, links) = (page.texts(".tiles .big"), page.attributes(".tiles .big", "href"));
        for ((panel, text), href) in tiles.zip(&texts).zip(&links) {
            // Of how many values there are, the link shows the activities.
            if panel["kind"] == "number" {
                assert_eq!(found(href).await, *text, "{path}: {}: {href}", panel["title"]);
                checked += 1;
            }
        }
        // Those that count things come after the page.
        let later = match page.attributes(".panels [hx-trigger=load]", "hx-get").first() {
            Some(place) => site.get(place).await,
            None => site.get(&format!("{bare}/numbers?{query}")).await,
        };
        for (texts, links) in [
            (page.texts(".bars a.count"), page.attributes(".bars a.count", "href")),
            (later.texts(".bars a.count"), later.attributes(".bars a.count", "href")),
            (page.texts(".series li .muted"), page.attributes(".series li a", "href")),
        ] {
            assert_eq!(texts.len(), links.len(), "{path}");
            for (text, href) in texts.iter().zip(&links) {
                assert_eq!(found(href).await, *text, "{path}: {href}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 120, "{checked}");
}

#[tokio::test]
async fn what_an_app_loaded_is_called_so() {
    let site = site();
    for (path, cell) in [("/", "#newest td.type"), ("/explore", "#rows td.type")] {
        let cells = site.get(path).await.texts(cell);
        assert!(cells.contains(&"claude_chat_viewed loaded by an app".to_owned()), "{path}: {cells:?}");
        assert!(cells.contains(&"claude_chat_created".to_owned()), "{path}: {cells:?}");
    }
    let notes = site.get("/").await.texts("#lists .note");
    assert!(notes.contains(&"without loads by an app".to_owned()), "{notes:?}");
    let page = site.get("/resource/claude_chat_1").await;
    assert!(page.texts(".panel-top .note").contains(&"loads by an app among it".to_owned()));
}
