//! Who is told of what, and when: by severity and rule, at the opening, when it grows by half an order, and when its state changes.

use auditlake_store::{
    alert::{self, ChangeKind, Severity, State},
    outbox::Told,
};
use jiff::{SignedDuration, Timestamp};

use crate::{failure::SettingError, notice::Event};

/// Which alerts go to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The mildest severity that is told.
    pub severity: Severity,
    /// Patterns of rule ids, `*` for any text; with `-` in front: none of these. All rules if there is none without `-`.
    pub rules: Vec<String>,
    /// What happened longer ago is not told when it is found: a past that is read in for the first time calls nobody.
    pub max_age: SignedDuration,
}

impl Default for Route {
    /// Everything from `medium` on that happened within a week.
    fn default() -> Self {
        Route { severity: Severity::Medium, rules: Vec::new(), max_age: SignedDuration::from_hours(7 * 24) }
    }
}

impl Route {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), SettingError> {
        match self.rules.iter().find(|rule| rule.trim_start_matches('-').trim().is_empty()) {
            Some(rule) => Err(SettingError::new(
                format!("rules: {rule:?} names no rule"),
                "write a rule's id, with * for any text; with - in front to leave it out",
            )),
            None => Ok(()),
        }
    }

    fn takes(&self, rule: &str) -> bool {
        let named = |pattern: &str| matches(pattern, rule);
        let (out, of): (Vec<&str>, Vec<&str>) =
            self.rules.iter().map(String::as_str).partition(|rule| rule.starts_with('-'));
        !out.into_iter().any(|pattern| named(&pattern[1..])) && (of.is_empty() || of.into_iter().any(named))
    }

    /// What the destination is to be told of an alert as it stands, given what it was last told.
    pub fn decide(&self, alert: &alert::Alert, told: Option<&Told>, now: Timestamp) -> Option<Event> {
        let found = &alert.finding;
        let Some(told) = told else {
            let is_news = alert.state != State::Closed
                && !found.historical
                && found.severity >= self.severity
                && self.takes(&found.rule)
                && now.duration_since(found.last) <= self.max_age;
            return is_news.then_some(Event::Opened);
        };
        let before: State = told.alert_state.parse().unwrap_or_default();
        if alert.state != before {
            return Some(match alert.state {
                State::Acknowledged => Event::Acknowledged,
                State::Open => Event::Reopened,
                State::Closed => match alert.history.last() {
                    Some(change) if change.what == ChangeKind::Withdrawn || change.who == MACHINE => Event::Ended,
                    _ => Event::Closed,
                },
            });
        }
        let severity: Severity = told.severity.parse().unwrap_or(Severity::Informational);
        let has_grown = found.severity > severity || found.count >= told.count.max(1).saturating_mul(2);
        (alert.state != State::Closed && has_grown).then_some(Event::Updated)
    }
}

/// Who acts when no person does.
pub(crate) const MACHINE: &str = "auditlake";

/// Whether the text is as the pattern says, `*` standing for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.trim().split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alert;

    fn told(severity: &str, state: &str, count: u64) -> Option<Told> {
        Some(Told {
            destination: "chat".into(),
            alert: "a1".into(),
            severity: severity.into(),
            alert_state: state.into(),
            count,
        })
    }

    #[test]
    fn patterns_of_rules() {
        for (pattern, text, expected) in [
            ("sso_off", "sso_off", true),
            ("sso_off", "sso_off_2", false),
            ("*", "", true),
            ("sso_*", "sso_off", true),
            ("*key*", "api_key_new", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        let takes = |rules: &[&str], rule| {
            Route { rules: rules.iter().map(|rule| (*rule).to_owned()).collect(), ..Route::default() }.takes(rule)
        };
        assert!(takes(&[], "a") && takes(&["-b*"], "a") && !takes(&["-b*"], "bc") && !takes(&["a*", "-ab"], "ab"));
        assert!(takes(&["a*", "-ab"], "ac") && !takes(&["a*"], "b"));
    }

    #[test]
    fn opens_once_and_only_what_it_takes() {
        let alert = alert();
        let now = alert.finding.last;
        let decide = |route: &Route, alert: &alert::Alert| route.decide(alert, None, now);
        let route = Route::default();
        assert_eq!(decide(&route, &alert), Some(Event::Opened));
        assert_eq!(decide(&Route { severity: Severity::Critical, ..route.clone() }, &alert), None);
        assert_eq!(decide(&Route { rules: vec!["other".into()], ..route.clone() }, &alert), None);
        assert_eq!(route.decide(&alert, None, now + SignedDuration::from_hours(24 * 8)), None);
        let mut historical = alert.clone();
        historical.finding.historical = true;
        assert_eq!(decide(&route, &historical), None);
        let mut closed = alert.clone();
        closed.state = State::Closed;
        assert_eq!(decide(&route, &closed), None);
    }

    #[test]
    fn tells_when_it_grows_or_changes() {
        let mut alert = alert();
        (alert.finding.severity, alert.finding.count) = (Severity::High, 7);
        let now = alert.finding.last;
        let route = Route { severity: Severity::Critical, ..Route::default() };
        let decide = |alert: &alert::Alert, told: Option<Told>| route.decide(alert, told.as_ref(), now);
        assert_eq!(decide(&alert, told("high", "open", 4)), None);
        assert_eq!(decide(&alert, told("high", "open", 3)), Some(Event::Updated));
        assert_eq!(decide(&alert, told("medium", "open", 7)), Some(Event::Updated));
        assert_eq!(decide(&alert, told("high", "closed", 7)), Some(Event::Reopened));
        alert.state = State::Acknowledged;
        assert_eq!(decide(&alert, told("high", "open", 7)), Some(Event::Acknowledged));
        assert_eq!(decide(&alert, told("high", "acknowledged", 7)), None);
        alert.state = State::Closed;
        assert_eq!(decide(&alert, told("high", "open", 1)), Some(Event::Closed));
        assert_eq!(decide(&alert, told("high", "closed", 1)), None);
        let change = |what, who: &str| alert::Change { at: now, who: who.into(), what, note: None };
        alert.history = vec![change(ChangeKind::Closed, MACHINE)];
        assert_eq!(decide(&alert, told("high", "open", 1)), Some(Event::Ended));
    }
}
