//! The mask: e-mail addresses and IP addresses become names that stand for them, titles become nothing.
//!
//! A name is the same for the same address for as long as the service runs, so that a viewer can follow one person through
//! the pages without knowing who it is: a filter with that name finds what a filter with the address would.

mod question;

use std::{
    borrow::Cow,
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use activity::catalog;
use auditlake_store::filter::{Filter, Test};
use ring::hmac;
use serde_json::{Map, Value};

use super::{hex, random};

pub use question::{is_hidden_path, refusal};

/// In the place of a title.
pub const HIDDEN: &str = "[hidden]";
/// So many names are remembered with what they stand for.
const NAMES: usize = 500_000;
/// What names begin with, and how many signs follow.
const PERSON: &str = "person-";
const ADDRESS: &str = "address-";
const SIGNS: usize = 10;

/// What hides.
pub struct Mask {
    key: hmac::Key,
    names: Mutex<HashMap<String, String>>,
}

impl Mask {
    pub fn new() -> Mask {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random().unwrap_or_default());
        Mask { key, names: Mutex::default() }
    }

    fn name(&self, prefix: &str, real: &str) -> String {
        let sign = hmac::sign(&self.key, real.to_lowercase().as_bytes());
        let name = format!("{prefix}{}", hex(&sign.as_ref()[..SIGNS / 2]));
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES && !names.contains_key(&name) {
            names.insert(name.clone(), real.to_owned());
        }
        name
    }

    /// What a name stands for; the text itself if it is none.
    pub fn real(&self, text: &str) -> String {
        if !text.starts_with(PERSON) && !text.starts_with(ADDRESS) {
            return text.to_owned();
        }
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned().unwrap_or_else(|| text.to_owned())
    }

    /// A text with what the names in it stand for.
    pub fn reveal(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = [PERSON, ADDRESS].iter().filter_map(|prefix| rest.find(prefix)).min() {
            let prefix = if rest[at..].starts_with(PERSON) { PERSON } else { ADDRESS };
            let signs = rest[at + prefix.len()..].bytes().take(SIGNS).take_while(u8::is_ascii_hexdigit).count();
            let end = at + prefix.len() + signs;
            out.push_str(&rest[..at]);
            out.push_str(&self.real(&rest[at..end]));
            rest = &rest[end..];
        }
        out + rest
    }

    /// A filter that asks for what names stand for.
    pub fn real_filter(&self, filter: &Filter) -> Filter {
        match filter {
            Filter::And(list) => Filter::And(list.iter().map(|one| self.real_filter(one)).collect()),
            Filter::Or(list) => Filter::Or(list.iter().map(|one| self.real_filter(one)).collect()),
            Filter::Not(inner) => Filter::Not(Box::new(self.real_filter(inner))),
            Filter::Test { field, test: Test::Equals(text) } => {
                Filter::Test { field: field.clone(), test: Test::Equals(self.real(text)) }
            }
            other => other.clone(),
        }
    }

    /// A text without addresses.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let after = self.mails(text);
        match self.addresses(&after) {
            Some(masked) => Cow::Owned(masked),
            None => after,
        }
    }

    fn mails<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = String::new();
        let mut done = 0;
        while let Some((at, sign)) = sign(text, done) {
            let is_local = |sign: char| sign.is_alphanumeric() || "!#$&'*+-/=?^_`{|}~.%".contains(sign);
            let is_domain = |sign: char| sign.is_alphanumeric() || matches!(sign, '-' | '.' | '[' | ']' | ':' | '_');
            let before = &text[done..at];
            let begin = at - before.chars().rev().take_while(|&sign| is_local(sign)).map(char::len_utf8).sum::<usize>();
            let rest = &text[at + sign..];
            let end = at + sign + rest.chars().take_while(|&sign| is_domain(sign)).map(char::len_utf8).sum::<usize>();
            let is_mail = begin < at && end > at + sign;
            if is_mail {
                // In an address of a page, what stands before is no part of it.
                let begin = begin + text[begin..at].rfind(['/', '=', '?', '&', '\'']).map_or(0, |at| at + 1);
                out.push_str(&text[done..begin]);
                out.push_str(&self.name(PERSON, &text[begin..end].replace("%40", "@")));
            } else {
                out.push_str(&text[done..end.max(at + sign)]);
            }
            done = end.max(at + sign);
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }

    fn addresses(&self, text: &str) -> Option<String> {
        let is_part = |sign: char| sign.is_ascii_hexdigit() || matches!(sign, '.' | ':');
        let mut out = String::new();
        let (mut done, mut at) = (0, 0);
        while let Some(begin) = text[at..].find(is_part).map(|found| at + found) {
            let length: usize = text[begin..].chars().take_while(|&sign| is_part(sign)).count();
            let (word, end) = (&text[begin..begin + length], begin + length);
            at = end;
            let is_joined = text[..begin].chars().next_back().is_some_and(|sign| sign.is_alphanumeric());
            if is_joined || length < 3 {
                continue;
            }
            let Some(address) = longest_address(word) else { continue };
            // The versions of browsers look like addresses: `Chrome/131.0.0.0`.
            if address.ends_with(".0.0.0") && text[..begin].ends_with('/') {
                continue;
            }
            out.push_str(&text[done..begin]);
            out.push_str(&self.name(ADDRESS, address));
            done = begin + address.len();
        }
        (done > 0).then(|| out + &text[done..])
    }

    /// An activity's JSON, without addresses and titles.
    pub fn raw(&self, raw: &str) -> String {
        match serde_json::from_str::<Value>(raw) {
            Ok(value) => self.value(value).to_string(),
            // What is no JSON cannot be told from a title.
            Err(_) => HIDDEN.to_owned(),
        }
    }

    /// Every text of a value, those that are titles by their names hidden.
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(list) => list.into_iter().map(|one| self.value(one)).collect(),
            Value::Object(members) => {
                let is_renaming = is_renaming(&members);
                let member = |(name, value): (String, Value)| {
                    let is_hidden = is_title(&name) || (is_renaming && name != "type");
                    let value = if is_hidden { hidden(value) } else { self.value(value) };
                    (self.text(&name).into_owned(), value)
                };
                Value::Object(members.into_iter().map(member).collect())
            }
            other => other,
        }
    }
}

/// In the place of a value that tells what people named something.
fn hidden(value: Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() => HIDDEN.into(),
        Value::Array(list) if !list.is_empty() => HIDDEN.into(),
        // A change of a title: `{"previous": …, "new": …}`.
        Value::Object(inner) => {
            inner.into_iter().map(|(name, value)| (name, if value.is_null() { value } else { HIDDEN.into() })).collect()
        }
        other => other,
    }
}

/// Whether members tell how something was named: `{"type": "name", "previous_value": …, "current_value": …}`. The contract lets
/// the type of an organization's change be left out: then nobody can tell what was changed.
fn is_renaming(members: &Map<String, Value>) -> bool {
    match members.get("type").and_then(Value::as_str) {
        // Beside its actor stands an activity's own type.
        Some(kind) => is_title(kind) && !members.contains_key("actor"),
        None => members.contains_key("previous_value") && members.contains_key("current_value"),
    }
}

/// The next `@`, or what stands for it in the address of a page, at or after `from`: where, and how long.
fn sign(text: &str, from: usize) -> Option<(usize, usize)> {
    let plain = text[from..].find('@').map(|at| (from + at, 1));
    let coded = text[from..].find("%40").map(|at| (from + at, 3));
    match (plain, coded) {
        (Some(plain), Some(coded)) => Some(plain.min(coded)),
        (one, other) => one.or(other),
    }
}

/// The longest beginning of a word that is an address.
fn longest_address(word: &str) -> Option<&str> {
    let is_likely = word.matches('.').count() >= 3 || word.matches(':').count() >= 2;
    let ends = is_likely.then(|| (3..=word.len()).rev()).into_iter().flatten();
    ends.map(|end| &word[..end]).find(|word| word.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified()))
}

/// Whether a member of an activity holds what people named something.
pub fn is_title(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name);
    matches!(
        name,
        "title"
            | "name"
            | "filename"
            | "fileName"
            | "description"
            | "summary"
            | "prompt"
            | "content"
            | "text"
            | "given"
            | "family"
            | "label"
            | "slug"
            | "slack_alias"
            | "github_username"
    ) || ["_name", "_title", "_description", "_filename", "_prompt", "Name", "Title"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Whether a type of activity is done to something that it names as people do: a plugin, a repository.
pub fn is_done_to_title(kind: &str) -> bool {
    catalog::get(kind).and_then(|info| info.target.as_deref()).is_some_and(is_title)
}

/// Whether a text is made like an id, with digits behind an underscore, or like a UUID: what is not may be a name that people gave.
pub fn is_id(text: &str) -> bool {
    let is_word = |text: &str| text.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-'));
    let is_uuid = text.len() == 36 && text.matches('-').count() == 4;
    let is_made = text.rsplit_once('_').is_some_and(|(_, end)| end.contains(|sign: char| sign.is_ascii_digit()));
    is_word(text) && (is_uuid || is_made)
}

/// Whether what is counted by this column is what people named something.
pub fn is_title_column(column: &str) -> bool {
    match column.strip_prefix("raw.") {
        Some(path) => is_hidden_path(path.split('.')),
        None => matches!(column, "name" | "manager" | "personName" | "actorName"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
