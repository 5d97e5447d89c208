//! The silence between activities: a source that says nothing, a feed that does not answer. An alert while it lasts, and the
//! gap's timeline with what to look at once it has ended.

use auditlake_store::alert::{Alert, Finding, Step};
use jiff::{SignedDuration, Timestamp};

use crate::{
    finding::{self, around, shown},
    pack::Pack,
    rule::{Rule, Triage},
};

/// What is known of a source now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The source.
    pub source: String,
    /// The event time of its newest activity.
    pub newest: Option<Timestamp>,
    /// Since when it is followed.
    pub since: Option<Timestamp>,
    /// Since when the feed has not answered, or has not shown our own requests.
    pub stalled: Option<Timestamp>,
    /// What is wrong with it, in words.
    pub trouble: Option<String>,
}

/// How long silence may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without any activity; `None`: for ever.
    pub silent: Option<SignedDuration>,
    /// Without an answer of the feed; `None`: for ever.
    pub stalled: Option<SignedDuration>,
}

/// The rule for a source without activities.
pub const SILENT: &str = "source-silent";
/// The rule for a feed that does not answer.
pub const STALLED: &str = "feed-stalled";

/// What is to be said now: alerts that begin, and open ones whose silence has ended. `stored` are the alerts of the two rules.
pub fn watch(pack: &Pack, patience: Patience, pulses: &[Pulse], stored: &[Alert], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pulse in pulses {
        let silent = pulse.newest.or(pulse.since).filter(|_| patience.silent.is_some());
        let pairs = [(SILENT, silent, patience.silent), (STALLED, pulse.stalled, patience.stalled)];
        for (rule, since, patience) in pairs {
            let Some(rule) = pack.rules.get(rule).filter(|rule| rule.enabled) else { continue };
            let begun = since.zip(patience).filter(|(since, patience)| now.duration_since(*since) >= *patience);
            let id = begun.map(|(since, _)| finding::id(&rule.id, &pulse.source, since.as_microsecond()));
            if let (Some(id), Some((since, patience))) = (&id, begun)
                && stored.iter().all(|alert| alert.finding.id != *id)
            {
                findings.push(begins(rule, id.clone(), pulse, since, patience));
            }
            let lasting = stored.iter().filter(|alert| {
                alert.finding.rule == rule.id && alert.finding.entity == pulse.source && !has_ended(&alert.finding)
            });
            for alert in lasting.filter(|alert| id.as_ref() != Some(&alert.finding.id)) {
                let end = if rule.id == SILENT { pulse.newest.unwrap_or(now) } else { now };
                findings.push(ended(&alert.finding, end));
            }
        }
    }
    findings
}

/// What a finding's title ends with when its silence has.
const ENDED: &str = " (it has ended)";

fn has_ended(finding: &Finding) -> bool {
    finding.title.ends_with(ENDED)
}

fn begins(rule: &Rule, id: String, pulse: &Pulse, since: Timestamp, patience: SignedDuration) -> Finding {
    let what = match rule.id.as_str() {
        SILENT => "no activities from",
        _ => "the feed does not answer for",
    };
    let mut steps: Vec<Step> = rule
        .more
        .triage
        .iter()
        .map(|step| match step {
            Triage::Text(text) => Step { text: text.clone(), search: None },
            Triage::Link { text, search } => Step { text: text.clone(), search: Some(search.clone()) },
        })
        .collect();
    steps.extend(around(since, None));
    let trouble = pulse.trouble.as_ref().map(|trouble| format!(" {trouble}.")).unwrap_or_default();
    Finding {
        id,
        rule: rule.id.clone(),
        rule_title: rule.title.clone(),
        severity: rule.severity,
        title: format!("{what} {} since {}", pulse.source, shown(since)),
        entity: pulse.source.clone(),
        count: 0,
        first: since,
        last: since.checked_add(patience).unwrap_or(since),
        activities: Vec::new(),
        summary: format!("{}{trouble} {}", rule.description, rule.more.why),
        next_steps: steps,
        false_positives: rule.false_positives.clone(),
        tags: rule.tags.clone(),
        organization: None,
        source: Some(pulse.source.clone()),
        historical: false,
    }
}

fn ended(finding: &Finding, end: Timestamp) -> Finding {
    let mut finding = finding.clone();
    let length = end.duration_since(finding.first);
    let (hours, minutes) = (length.as_hours(), length.as_mins() % 60);
    finding.title.push_str(ENDED);
    finding.summary.push_str(&format!(
        " The gap: from {} to {}, {hours} h {minutes} min. What happened in it may still arrive late; it is then no gap.",
        shown(finding.first),
        shown(end)
    ));
    finding.last = end.max(finding.last);
    finding.next_steps.extend(around(finding.first, Some(end)).into_iter().skip(1));
    finding.next_steps.push(Step {
        text: "Whether logging was switched off and on".to_owned(),
        search: Some("type:org_compliance_api_settings_updated".to_owned()),
    });
    finding
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use auditlake_store::alert::State;

    use super::*;
    use crate::{load::Loaded, pack::builtin};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn stored(finding: Finding) -> Alert {
        Alert {
            finding,
            state: State::Open,
            raised_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            news: 1,
            history: Vec::new(),
        }
    }

    fn patience() -> Patience {
        Patience { silent: Some(SignedDuration::from_hours(24)), stalled: Some(SignedDuration::from_mins(60)) }
    }

    fn pack() -> Arc<Pack> {
        Arc::new(Pack::new(builtin(), Loaded::default()))
    }

    #[test]
    fn a_day_without_activities_is_one_alert_that_ends_with_a_timeline() {
        let pack = pack();
        let newest = time("2026-03-01T10:00:00Z");
        let mut pulse = Pulse { source: "main".into(), newest: Some(newest), ..Pulse::default() };
        let say = |pulse: &Pulse, stored: &[Alert], now: &str| {
            watch(&pack, patience(), std::slice::from_ref(pulse), stored, time(now))
        };
        assert_eq!(say(&pulse, &[], "2026-03-02T09:59:59Z"), []);
        let mut found = say(&pulse, &[], "2026-03-02T10:00:00Z");
        assert_eq!((found.len(), found[0].rule.as_str(), found[0].first), (1, SILENT, newest));
        let alert = stored(found.remove(0));
        assert_eq!(say(&pulse, std::slice::from_ref(&alert), "2026-03-04T10:00:00Z"), [], "said once");
        pulse.newest = Some(time("2026-03-04T11:30:00Z"));
        let ended = say(&pulse, std::slice::from_ref(&alert), "2026-03-04T11:31:00Z").remove(0);
        assert_eq!((&ended.id, ended.last), (&alert.finding.id, time("2026-03-04T11:30:00Z")));
        assert!(
            ended.summary.contains("2026-03-01T10:00:00Z to 2026-03-04T11:30:00Z, 73 h 30 min"),
            "{}",
            ended.summary
        );
        let searches: Vec<&str> = ended.next_steps.iter().filter_map(|step| step.search.as_deref()).collect();
        assert!(searches.contains(&"time:>=2026-03-01T09:00:00Z time:<=2026-03-01T10:00:00Z"), "{searches:?}");
        assert!(searches.contains(&"time:>=2026-03-04T11:30:00Z time:<2026-03-04T12:30:00Z"), "{searches:?}");
        assert_eq!(say(&pulse, &[stored(ended)], "2026-03-04T11:32:00Z"), [], "ended once");
    }

    #[test]
    fn a_source_that_never_said_anything_is_silent_since_it_is_followed() {
        let since = Some(time("2026-03-01T10:00:00Z"));
        let pulse = Pulse { source: "main".into(), since, ..Pulse::default() };
        let found = watch(&pack(), patience(), std::slice::from_ref(&pulse), &[], time("2026-03-02T10:00:01Z"));
        assert_eq!(found.len(), 1);
        let off = Patience { silent: None, stalled: None };
        assert_eq!(watch(&pack(), off, &[pulse], &[], time("2027-01-01T00:00:00Z")), []);
    }

    #[test]
    fn a_feed_that_does_not_answer_is_another_alert() {
        let now = time("2026-03-02T10:00:00Z");
        let stalled = |minutes: i64| Pulse {
            source: "main".into(),
            newest: Some(now),
            stalled: Some(now - SignedDuration::from_mins(minutes)),
            trouble: Some("it answers 503: look at its status page".into()),
            ..Pulse::default()
        };
        assert_eq!(watch(&pack(), patience(), &[stalled(59)], &[], now), []);
        let mut found = watch(&pack(), patience(), &[stalled(60)], &[], now);
        assert_eq!(found[0].rule, STALLED);
        assert!(found[0].summary.contains("it answers 503"), "{}", found[0].summary);
        let alert = stored(found.remove(0));
        let answers = Pulse { stalled: None, ..stalled(0) };
        let ended = watch(&pack(), patience(), &[answers], &[alert], now + SignedDuration::from_mins(5));
        assert!(ended.len() == 1 && has_ended(&ended[0]), "{ended:?}");
        // A rule that is switched off says nothing.
        let switched = "overrides:\n  - {rule: feed-stalled, enabled: false, reason: a test}\n";
        let pack = Pack::new(builtin(), crate::load::read("x.yml", switched, false));
        assert_eq!(watch(&pack, patience(), &[stalled(600)], &[], now), []);
    }
}
