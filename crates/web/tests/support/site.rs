//! Asking the site as a browser or a program does.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use scraper::{Html, Selector};
use tower::ServiceExt;
use web::{SimulatedBanner, Site};

use super::Fake;

pub const TOKEN: &str = "secret-token";

/// The site over the store in memory.
pub struct TestSite {
    pub store: Arc<Fake>,
    pub router: Router,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl TestSite {
    pub fn new() -> TestSite {
        TestSite::with(|_| {})
    }

    pub fn simulated() -> TestSite {
        TestSite::with(|site| site.simulated = Some(SimulatedBanner { people: 200, days: 30, seed: 7 }))
    }

    pub fn with(change: impl FnOnce(&mut Site)) -> TestSite {
        let store = Arc::new(Fake::default());
        let mut site = Site::new(store.clone(), TOKEN.to_owned().into());
        change(&mut site);
        TestSite { store, router: web::router(site) }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// As a browser whose user types an address.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// As a program with the token.
    pub async fn api(&self, path: &str, accept: &str) -> Answer {
        let request = request("GET", path).header("authorization", format!("Bearer {TOKEN}")).header("accept", accept);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn sql(&self, body: &str, accept: &str) -> Answer {
        let request = request("POST", "/api/v1/sql").header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("accept", accept).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

pub fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "127.0.0.1:8080")
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The texts of all elements that the CSS selector finds, white space made single.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let html = Html::parse_document(self.text());
        let text = |element: scraper::ElementRef| element.text().collect::<String>();
        let tidy = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        html.select(&selector).map(text).map(tidy).collect()
    }

    /// The values of an attribute of all elements that the CSS selector finds.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let html = Html::parse_document(self.text());
        html.select(&selector).filter_map(|element| element.attr(name)).map(str::to_owned).collect()
    }
}

/// An activity as the feed gives it, with more members as JSON text.
pub fn activity(id: &str, kind: &str, time: &str, more: &str) -> String {
    let actor = r#"{"type":"user_actor","email_address":"ada@example.com","user_id":"user_1","ip_address":"198.51.100.7","user_agent":"Mozilla/5.0"}"#;
    format!(
        r#"{{"id":"{id}","created_at":"{time}","type":"{kind}","organization_id":"org_1","organization_uuid":null,"actor":{actor}{more}}}"#
    )
}

/// A text as a part of an address.
pub fn encoded(text: &str) -> String {
    let sign = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(sign).collect()
}
