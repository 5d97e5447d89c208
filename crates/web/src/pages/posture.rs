//! `/posture`: every organization setting that the log has shown: its value, since when, by whom, and before that; now or at
//! any time in the past (`at`). The log tells of changes only, so a setting that nobody has touched is not here.

mod read;
mod setting;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use auditlake_store::{Result, filter::parse_time};
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use jiff::Timestamp;

pub use self::setting::Change;
use super::{Frame, dimension::LONGEST, failed, line::category_title, render, text};
use crate::{Site, scope::Params, text::Moment as _};

/// So many earlier values of a setting are listed.
const EARLIER: usize = 12;

/// What the log says of settings.
pub struct Posture {
    pub settings: Vec<Setting>,
    /// Types of which older changes were too many to be looked at, and the time before which they lie.
    pub unread: Option<(Timestamp, Vec<String>)>,
}

/// A setting with the changes of it that the log shows, the newest first.
#[derive(Clone)]
pub struct Setting {
    pub name: String,
    pub subject: Option<String>,
    pub org: Option<String>,
    pub category: String,
    /// The newest ones, of a [`Posture`]; all that were read, of a [`read::History`].
    pub changes: Vec<Change>,
    /// How many there are.
    pub count: usize,
}

/// The settings of an organization, by category.
struct Part<'a> {
    org: Option<&'a str>,
    groups: Vec<(&'a str, Vec<&'a Setting>)>,
}

#[derive(Template)]
#[template(path = "posture.html")]
struct Page<'a> {
    frame: Frame<'a>,
    now: Timestamp,
    at: Option<Timestamp>,
    wrong: Option<String>,
    orgs: Vec<String>,
    org: Option<String>,
    weak: usize,
    unread: &'a Option<(Timestamp, Vec<String>)>,
    parts: Vec<Part<'a>>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/posture", get(page))
}

async fn page(State(site): State<Arc<Site>>, Query(params): Query<Params>) -> Response {
    let now = Timestamp::now();
    let text = params.get("at");
    let parsed = text.and_then(|text| {
        parse_time(text, now)
            .or_else(|| parse_time(&format!("{text}Z"), now))
            .or_else(|| parse_time(&format!("{text}:00Z"), now))
    });
    let wrong = text.filter(|_| parsed.is_none()).map(|text| format!("“{}” is not a time", text::plain(text, 60)));
    let posture = match posture(&site, parsed).await {
        Ok(posture) => posture,
        Err(error) => return failed(&site, &error),
    };
    let mut orgs: Vec<String> = posture.settings.iter().filter_map(|setting| setting.org.clone()).collect();
    orgs.sort();
    orgs.dedup();
    let org = params.get("org").map(str::to_owned);
    let shown = posture.settings.iter().filter(|setting| org.is_none() || setting.org == org);
    let weak = shown.clone().filter(|setting| setting.weakness().is_some()).count();
    let frame = Frame::of(&site, "Posture").at("/posture");
    let (parts, unread) = (parts(shown), &posture.unread);
    render(StatusCode::OK, &Page { frame, now, at: parsed, wrong, orgs, org, weak, unread, parts })
}

/// An organization beside the other, so that nobody takes a setting of one for the other's.
fn parts<'a>(settings: impl Iterator<Item = &'a Setting>) -> Vec<Part<'a>> {
    let mut orgs: BTreeMap<Option<&str>, BTreeMap<&str, Vec<&Setting>>> = BTreeMap::new();
    for setting in settings {
        let groups = orgs.entry(setting.org.as_deref()).or_default();
        groups.entry(category_title(&setting.category)).or_default().push(setting);
    }
    orgs.into_iter().map(|(org, groups)| Part { org, groups: groups.into_iter().collect() }).collect()
}

/// How many settings deserve a look now.
pub async fn weak(site: &Site) -> Result<u64> {
    let posture = posture(site, None).await?;
    Ok(posture.settings.iter().filter(|setting| setting.weakness().is_some()).count() as u64)
}

/// Every setting as it was at a time, or is now.
pub async fn posture(site: &Site, at: Option<Timestamp>) -> Result<Posture> {
    let read = async |until: Option<Timestamp>| {
        let key = format!("posture {until:?}");
        site.ask().lasting().once(key, move |engine| async move { read::read(&*engine, until).await }).await
    };
    let history = read(None).await?;
    // What was too old to be looked at today may be read from that time on.
    match at.filter(|_| history.unread.is_some()) {
        None => Ok(history.until(at)),
        Some(_) => Ok(read(at).await?.until(at)),
    }
}

impl Setting {
    /// The change that made it as it is.
    pub fn last(&self) -> Option<&Change> {
        self.changes.first()
    }

    pub fn earlier(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().skip(1).take(EARLIER)
    }

    /// The name as people say it.
    pub fn title(&self) -> String {
        let (stem, field) = self.name.split_once('.').unwrap_or((&self.name, ""));
        let stem = ["org_", "claude_organization", "claude_"]
            .iter()
            .find_map(|start| stem.strip_prefix(start))
            .unwrap_or(stem);
        // What the field says already is not said twice.
        let is_said = stem.is_empty() || stem.ends_with("settings") || stem.ends_with(field) || field.starts_with(stem);
        let words = match (field, is_said) {
            ("", _) => stem.to_owned(),
            (field, true) => field.to_owned(),
            (field, false) => format!("{stem}: {field}"),
        };
        let words = words.replace(['_', '.'], " ");
        let words: Vec<&str> = words.split(' ').map(spelt).collect();
        let words = words.join(" ");
        let mut signs = words.chars();
        signs.next().map_or_else(String::new, |first| first.to_uppercase().chain(signs).collect())
    }

    /// Why somebody should look at it, if so.
    pub fn weakness(&self) -> Option<&'static str> {
        setting::weakness(&self.name, &self.last()?.after)
    }
}

/// A word as it is written among people.
fn spelt(word: &str) -> &str {
    const NAMES: [(&str, &str); 16] = [
        ("api", "API"),
        ("apis", "APIs"),
        ("cc", "CC"),
        ("gdrive", "Google Drive"),
        ("github", "GitHub"),
        ("gitlab", "GitLab"),
        ("google", "Google"),
        ("id", "ID"),
        ("ids", "IDs"),
        ("ip", "IP"),
        ("mcp", "MCP"),
        ("saml", "SAML"),
        ("scim", "SCIM"),
        ("slack", "Slack"),
        ("sso", "SSO"),
        ("url", "URL"),
    ];
    NAMES.iter().find(|(plain, _)| *plain == word).map_or(word, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_things_once() {
        let check = |name: &str, title: &str| {
            let name = name.to_owned();
            let (subject, org, category) = (None, None, String::new());
            let setting = Setting { name, subject, org, category, changes: Vec::new(), count: 0 };
            assert_eq!(setting.title(), title);
        };
        check("org_sso", "SSO");
        check("claude_organization.claude_code_managed_settings", "Claude code managed settings");
        check("invoice_collection_method.collection_method", "Collection method");
        check("compliance_api_settings.compliance_api_enabled", "Compliance API enabled");
        check("billing_emails.cc_email_count", "Billing emails: CC email count");
    }
}
