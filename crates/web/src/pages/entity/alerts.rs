//! The alerts of one thing: those about it, those whose title names it, and of an organization those that happened there.

use auditlake_store::{
    Result,
    alert::{AlertLine, AlertQuery},
};

use crate::Site;

/// So many are listed.
pub const LISTED: usize = 20;
/// An organization's are looked for among so many of the newest.
const NEWEST: u64 = 1_000;
/// Shorter names than this are words that may stand in any title.
const SHORTEST: usize = 6;

/// The newest first.
pub async fn about(site: &Site, id: &str, is_organization: bool) -> Result<Vec<AlertLine>> {
    let Some(alerts) = &site.alerts else { return Ok(Vec::new()) };
    let (_, lines) = site.inbox.lines(&**alerts).await?;
    let is_about = |line: &&AlertLine| line.entity == id || (id.len() >= SHORTEST && names(&line.title, id));
    let mut found: Vec<AlertLine> = lines.iter().filter(is_about).take(LISTED).cloned().collect();
    if is_organization {
        // Lists do not say where it happened.
        let query = AlertQuery { limit: Some(NEWEST), ..AlertQuery::default() };
        let there = alerts.alerts(&query).await?;
        let there = there.into_iter().filter(|alert| alert.finding.organization.as_deref() == Some(id)).take(LISTED);
        // The line, and not what becomes of the alert: behind the mask they have different titles.
        let there = there.filter_map(|alert| lines.iter().find(|line| line.id == alert.finding.id));
        found.extend(there.cloned());
        found.sort_by(|a, b| (b.last, &b.id).cmp(&(a.last, &a.id)));
        found.dedup_by(|a, b| a.id == b.id);
        found.truncate(LISTED);
    }
    Ok(found)
}

/// Whether a text names it, and not something longer that begins or ends like it: `10.0.0.12` does not name `10.0.0.1`, nor
/// does `x.ann@example.com` name `ann@example.com`, but the end of a sentence may stand behind it.
fn names(text: &str, id: &str) -> bool {
    let is_part = |sign: char| sign.is_alphanumeric() || sign == '_';
    let joins = |mut signs: &mut dyn Iterator<Item = char>| match signs.next() {
        Some('.' | '-' | '@' | ':' | '/' | '+' | '%') => (&mut signs).next().is_some_and(is_part),
        other => other.is_some_and(is_part),
    };
    text.match_indices(id).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + id.len()..]);
        !joins(&mut before.chars().rev()) && !joins(&mut after.chars())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_the_beginning_of_another() {
        for text in
            ["sign-in from 10.0.0.1", "10.0.0.1 and 10.0.0.12", "it was 10.0.0.1.", "(10.0.0.1)", "10.0.0.1: no"]
        {
            assert!(names(text, "10.0.0.1"), "{text}");
        }
        for text in ["from 10.0.0.12", "from 110.0.0.1", "10.0.0.1.example", "10.0.0.1:8080", "2.10.0.0.1", ""] {
            assert!(!names(text, "10.0.0.1"), "{text}");
        }
        assert!(names("ann@example.com’s key", "ann@example.com"));
        assert!(!names("joe.ann@example.com did it", "ann@example.com"));
        assert!(!names("apikey_01AB", "apikey_01A"));
    }
}
