//! `/explore/complete`: what may stand where somebody is writing: fields, types, values that occur.

use std::{ops::Range, sync::Arc, time::Duration};

use activity::catalog;
use auditlake_store::{
    CountBy, Result, Window,
    filter::{Filter, Glob, Kind, Known, Test, fields},
};
use axum::{
    Json,
    extract::{Query, State},
    http::Uri,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::super::{dimension::DIMENSIONS, text};
use crate::{ApiError, Site, ask::Ask, scope::floor};

/// So many are offered.
const MOST: usize = 12;
/// So many of a field's values are looked through.
const VALUES: u64 = 10_000;
/// Values are offered that occur in the last so many days of the log.
const DAYS: i64 = 30;

#[derive(Deserialize)]
pub struct Question {
    #[serde(default)]
    q: String,
    /// The place of the caret, in UTF-16 units, as browsers count.
    #[serde(default)]
    at: usize,
}

/// What may stand there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What is put in the place of the units from `from` to `to`.
    text: String,
    from: usize,
    to: usize,
    /// What it means.
    note: String,
}

pub async fn complete(
    State(site): State<Arc<Site>>,
    Query(question): Query<Question>,
) -> std::result::Result<Json<Vec<Offer>>, ApiError> {
    let at = byte_of(&question.q, question.at);
    let spot = word_at(&question.q, at);
    let word = &question.q[spot.clone()];
    let (from, to) = (units(&question.q[..spot.start]), units(&question.q[..spot.end]));
    let bare = word.trim_start_matches('-');
    let sign = &word[..word.len() - bare.len()];
    let offers = match bare.split_once(':') {
        Some((field, value)) => values(site.ask().lasting(), field, value).await?,
        None => names(bare),
    };
    let offer = |(text, note): (String, String)| Offer { text: format!("{sign}{text}"), from, to, note };
    Ok(Json(offers.into_iter().take(MOST).map(offer).collect()))
}

/// The field whose values a question of `/explore/complete` shows; `None` if it shows names that everybody knows.
pub fn field(uri: &Uri) -> Option<String> {
    let Query(Question { q, at }) = Query::try_from_uri(uri).ok()?;
    let word = &q[word_at(&q, byte_of(&q, at))];
    let (name, _) = word.trim_start_matches('-').split_once(':')?;
    let known = Known::by_name(name)?;
    DIMENSIONS.iter().any(|dimension| Known::by_name(dimension.field) == Some(known)).then(|| name.to_owned())
}

/// Fields that begin so, then types that contain it.
fn names(start: &str) -> Vec<(String, String)> {
    let begins = |name: &&&str| name.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase());
    let listed = fields().iter().filter(|info| !info.names[0].starts_with("dst"));
    let named =
        listed.filter_map(|info| Some((format!("{}:", info.names.iter().find(begins)?), info.description.to_owned())));
    let mut list: Vec<_> = named.take(MOST).collect();
    if start.len() > 2 {
        list.extend(types(start).map(|(name, note)| (format!("type:{name}"), note)));
    }
    list
}

fn types(part: &str) -> impl Iterator<Item = (String, String)> {
    let part = part.trim_matches(['*', '"']).to_ascii_lowercase();
    let fits = move |name: &str| name.contains(&part);
    catalog::types().iter().filter(move |info| fits(&info.name)).map(|info| (info.name.clone(), info.summary.clone()))
}

async fn values(ask: Ask<'_>, name: &str, start: &str) -> Result<Vec<(String, String)>> {
    let Some(known) = Known::by_name(name) else { return Ok(Vec::new()) };
    let start = start.trim_matches(['*', '"']);
    let fixed: Vec<(String, String)> = match known {
        Known::Type => types(start).collect(),
        Known::Category => {
            catalog::categories().iter().map(|info| (info.name.clone(), info.description.clone())).collect()
        }
        Known::Product => {
            catalog::surfaces().iter().map(|info| (info.name.clone(), info.description.clone())).collect()
        }
        Known::Outcome => ["success", "failure", "attempt", "unknown"].map(plain).to_vec(),
        Known::IpClass => ["public", "private", "loopback", "reserved", "placeholder", "invalid"].map(plain).to_vec(),
        Known::Time | Known::Received => [">15m", ">1h", ">24h", ">7d", ">30d"].map(plain).to_vec(),
        known if known.kind() == Kind::Boolean => ["true", "false"].map(plain).to_vec(),
        known => return counted(ask, name, known, start).await,
    };
    let fits = |(value, _): &(String, String)| known == Known::Type || value.starts_with(start);
    Ok(fixed.into_iter().filter(fits).map(|(value, note)| (format!("{name}:{value}"), note)).collect())
}

fn plain(text: &str) -> (String, String) {
    (text.to_owned(), String::new())
}

/// The most frequent values that begin so.
async fn counted(ask: Ask<'_>, name: &str, known: Known, start: &str) -> Result<Vec<(String, String)>> {
    let Some(dimension) = DIMENSIONS.iter().find(|dimension| Known::by_name(dimension.field) == Some(known)) else {
        return Ok(Vec::new());
    };
    let newest = ask.status().await?.newest.unwrap_or_default();
    let since = floor(newest - SignedDuration::from_hours(24 * DAYS), Duration::from_secs(24 * 3_600));
    let window = Window { since: Some(since), until: None };
    // One answer serves every letter that is typed, unless there are so many values that what is meant is not among them.
    let pattern = Glob::new([start.to_owned(), String::new()]).filter(|_| known.kind() != Kind::Address);
    let rare = pattern.map(|pattern| Filter::test(known, Test::Pattern(pattern)));
    let start = start.to_ascii_lowercase();
    let mut counts = Arc::default();
    for filter in [Some(Filter::All), rare].into_iter().flatten() {
        let count = CountBy { column: dimension.column.to_owned(), filter, window, limit: VALUES };
        counts = match ask.count_by(&count).await {
            Ok(counts) => counts,
            Err(auditlake_store::StoreError::Statement(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let is_whole = (counts.len() as u64) < VALUES;
        if is_whole || counts.iter().any(|(value, _)| value.to_ascii_lowercase().starts_with(&start)) {
            break;
        }
    }
    let fits = |(value, _): &&(String, u64)| value.to_ascii_lowercase().starts_with(&start) && !value.is_empty();
    let write = |(value, count): &(String, u64)| {
        let written = Filter::test(known, Test::Equals(value.clone())).to_string();
        let value = written.split_once(':').map_or(written.as_str(), |(_, value)| value);
        (format!("{name}:{value}"), text::count(*count, "activity", "activities"))
    };
    Ok(counts.iter().filter(fits).map(write).collect())
}

/// The word around `at`, up to white space, parentheses and the like outside quotes.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let mut start = 0;
    let mut is_quoted = false;
    for (place, sign) in text[..at].char_indices() {
        match sign {
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' | '(' | ')' if !is_quoted => start = place + 1,
            _ => {}
        }
    }
    let end = text[at..].find([' ', '\t', '(', ')']).map_or(text.len(), |end| at + end);
    start..end
}

fn byte_of(text: &str, unit: usize) -> usize {
    let mut count = 0;
    for (place, sign) in text.char_indices() {
        if count >= unit {
            return place;
        }
        count += sign.len_utf16();
    }
    text.len()
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word() {
        let check = |text: &str, at: usize, word: &str| assert_eq!(&text[word_at(text, at)], word, "{text} at {at}");
        check("type:a outcome:fai", 18, "outcome:fai");
        check("type:a outcome:fai", 3, "type:a");
        check("(type:a", 7, "type:a");
        check("title:\"two words", 16, "title:\"two words");
        check("a ", 2, "");
        assert_eq!(byte_of("ä😀b", 3), 6);
        assert_eq!(units("ä😀"), 3);
    }

    #[test]
    fn tells_whose_values_are_shown() {
        let field = |uri: &str| field(&uri.parse().unwrap());
        assert_eq!(field("/explore/complete?q=actor%3Aev&at=8").as_deref(), Some("actor"));
        assert_eq!(field("/explore/complete?q=-actor%3A&at=7").as_deref(), Some("actor"));
        for none in ["q=act&at=3", "q=actor%3Aev+x&at=10", "q=nosuch%3Ax&at=8", "at=x", ""] {
            assert_eq!(field(&format!("/explore/complete?{none}")), None, "{none}");
        }
    }

    #[test]
    fn offers_names() {
        let found = names("cat");
        assert_eq!(found[0].0, "category:");
        assert!(names("sso_login").iter().any(|(text, _)| text == "type:sso_login_failed"));
    }
}
