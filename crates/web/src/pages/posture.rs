//! `/posture`: every organization setting that the log has shown: its value, since when, by whom, and before that; now or at
//! any time in the past (`at`). The log tells of changes only, so a setting that nobody has touched is not here.

mod setting;

use std::{collections::BTreeMap, sync::Arc};

use activity::{Activity, Record};
use askama::Template;
use auditlake_store::{
    Engine, Latest, Result, StoreError, Window,
    filter::{self, Filter, parse_time},
};
use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use futures::TryFutureExt;
use jiff::Timestamp;
use serde_json::Value;

pub use self::setting::Change;
use super::{Frame, failed, line::category_title, render, text};
use crate::{Site, answer::collect_json, scope::Params, text::Moment as _};

/// So many changes of a type in an organization are looked at, and so many in all.
const EACH: u64 = 200;
const CHANGES: u64 = 5_000;
/// So many earlier values of a setting are listed.
const EARLIER: usize = 12;

/// The categories whose changes say how an organization is set.
const CATEGORIES: &str = "category:(organization_settings OR sso OR domains OR directory_sync OR members OR invites OR join_requests OR \
     network_access OR data_protection OR encryption_keys OR inference_hooks OR cowork OR compliance OR claude_code OR code_review OR \
     code_security OR usage_reports OR github OR google_drive OR slack OR mcp OR plugins OR billing) read_only:false -outcome:failure \
     -type:*_user_* -type:*_vulnerability_* -type:*_onboarding_guide_*";

/// A setting with the changes of it that the log shows, the newest first.
#[derive(Clone)]
pub struct Setting {
    pub name: String,
    pub subject: Option<String>,
    pub org: Option<String>,
    pub category: String,
    pub changes: Vec<Change>,
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
    groups: Vec<(String, Vec<Setting>)>,
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
    match settings(&site, parsed).await {
        Ok(settings) => {
            let mut orgs: Vec<String> = settings.iter().filter_map(|setting| setting.org.clone()).collect();
            orgs.sort();
            orgs.dedup();
            let org = params.get("org").map(str::to_owned);
            let settings: Vec<&Setting> =
                settings.iter().filter(|setting| org.is_none() || setting.org == org).collect();
            let weak = settings.iter().filter(|setting| setting.weakness().is_some()).count();
            let mut groups: BTreeMap<String, Vec<Setting>> = BTreeMap::new();
            for setting in settings {
                let setting = setting.clone();
                groups.entry(category_title(&setting.category).to_owned()).or_default().push(setting);
            }
            let frame = Frame::of(&site, "Posture").at("/posture");
            let groups = groups.into_iter().collect();
            render(StatusCode::OK, &Page { frame, now, at: parsed, wrong, orgs, org, weak, groups })
        }
        Err(error) => failed(&site, &error),
    }
}

/// How many settings deserve a look now.
pub async fn weak(site: &Site) -> Result<u64> {
    let settings = settings(site, None).await?;
    Ok(settings.iter().filter(|setting| setting.weakness().is_some()).count() as u64)
}

/// Every setting as it was at a time, or is now.
pub async fn settings(site: &Site, at: Option<Timestamp>) -> Result<Arc<Vec<Setting>>> {
    let key = format!("settings {at:?}");
    site.ask().lasting().once(key, move |engine| async move { read(&*engine, at).await }).await
}

async fn read(engine: &dyn Engine, at: Option<Timestamp>) -> Result<Vec<Setting>> {
    let filter = filter::parse(CATEGORIES).unwrap_or(Filter::All);
    let window = Window { since: None, until: at };
    let latest = Latest { filter, window, each: EACH, limit: CHANGES };
    let rows = engine.latest(&latest).and_then(collect_json).await?;
    let mut found: BTreeMap<(String, Option<String>, Option<String>), Setting> = BTreeMap::new();
    for row in &rows {
        let raw = row.get("rawLog").and_then(Value::as_str).unwrap_or_default();
        let Ok(activity) = Activity::parse_str(raw) else { continue };
        let record = Record::of(&activity);
        let body: Value = serde_json::from_str(raw).map_err(unreadable)?;
        for named in setting::changes(&record, &body) {
            let org = activity.organization_id.as_deref().map(str::to_owned);
            let key = (named.name.clone(), named.subject.clone(), org.clone());
            let setting = found.entry(key).or_insert_with(|| Setting {
                name: named.name,
                subject: named.subject,
                org,
                category: record.category.to_string(),
                changes: Vec::new(),
            });
            setting.changes.push(named.change);
        }
    }
    Ok(found.into_values().collect())
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Engine { doing: "reading a raw log", message: error.to_string() }
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
    const NAMES: [(&str, &str); 15] = [
        ("api", "API"),
        ("apis", "APIs"),
        ("cc", "CC"),
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
            let setting = Setting { name, subject: None, org: None, category: String::new(), changes: Vec::new() };
            assert_eq!(setting.title(), title);
        };
        check("org_sso", "SSO");
        check("claude_organization.claude_code_managed_settings", "Claude code managed settings");
        check("invoice_collection_method.collection_method", "Collection method");
        check("compliance_api_settings.compliance_api_enabled", "Compliance API enabled");
        check("billing_emails.cc_email_count", "Billing emails: CC email count");
    }
}
