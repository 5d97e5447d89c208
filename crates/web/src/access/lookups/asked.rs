//! What a request looks up, told by the request alone: on which page, what, and where to see it again.
//!
//! The parts that a page asks for by itself are the page's own question; opened by themselves they are questions as well.

use axum::{
    extract::Query,
    http::{Method, Uri},
};
use percent_encoding::percent_decode_str;

use crate::{
    pages::complete,
    scope::{Params, encode},
};

/// A question about the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// On which page.
    pub what: &'static str,
    /// The filter, the statement, the id or the name, whole.
    pub detail: String,
    /// The page that shows it.
    pub link: String,
    /// The organization and the stretch of time: with others it is another question.
    pub scope: String,
    /// Whether a part of a page asks, as it does by itself.
    pub is_part: bool,
}

/// Things that have pages: as they are written down, and the beginning of the page's path.
const THINGS: [(&str, &str); 8] = [
    ("activity", "/activity"),
    ("person", "/person"),
    ("key", "/key"),
    ("address", "/address"),
    ("organisation", "/organization"),
    ("resource", "/resource"),
    ("dashboard", "/dashboards"),
    ("alert", "/alerts"),
];

/// What a request looks up; nothing if it is no question about the log. `body` is that of an API request; `reveal` gives what
/// names in a text stand for, as who is masked today is not tomorrow.
pub fn asked(method: &Method, uri: &Uri, body: Option<&[u8]>, reveal: &dyn Fn(&str) -> String) -> Vec<Asked> {
    if *method == Method::POST && uri.path() == "/api/v1/sql" {
        return statement(body).into_iter().collect();
    }
    // Without its body, an answer still tells whether there is something.
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Vec::new();
    }
    let params = Query::<Params>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    let params: Vec<(String, String)> = params.pairs().map(|(name, value)| (name.to_owned(), reveal(value))).collect();
    let parameter = |wanted: &str| {
        let found = params.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (path, is_part) = match uri.path() {
        "/explore/facets" => ("/explore", true),
        path => match ["/live", "/neighbours"].iter().find_map(|part| path.strip_suffix(part)) {
            // A thing may have such a name.
            Some(page) if page == "/alerts" || THINGS.iter().all(|(_, prefix)| page != *prefix) => (page, true),
            _ => (path, false),
        },
    };
    let scope = ["org", "range", "since", "until", "at"].map(&parameter).join("\0");
    let one = |what, detail, link| Asked { what, detail, link, scope: scope.clone(), is_part };
    let here = |what, detail| one(what, detail, url(path, &params));
    let page = match path {
        // Every letter asks: whose values were offered is told, and once as long as somebody writes.
        "/explore/complete" => complete::field(uri).map(|field| Asked {
            what: "completion",
            detail: format!("{field}:"),
            link: "/explore".to_owned(),
            scope: String::new(),
            is_part: true,
        }),
        "/explore" => Some(here("explorer", parameter("q"))),
        "/explore/export.csv" | "/explore/export.jsonl" => Some(here("export", parameter("q"))),
        "/sql" => Some(here("sql", parameter("q"))).filter(|asked| !asked.detail.is_empty()),
        "/sql.csv" => Some(here("export", parameter("q"))),
        "/api/v1/select" => {
            let filter = parameter("filter");
            let link = format!("/explore?range=all&q={}", encode(&filter));
            Some(one("search", filter, link))
        }
        "/api/v1/alerts" => Some(here("alerts", parameter("id"))),
        "/posture" => Some(here("posture", parameter("at"))),
        "/alerts" => Some(here("alerts", [parameter("rule"), parameter("q")].join(" ").trim().to_owned())),
        _ => THINGS.into_iter().find_map(|(what, prefix)| {
            let id = reveal(&below(path, prefix)?);
            let link = url(&format!("{prefix}/{}", encode(&id)), &params);
            Some(one(what, id, link))
        }),
    };
    // The activity beside the table is looked at as well.
    let open = Some(parameter("open")).filter(|id| path == "/explore" && !is_part && !id.is_empty());
    let beside = open.map(|id| {
        let link = format!("/activity/{}", encode(&id));
        Asked { scope: String::new(), ..one("activity", id, link) }
    });
    page.into_iter().chain(beside).collect()
}

/// A statement that a program sends has a page, too.
fn statement(body: Option<&[u8]>) -> Option<Asked> {
    let body: serde_json::Value = serde_json::from_slice(body?).ok()?;
    let detail = body.get("sql")?.as_str()?.to_owned();
    let link = format!("/sql?q={}", encode(&detail));
    Some(Asked { what: "sql", detail, link, scope: String::new(), is_part: false })
}

/// What stands below a path, up to the next `/`.
fn below(path: &str, prefix: &str) -> Option<String> {
    let rest = path.strip_prefix(prefix)?.strip_prefix('/')?;
    let id = percent_decode_str(rest.split('/').next().unwrap_or_default()).decode_utf8_lossy();
    Some(id.into_owned()).filter(|id| !id.is_empty())
}

fn url(path: &str, params: &[(String, String)]) -> String {
    let pairs: Vec<String> = params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn get(uri: &str) -> Vec<Asked> {
        asked(&Method::GET, &uri.parse().unwrap(), None, &str::to_owned)
    }

    /// What and of what.
    fn told(list: Vec<Asked>) -> Vec<(&'static str, String)> {
        list.into_iter().map(|asked| (asked.what, asked.detail)).collect()
    }

    #[test]
    fn knows_what_is_asked() {
        for (uri, what, detail) in [
            ("/explore?q=actor%3Aeve%40example.com&range=7d", "explorer", "actor:eve@example.com"),
            ("/explore", "explorer", ""),
            ("/explore/live?q=x", "explorer", "x"),
            ("/explore/facets?q=x", "explorer", "x"),
            ("/person/eve%40example.com?range=1y", "person", "eve@example.com"),
            ("/activity/activity_1/panel", "activity", "activity_1"),
            ("/explore/export.csv?q=ip%3A192.0.2.1", "export", "ip:192.0.2.1"),
            ("/sql?q=select%201", "sql", "select 1"),
            ("/api/v1/select?filter=x", "search", "x"),
            ("/alerts?q=eve", "alerts", "eve"),
            ("/alerts/live?q=eve", "alerts", "eve"),
            ("/alerts/alert_1/live", "alert", "alert_1"),
            ("/person/eve%40example.com/neighbours?range=all", "person", "eve@example.com"),
            ("/resource/neighbours", "resource", "neighbours"),
            ("/person/live", "person", "live"),
            ("/explore/complete?q=ip%3A192.&at=7", "completion", "ip:"),
        ] {
            assert_eq!(told(get(uri)), [(what, detail.to_owned())], "{uri}");
            let head = asked(&Method::HEAD, &uri.parse().unwrap(), None, &str::to_owned);
            assert_eq!(head, get(uri), "{uri}");
        }
        for none in [
            "/",
            "/sql",
            "/settings",
            "/rules/a",
            "/live",
            "/overview/live",
            "/person/",
            "/assets/x",
            "/explore/complete?q=act&at=3",
        ] {
            assert_eq!(get(none), [], "{none}");
        }
        let body = br#"{"sql":"select 2"}"#;
        let post = asked(&Method::POST, &"/api/v1/sql".parse().unwrap(), Some(body), &str::to_owned);
        assert_eq!(told(post), [("sql", "select 2".to_owned())]);
        let both = told(get("/explore?q=x&open=activity_1"));
        assert_eq!(both, [("explorer", "x".to_owned()), ("activity", "activity_1".to_owned())]);
    }

    #[test]
    fn a_part_asks_what_its_page_asks() {
        let page = get("/explore?q=x&range=7d&org=org_1").remove(0);
        for part in ["/explore/live?q=x&range=7d&org=org_1", "/explore/facets?q=x&range=7d&org=org_1"] {
            assert_eq!(get(part), [Asked { is_part: true, ..page.clone() }]);
        }
        assert_ne!(get("/explore?q=x&range=7d&org=org_2")[0].scope, page.scope);
        assert_eq!(get("/activity/a/panel")[0].link, "/activity/a");
        assert_eq!(get("/alerts/live?q=eve")[0].link, "/alerts?q=eve");
    }

    #[test]
    fn names_are_written_down_as_what_they_stand_for() {
        let reveal = |text: &str| text.replace("person-1", "eve@example.com");
        let get = |uri: &str| asked(&Method::GET, &uri.parse().unwrap(), None, &reveal).remove(0);
        let asked = get("/explore?q=actor%3Aperson-1");
        assert_eq!(asked.detail, "actor:eve@example.com");
        assert_eq!(asked.link, "/explore?q=actor%3Aeve%40example.com");
        let asked = get("/person/%70erson-1?range=7d");
        assert_eq!(
            (asked.detail.as_str(), asked.link.as_str()),
            ("eve@example.com", "/person/eve%40example.com?range=7d")
        );
    }
}
