//! What viewers see behind the mask, and what they can find out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{desk::Browser, encoded, lake::furnished};

/// What no page may show to a viewer.
const SECRETS: [&str; 9] = [
    "zed@corp.test",
    "zed%40corp.test",
    "eve@example.com",
    "198.51.100.7",
    "203.0.113.9",
    "Secret merger",
    "Secret new name",
    "Secret old name",
    "secret-plugin",
];

#[tokio::test]
async fn viewers_see_everything_behind_the_mask() {
    let (site, _) = furnished(|site| site.masks_viewers = true);
    let mut viewer = Browser::of(&site, "viewer").await;
    // Every link that leads from the first page, and from there on.
    let mut paths = vec![
        "/".to_owned(),
        "/alerts".to_owned(),
        "/alerts/alert_1".to_owned(),
        "/alerts/live".to_owned(),
        "/overview/live".to_owned(),
        "/explore/live".to_owned(),
        "/explore/facets".to_owned(),
        "/explore/export.csv".to_owned(),
        "/explore/export.jsonl".to_owned(),
        "/activity/activity_A".to_owned(),
        "/activity/activity_A/panel".to_owned(),
        "/activity/activity_B".to_owned(),
        "/activity/activity_C".to_owned(),
        "/explore/export.csv?cols=target,type".to_owned(),
        "/posture".to_owned(),
        "/api/v1/select?columns=raw".to_owned(),
        "/api/v1/select?columns=unified".to_owned(),
        "/api/v1/ledger".to_owned(),
    ];
    let (mut at, mut shown) = (0, 0);
    while at < paths.len() && at < 400 {
        let path = paths[at].clone();
        at += 1;
        let answer = viewer.get(&path).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!answer.status.is_server_error(), "{path}: {text}");
        shown += u32::from(answer.status == 200);
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path} shows {secret}: {text}");
        }
        if answer.header("content-type").starts_with("text/html") {
            for link in answer.attributes("a[href^='/']", "href") {
                let link = link.split('#').next().unwrap().to_owned();
                // Two of a kind show the same.
                let is_page = !link.starts_with("/assets/") && !link.starts_with("/login");
                if is_page && !paths.contains(&link) {
                    paths.push(link);
                }
            }
        }
    }
    assert!(shown > 40, "{shown} pages");
    // The name in the place of a person leads to that person.
    let page = viewer.get("/explore").await;
    let name = page.texts("td.actor")[0].clone();
    assert!(name.starts_with("person-"), "{name}");
    let found = viewer.get(&format!("/explore?q=actor%3A{name}")).await;
    assert_eq!(found.texts("td.actor"), vec![name; 3]);
    for refused in ["/activity/activity_A/raw", "/sql?q=select%201", "/api/v1/alerts", "/api/v1/deliveries"] {
        assert_eq!(viewer.get(refused).await.status, 403, "{refused}");
    }
    // Others see what is there.
    let mut analyst = Browser::of(&site, "analyst").await;
    assert!(analyst.get("/activity/activity_A").await.text().contains("Secret merger"));
    assert!(analyst.get("/explore").await.text().contains("zed@corp.test"));
}

/// Every question that would tell by its answer what the mask hides, wherever it can be put.
#[tokio::test]
async fn viewers_cannot_guess_sign_by_sign() {
    let (site, _) = furnished(|site| site.masks_viewers = true);
    let mut viewer = Browser::of(&site, "viewer").await;
    let mut analyst = Browser::of(&site, "analyst").await;
    for (filter, said) in [
        ("email:z*", "whole values of email"),
        ("-actor:*zed*", "whole values of actor"),
        ("type:* (ip:198.51.0.0/16 OR outcome:failure)", "whole values of ip"),
        ("claude_project_id:claude*", "whole values of claude_project_id"),
        ("name:Secret*", "name is hidden from viewers"),
        ("updates.current_value:\"Secret new name\"", "updates.current_value is hidden"),
        ("merger", "cannot search for words"),
    ] {
        let filter = encoded(filter);
        for path in ["/explore", "/explore/live", "/explore/facets", "/explore/export.csv", "/explore/export.jsonl"] {
            let answer = viewer.get(&format!("{path}?range=7d&q={filter}")).await;
            assert_eq!(answer.status, 403, "{path} {filter}");
            assert!(answer.text().contains(said), "{path} {filter}: {}", answer.text());
            assert_eq!(analyst.get(&format!("{path}?q={filter}")).await.status, 200, "{path} {filter}");
        }
        let answer = viewer.get(&format!("/api/v1/select?filter={filter}")).await;
        assert_eq!(answer.status, 403, "{filter}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(said), "{}", answer.text());
    }
    let offers = viewer.get("/explore/complete?q=email%3Azed&at=9").await;
    assert_eq!(offers.text(), "[]", "what is offered tells nothing either");
    assert!(analyst.get("/explore/complete?q=email%3Azed&at=9").await.text().contains("zed@corp.test"));
    // What is no secret can be asked for in every way, and whoever knows an address can ask for it.
    for fine in ["type:claude_* time:>7d -outcome:failure", "actor:zed@corp.test", "ip:198.51.100.7", "email:*"] {
        let answer = viewer.get(&format!("/explore?q={}", encoded(fine))).await;
        assert_eq!(answer.status, 200, "{fine}");
        assert!(!answer.texts("td.actor").is_empty(), "{fine}");
    }
}
