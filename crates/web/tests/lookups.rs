//! What is written down of what people look up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use auditlake_store::lookup::Lookup;
use support::{
    TestSite,
    desk::{Browser, FakeLookups},
    lake::furnished,
};
use tokio::{sync::watch, task::JoinHandle};
use web::Scribe;

/// The record of a site, complete once it is asked for.
struct Record {
    lookups: Arc<FakeLookups>,
    closing: watch::Sender<bool>,
    work: Mutex<Option<JoinHandle<()>>>,
}

impl Record {
    async fn lookups(&self) -> Vec<Lookup> {
        self.closing.send_replace(true);
        let work = self.work.lock().unwrap().take();
        if let Some(work) = work {
            work.await.unwrap();
        }
        self.lookups.0.lock().unwrap().clone()
    }

    /// Who looked up what, and of what.
    async fn told(&self) -> Vec<(String, String, String)> {
        self.lookups().await.into_iter().map(|one| (one.who, one.what, one.detail)).collect()
    }
}

fn recorded(change: impl FnOnce(&mut web::Site)) -> (TestSite, Record) {
    let lookups = Arc::new(FakeLookups::default());
    let (closing, closed) = watch::channel(false);
    let (notebook, Scribe { work }) = Scribe::start(lookups.clone(), 0, closed);
    let (site, _) = furnished(|site| {
        site.notebook = Some(notebook);
        site.lookups = Some(lookups.clone());
        change(site);
    });
    (site, Record { lookups, closing, work: Mutex::new(Some(work)) })
}

#[tokio::test]
async fn what_is_looked_up_is_written_down() {
    let (site, record) = recorded(|_| {});
    let mut analyst = Browser::of(&site, "analyst").await;
    for path in [
        "/explore?q=actor%3Aeve%40example.com",
        "/explore?q=actor%3Aeve%40example.com",
        "/explore/facets?q=actor%3Aeve%40example.com",
        "/explore/live?q=actor%3Aeve%40example.com",
        "/person/eve%40example.com",
        "/sql?q=select%20%27%3Cscript%3E%27",
        "/",
        "/alerts/alert_1",
    ] {
        analyst.get(path).await;
    }
    site.sql(r#"{"sql":"select 2"}"#, "").await;
    let told = record.told().await;
    let is = |who: &str, what: &str, detail: &str| (who.to_owned(), what.to_owned(), detail.to_owned());
    assert_eq!(
        told,
        [
            is("analyst", "explorer", "actor:eve@example.com"),
            is("analyst", "person", "eve@example.com"),
            is("analyst", "sql", "select '<script>'"),
            is("analyst", "alert", "alert_1"),
            is("command line", "sql", "select 2"),
        ]
    );
    let mut admin = Browser::of(&site, "admin").await;
    let page = admin.get("/lookups").await;
    assert_eq!(page.texts(".inbox > li").len(), 5);
    assert_eq!(page.texts("#by-who, section[aria-labelledby=by-who] .label"), ["Who", "analyst", "command line"]);
    assert_eq!(page.texts("main script").len(), 0);
    assert_eq!(admin.get("/lookups?who=analyst").await.texts(".inbox > li").len(), 4);
}

#[tokio::test]
async fn a_part_of_a_page_is_a_question_when_nobody_asked_for_the_page() {
    let (site, record) = recorded(|_| {});
    let mut viewer = Browser::of(&site, "viewer").await;
    for path in [
        "/explore/live?q=actor%3Aone%40example.com",
        "/explore/facets?q=actor%3Atwo%40example.com",
        // The same again, by its page: no other question.
        "/explore?q=actor%3Atwo%40example.com",
        // The same filter for other activities is another question.
        "/explore/facets?q=actor%3Atwo%40example.com&range=90d",
        "/explore/facets?q=actor%3Atwo%40example.com&org=org_9",
        "/alerts/live?q=three",
        "/explore?open=activity_A",
    ] {
        viewer.get(path).await;
    }
    for path in ["/explore?q=actor%3Afour%40example.com", "/person/five%40example.com", "/activity/activity_B/raw"] {
        viewer.ask("HEAD", path).await;
    }
    let told = record.told().await;
    let told: Vec<(&str, &str)> = told.iter().map(|(_, what, detail)| (what.as_str(), detail.as_str())).collect();
    assert_eq!(
        told,
        [
            ("explorer", "actor:one@example.com"),
            ("explorer", "actor:two@example.com"),
            ("explorer", "actor:two@example.com"),
            ("explorer", "actor:two@example.com"),
            ("alerts", "three"),
            ("explorer", ""),
            ("activity", "activity_A"),
            ("explorer", "actor:four@example.com"),
            ("person", "five@example.com"),
            ("activity", "activity_B"),
        ]
    );
}

#[tokio::test]
async fn names_of_the_mask_are_written_down_as_what_they_stand_for() {
    let (site, record) = recorded(|site| site.masks_viewers = true);
    let mut viewer = Browser::of(&site, "viewer").await;
    let name = viewer.get("/explore").await.texts("td.actor")[0].clone();
    assert!(name.starts_with("person-"), "{name}");
    assert_eq!(viewer.get(&format!("/explore?q=actor%3A{name}")).await.status, 200);
    assert_eq!(viewer.get(&format!("/person/{name}")).await.status, 200);
    let links: Vec<String> = record.lookups().await.into_iter().map(|lookup| lookup.link).collect();
    assert_eq!(links, ["/explore", "/explore?q=actor%3Azed%40corp.test", "/person/zed%40corp.test"]);
    let told = record.lookups().await;
    assert_eq!((told[1].detail.as_str(), told[2].detail.as_str()), ("actor:zed@corp.test", "zed@corp.test"));
}

#[tokio::test]
async fn a_question_does_not_hide_behind_a_long_text() {
    let (site, record) = recorded(|_| {});
    let mut analyst = Browser::of(&site, "analyst").await;
    let padding = "%20".repeat(5_000);
    for end in ["eve", "bob"] {
        analyst.get(&format!("/sql?q=select%20{padding}%27{end}%27")).await;
    }
    let told = record.told().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].2.ends_with("'eve'") && told[1].2.ends_with("'bob'"), "{told:?}");
    assert!(told.iter().all(|(.., detail)| detail.contains("SHA-256") && detail.len() < 5_000), "{told:?}");
}

#[tokio::test]
async fn nobody_is_said_to_have_asked_what_anothers_link_asks() {
    let (site, record) = recorded(|_| {});
    let mut analyst = Browser::of(&site, "analyst").await;
    analyst.headers =
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(analyst.get("/sql?q=select%201").await.status, 200);
    assert_eq!(analyst.get("/sql.csv?q=select%201").await.status, 403);
    assert_eq!(record.told().await, []);
}
