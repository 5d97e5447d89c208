//! What is told: an alert as it stood, and what happened to it.
//!
//! A notice is plain data. It is written into the queue as JSON when the alert changes, and every destination makes its own
//! payload of it; a program that gets it (webhook, file, standard output) gets just this JSON. Whatever comes in is bounded here
//! first, so that no queue holds a megabyte of title.

use auditlake_store::alert::{self, Severity, State, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::route::MACHINE;

/// What happened to the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It is new.
    Opened,
    /// It has grown, or become worse.
    Updated,
    /// Somebody is looking at it.
    Acknowledged,
    /// Somebody has dealt with it.
    Closed,
    /// It was closed, and it goes on.
    Reopened,
    /// What it told of has ended by itself, as a silence does.
    Ended,
    /// Nothing happened: somebody tries the destination.
    Test,
}

impl Event {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Opened => "opened",
            Event::Updated => "updated",
            Event::Acknowledged => "acknowledged",
            Event::Closed => "closed",
            Event::Reopened => "reopened",
            Event::Ended => "ended",
            Event::Test => "test",
        }
    }
}

/// An alert as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id, the same in every notice.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub rule_title: String,
    /// How bad it is.
    pub severity: Severity,
    /// What people have made of it.
    pub state: State,
    /// What happened, in a line.
    pub title: String,
    /// Whom or what it is about.
    pub entity: String,
    /// How many activities belong to it.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// Ids of activities that belong to it, [`Notice::ACTIVITIES`] at most.
    pub activities: Vec<String>,
    /// What it means, in a few sentences.
    pub summary: String,
    /// What to do.
    pub next_steps: Vec<Step>,
    /// MITRE ATT&CK techniques and tactics.
    pub mitre: Vec<String>,
    /// Where it can be looked at.
    pub link: Option<String>,
    /// The source that its activities came from.
    pub source: Option<String>,
    /// The organization that its activities belong to.
    pub organization: Option<String>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// Who did it, if a person did.
    pub by: Option<String>,
    /// What they wrote.
    pub note: Option<String>,
    /// The alert then.
    pub alert: Alert,
}

impl Notice {
    /// So many activity ids go along; the count tells of all.
    pub const ACTIVITIES: usize = 100;

    /// What is told of an alert as it stands; `link` is the address of the page.
    pub fn of(alert: &alert::Alert, event: Event, link: Option<&str>) -> Notice {
        let found = &alert.finding;
        let deed = match event {
            Event::Acknowledged | Event::Closed | Event::Reopened | Event::Ended => alert.history.last(),
            Event::Opened | Event::Updated | Event::Test => None,
        };
        let link = link.map(|link| format!("{}/alerts/{}", link.trim_end_matches('/'), found.id));
        let notice = Notice {
            event,
            at: alert.changed_at,
            by: deed.map(|change| change.who.clone()).filter(|who| who != MACHINE),
            note: deed.and_then(|change| change.note.clone()),
            alert: Alert {
                id: found.id.clone(),
                rule: found.rule.clone(),
                rule_title: found.rule_title.clone(),
                severity: found.severity,
                state: alert.state,
                title: found.title.clone(),
                entity: found.entity.clone(),
                count: found.count,
                first: found.first,
                last: found.last,
                activities: found.activities.iter().take(Self::ACTIVITIES).cloned().collect(),
                summary: found.summary.clone(),
                next_steps: found.next_steps.clone(),
                mitre: found.techniques(),
                link,
                source: found.source.clone(),
                organization: found.organization.clone(),
            },
        };
        notice.bounded()
    }

    /// The same with every text cut to what anybody reads: characters stay as they are.
    pub fn bounded(mut self) -> Notice {
        let alert = &mut self.alert;
        for (text, most) in [
            (&mut alert.id, 255),
            (&mut alert.rule, 255),
            (&mut alert.rule_title, 500),
            (&mut alert.title, 1_000),
            (&mut alert.entity, 500),
            (&mut alert.summary, 8_000),
        ] {
            cut(text, most);
        }
        for (list, items, most) in [(&mut alert.activities, Self::ACTIVITIES, 200), (&mut alert.mitre, 20, 100)] {
            list.truncate(items);
            list.iter_mut().for_each(|text| cut(text, most));
        }
        alert.next_steps.truncate(20);
        for step in &mut alert.next_steps {
            cut(&mut step.text, 1_000);
            step.search = step.search.take().filter(|search| search.len() <= 1_000);
        }
        for (text, most) in
            [(&mut alert.source, 255), (&mut alert.organization, 255), (&mut self.by, 255), (&mut self.note, 2_000)]
        {
            text.iter_mut().for_each(|text| cut(text, most));
        }
        // Half an address leads somewhere else.
        alert.link = alert.link.take().filter(|link| link.len() <= 2_000);
        self
    }

    /// What happened, in two words at most.
    pub(crate) fn what(&self) -> &'static str {
        match self.event {
            Event::Opened => "New alert",
            Event::Updated => "Alert updated",
            Event::Acknowledged => "Alert acknowledged",
            Event::Closed => "Alert closed",
            Event::Reopened => "Alert reopened",
            Event::Ended => "Alert ended",
            Event::Test => "Test message",
        }
    }

    /// Who did what, if a person did, with the note.
    pub(crate) fn deed(&self) -> Option<String> {
        let note = self.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        match &self.by {
            Some(by) => Some(format!("{} by {by}{note}", self.event.as_str())),
            None => self.note.clone(),
        }
    }

    /// What the alert says of itself, as name and value, in the order in which people ask.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let alert = &self.alert;
        let mut facts = vec![("Severity", alert.severity.as_str().to_owned())];
        if !alert.entity.is_empty() {
            facts.push(("About", alert.entity.clone()));
        }
        facts.push(("Activities", alert.count.to_string()));
        facts.push(("First", time(alert.first)));
        facts.push(("Last", time(alert.last)));
        facts.push(("Rule", format!("{} ({})", alert.rule_title, alert.rule)));
        facts.extend(alert.organization.clone().map(|organization| ("Organization", organization)));
        facts.extend(alert.source.clone().map(|source| ("Source", source)));
        if !alert.mitre.is_empty() {
            facts.push(("ATT&CK", alert.mitre.join(", ")));
        }
        facts.push(("State", alert.state.as_str().to_owned()));
        facts
    }

    /// A notice that tells of nothing, for trying a destination.
    pub fn test(at: Timestamp) -> Notice {
        Notice {
            event: Event::Test,
            at,
            by: None,
            note: None,
            alert: Alert {
                id: "test".to_owned(),
                rule: "test".to_owned(),
                rule_title: "Test message".to_owned(),
                severity: Severity::Informational,
                state: State::Closed,
                title: "Auditlake can reach this destination".to_owned(),
                entity: String::new(),
                count: 0,
                first: at,
                last: at,
                activities: Vec::new(),
                summary: "Somebody ran `auditlake check`. Nothing happened, and there is nothing to do.".to_owned(),
                next_steps: Vec::new(),
                mitre: Vec::new(),
                link: None,
                source: None,
                organization: None,
            },
        }
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        let at = text[..at].char_indices().next_back().map_or(0, |(at, _)| at);
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded() {
        let mut notice = Notice::test(Timestamp::UNIX_EPOCH);
        let long = "é".repeat(1 << 20);
        let alert = &mut notice.alert;
        for text in [&mut alert.title, &mut alert.entity, &mut alert.summary, &mut alert.rule, &mut alert.id] {
            text.clone_from(&long);
        }
        alert.activities = vec![long.clone(); 200];
        alert.next_steps = vec![Step { text: long.clone(), search: Some(long.clone()) }; 30];
        alert.link = Some(format!("https://a.example/{long}"));
        notice.note = Some(long);
        let bounded = notice.bounded();
        assert_eq!((bounded.alert.title.chars().count(), bounded.alert.link.clone()), (1_000, None));
        assert!(serde_json::to_string(&bounded).unwrap().len() < 200 << 10);
        let again = bounded.clone().bounded();
        assert_eq!(again, bounded);
    }
}
