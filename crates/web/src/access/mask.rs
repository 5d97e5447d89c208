//! The mask: e-mail addresses and IP addresses become names that stand for them, titles become nothing.
//!
//! A name is the same for the same address for as long as the service runs, so that a viewer can follow one person through
//! the pages without knowing who it is: a filter with that name finds what a filter with the address would.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use auditlake_store::filter::{Field, Filter, Test};
use ring::hmac;
use serde_json::Value;

use super::{hex, random};

/// In the place of a title.
pub const HIDDEN: &str = "[hidden]";
/// So many names are remembered with what they stand for.
const NAMES: usize = 500_000;
/// What names begin with.
const PERSON: &str = "person-";
const ADDRESS: &str = "address-";

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
        let name = format!("{prefix}{}", hex(&sign.as_ref()[..5]));
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
                let member = |(name, value): (String, Value)| {
                    let value = match value {
                        Value::String(text) if is_title(&name) && !text.is_empty() => HIDDEN.into(),
                        Value::Array(list) if is_title(&name) && !list.is_empty() => HIDDEN.into(),
                        // A change of a title: `{"previous": …, "new": …}`.
                        Value::Object(inner) if is_title(&name) => inner
                            .into_iter()
                            .map(|(name, value)| (name, if value.is_null() { value } else { HIDDEN.into() }))
                            .collect(),
                        other => self.value(other),
                    };
                    (self.text(&name).into_owned(), value)
                };
                Value::Object(members.into_iter().map(member).collect())
            }
            other => other,
        }
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
    ) || ["_name", "_title", "_description", "_filename", "_prompt", "Name", "Title"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Whether what is counted by this column is what people named something.
pub fn is_title_column(column: &str) -> bool {
    column.strip_prefix("raw.").is_some_and(is_title)
        || matches!(column, "name" | "manager" | "personName" | "actorName")
}

/// Whether a field of a filter is what people named something: a viewer could guess it sign by sign.
pub fn asks_for_title(filter: &Filter) -> bool {
    match filter {
        Filter::And(list) | Filter::Or(list) => list.iter().any(asks_for_title),
        Filter::Not(inner) => asks_for_title(inner),
        Filter::Test { field: Field::Raw(path), .. } => path.last().is_some_and(|name| is_title(name)),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn hides_addresses_and_nothing_else() {
        let mask = Mask::new();
        let eve = mask.text("eve@example.com").into_owned();
        assert!(eve.starts_with(PERSON) && eve.len() == PERSON.len() + 10, "{eve}");
        assert_eq!(mask.text("Eve@Example.com (eve@example.com)"), format!("{eve} ({eve})"));
        assert_eq!(mask.text("/person/eve%40example.com?x=1"), format!("/person/{eve}?x=1"));
        assert_eq!(mask.text("https://h/x?user=eve@example.com&y"), format!("https://h/x?user={eve}&y"));
        let here = mask.text("192.0.2.7").into_owned();
        assert!(here.starts_with(ADDRESS), "{here}");
        assert_eq!(mask.text("from 192.0.2.7:443, 192.0.2.7."), format!("from {here}:443, {here}."));
        assert!(!mask.text("at [2001:db8::1]:80").contains("2001:db8"));
        assert!(!mask.text("::ffff:192.0.2.7").contains("192.0.2.7"));
        for same in [
            "",
            "@",
            "a @ b",
            "12:34:56",
            "2026-04-10T08:09:10Z",
            "Mozilla/5.0 Chrome/131.0.0.0 Safari/537.36",
            "1.2.3",
            "activity_01ab:cd",
            "sk-ant-api01",
        ] {
            assert_eq!(mask.text(same), same);
        }
        assert_eq!(mask.real(&eve), "eve@example.com");
        assert_eq!(mask.real("person-0000000000"), "person-0000000000");
    }

    #[test]
    fn hides_titles() {
        let mask = Mask::new();
        let raw = r#"{"id":"a_1","name":"Plan B","updates":[{"type":"name","title":{"previous":"x","new":"y"}}],"actor":{"email_address":"e@x.io","ip_address":"192.0.2.1"},"count":3}"#;
        let masked = mask.raw(raw);
        for hidden in ["Plan B", "e@x.io", "192.0.2.1", "\"x\"", "\"y\""] {
            assert!(!masked.contains(hidden), "{masked}");
        }
        assert!(masked.contains(r#""id":"a_1""#) && masked.contains(r#""count":3"#), "{masked}");
        assert_eq!(mask.raw("no json"), HIDDEN);
    }

    #[test]
    fn names_find_what_they_stand_for() {
        let mask = Mask::new();
        let name = mask.text("eve@example.com").into_owned();
        let filter = auditlake_store::filter::parse(&format!("type:a -actor:{name}")).unwrap();
        assert_eq!(mask.real_filter(&filter), auditlake_store::filter::parse("type:a -actor:eve@example.com").unwrap());
        assert!(asks_for_title(&auditlake_store::filter::parse("-(updates.name:a*)").unwrap()));
    }
}
