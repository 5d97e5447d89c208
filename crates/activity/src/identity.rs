//! Who acted, as one name: a key has one under both of its spellings, and a placeholder has none.

use std::borrow::Cow;

use crate::{Enrichment, PersonPart, Record};

/// The spellings of a key's id; what follows is the same in both.
pub const KEY_PREFIXES: [&str; 2] = ["admin_api_key_", "apikey_"];

/// Texts that stand where no id or address is known, in lower case.
pub const PLACEHOLDERS: [&str; 7] = ["", "-", "n/a", "none", "null", "undefined", "unknown"];

/// Domains, and what is below them, that nobody has, in lower case.
pub const PLACEHOLDER_DOMAINS: [&str; 2] = ["invalid", "invalid.internal"];

/// The members of an actor that name neither a person nor a key, the more telling one first.
pub const OTHER_IDENTITIES: [&str; 6] =
    ["service_account_id", "directory_id", "external_client_id", "subject", "service", "unauthenticated_email_address"];

/// One name for whoever acted, however the activity spells it; `None` if it tells nobody.
///
/// A person is known by the user id that the directory gives, else by the activity's, else by the e-mail address in lower
/// case; a key as `apikey_…`; all others by their id.
pub fn identity<'a>(record: &'a Record, enrichment: &'a Enrichment) -> Option<Cow<'a, str>> {
    let actor = &record.activity.actor;
    let in_directory = enrichment.person.as_deref().and_then(|person| PersonPart::UserId.of(person));
    let id = |name: &str| actor.text(name).filter(|text| !is_placeholder(text));
    if let Some(id) = in_directory.or_else(|| id("user_id")) {
        return Some(Cow::Borrowed(id));
    }
    if let Some(email) = id("email_address") {
        return Some(lower(email));
    }
    if let Some(key) = id("admin_api_key_id").or_else(|| id("api_key_id")) {
        return Some(key_identity(key));
    }
    let (name, id) = OTHER_IDENTITIES.into_iter().find_map(|wanted| {
        let other = record.actor_other.iter().find(|(name, id)| name == wanted && !is_placeholder(id))?;
        Some((wanted, &*other.1))
    })?;
    Some(if name == "unauthenticated_email_address" { lower(id) } else { Cow::Borrowed(id) })
}

/// The one spelling of a key's id.
pub fn key_identity(key: &str) -> Cow<'_, str> {
    match key.strip_prefix(KEY_PREFIXES[0]) {
        Some(rest) => Cow::Owned(format!("{}{rest}", KEY_PREFIXES[1])),
        None => Cow::Borrowed(key),
    }
}

/// Whether a text is written where no id or address is known.
pub fn is_placeholder(text: &str) -> bool {
    if PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(text)) {
        return true;
    }
    let Some((_, domain)) = text.rsplit_once('@') else { return false };
    PLACEHOLDER_DOMAINS.iter().any(|none| {
        let start = domain.len().checked_sub(none.len());
        start.is_some_and(|start| {
            domain.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(none))
                && (start == 0 || domain.as_bytes()[start - 1] == b'.')
        })
    })
}

/// In ASCII lower case.
fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activity, join_parts};

    fn of(actor: &str, person: Option<&str>) -> Option<String> {
        let text = format!(r#"{{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"t","actor":{actor}}}"#);
        let activity = Activity::parse_str(&text).unwrap();
        let enrichment = Enrichment { person: person.map(Into::into), ..Enrichment::default() };
        identity(&Record::of(&activity), &enrichment).map(Cow::into_owned)
    }

    #[test]
    fn stitches() {
        for (actor, identity) in [
            (r#"{"api_key_id":"apikey_01A"}"#, Some("apikey_01A")),
            (r#"{"admin_api_key_id":"admin_api_key_01A"}"#, Some("apikey_01A")),
            (r#"{"email_address":"A@Example.com"}"#, Some("a@example.com")),
            (r#"{"email_address":"unknown@invalid.internal","user_id":"user_1"}"#, Some("user_1")),
            (r#"{"email_address":"unknown@invalid.internal","user_id":"unknown"}"#, None),
            (r#"{"email_address":"x@mail.INVALID","service_account_id":"svac_1"}"#, Some("svac_1")),
            (r#"{"unauthenticated_email_address":"B@example.com"}"#, Some("b@example.com")),
            (r#"{"type":"anthropic_actor","email_address":null}"#, None),
        ] {
            assert_eq!(of(actor, None).as_deref(), identity, "{actor}");
        }
        let person = join_parts(["user_7", "Name", "", "", ""]).unwrap();
        for actor in
            [r#"{"email_address":"a@example.com","user_id":"user_7"}"#, r#"{"unauthenticated_email_address":"a@b.c"}"#]
        {
            assert_eq!(of(actor, Some(&person)).as_deref(), Some("user_7"), "{actor}");
        }
    }

    #[test]
    fn tells_placeholders() {
        for text in ["", "Unknown", "unknown@invalid.internal", "a@INVALID", "a@b.invalid", "n/a"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["a@valid.internal", "a@notinvalid", "a@xinvalid.internal", "user_unknown", "a@\u{fc}invalid"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
