//! Alerts: what detection found, what people did about it, and what an engine must do to keep both.
//!
//! The machine's part of an alert ([`Finding`]) is computed from the stored activities and replaced as a whole whenever they say
//! something else. People's part (state, notes) is only ever added to. Both meet in [`Alert`].

use std::{collections::BTreeMap, fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{Result, Rows, Seqs, Window};

/// How much an alert matters. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Worth a look when there is time.
    Low,
    /// Worth a look today.
    #[default]
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

/// What people have made of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has said anything yet, or there is news since.
    #[default]
    Open,
    /// Somebody looks at it.
    Acknowledged,
    /// Somebody is done with it.
    Closed,
}

macro_rules! spelled {
    ($name:ident, $($variant:ident = $text:literal),+) => {
        impl $name {
            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(format!("{text:?} is none of {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}
spelled!(
    Severity,
    Informational = "informational",
    Low = "low",
    Medium = "medium",
    High = "high",
    Critical = "critical"
);
spelled!(State, Open = "open", Acknowledged = "acknowledged", Closed = "closed");
spelled!(
    ChangeKind,
    Raised = "raised",
    Acknowledged = "acknowledged",
    Closed = "closed",
    Reopened = "reopened",
    Noted = "noted",
    Withdrawn = "withdrawn"
);

/// Something to do about an alert.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Step {
    /// What to do. Names in it come from activities: hostile, as any text of strangers.
    pub text: String,
    /// A filter for the Explorer that shows what to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// What was found: the machine's part of an alert. Every text may hold what strangers wrote, and is to be escaped by
/// whoever shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// From rule, entity and stretch of time alone; the same in every reading of the same activities.
    pub id: String,
    /// The rule's ID.
    pub rule: String,
    /// The rule's title.
    pub rule_title: String,
    /// How much it matters.
    pub severity: Severity,
    /// What happened, in a line.
    pub title: String,
    /// Whom or what it is about.
    pub entity: String,
    /// The number of activities that are evidence.
    pub count: u64,
    /// The time of the first of them.
    pub first: Timestamp,
    /// The time of the last of them.
    pub last: Timestamp,
    /// Their ids, the oldest first, at most [`Finding::MAX_ACTIVITIES`].
    pub activities: Vec<String>,
    /// What happened and why it matters, in a few sentences.
    pub summary: String,
    /// What to do, in order.
    pub next_steps: Vec<Step>,
    /// When it is nothing.
    pub false_positives: Vec<String>,
    /// Sigma's tags, such as `attack.t1556`.
    pub tags: Vec<String>,
    /// The organization that the first activity belongs to.
    pub organization: Option<String>,
    /// The source that the first activity came from.
    pub source: Option<String>,
    /// Whether it happened before its source was followed: found while the past was read. Nobody is called for it.
    pub historical: bool,
}

impl Finding {
    /// So many activities are listed; `count` counts on.
    pub const MAX_ACTIVITIES: usize = 200;

    /// The MITRE ATT&CK techniques among the tags, as `T1556`, `T1078.004`.
    pub fn techniques(&self) -> Vec<String> {
        let technique = |tag: &String| {
            let name = tag.strip_prefix("attack.t")?;
            name.starts_with(|sign: char| sign.is_ascii_digit()).then(|| format!("T{name}"))
        };
        self.tags.iter().filter_map(technique).collect()
    }
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Detection raised it.
    Raised,
    /// Somebody looks at it.
    Acknowledged,
    /// Somebody is done with it.
    Closed,
    /// News came after it was closed, or somebody opened it again.
    Reopened,
    /// Somebody wrote something down.
    Noted,
    /// Activities that came later explain it: it is no alert any more, and kept as people have dealt with it.
    Withdrawn,
}

/// Who did what to an alert, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who: a person's name, or `auditlake`.
    pub who: String,
    /// What.
    pub what: ChangeKind,
    /// In their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// What people have made of it.
    pub state: State,
    /// When it was raised, by this machine's clock.
    pub raised_at: Timestamp,
    /// When anything of it last changed, by this machine's clock.
    pub changed_at: Timestamp,
    /// The number of that change; see [`Alerts::news`].
    pub news: u64,
    /// Who did what, the oldest first.
    pub history: Vec<Change>,
}

/// An alert in a list: what can be told of it without reading all of what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLine {
    /// As [`Finding::id`].
    pub id: String,
    /// As [`Finding::rule`].
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What people have made of it.
    pub state: State,
    /// What happened, in a line. Hostile, as any text of strangers.
    pub title: String,
    /// Whom or what it is about.
    pub entity: String,
    /// The number of activities that are evidence.
    pub count: u64,
    /// The time of the first of them.
    pub first: Timestamp,
    /// The time of the last of them.
    pub last: Timestamp,
    /// As [`Finding::historical`].
    pub historical: bool,
    /// When it was raised, by this machine's clock.
    pub raised_at: Timestamp,
    /// When anything of it last changed, by this machine's clock.
    pub changed_at: Timestamp,
}

impl From<Alert> for AlertLine {
    fn from(alert: Alert) -> AlertLine {
        let Alert { finding, state, raised_at, changed_at, .. } = alert;
        let Finding { id, rule, severity, title, entity, count, first, last, historical, .. } = finding;
        AlertLine { id, rule, severity, state, title, entity, count, first, last, historical, raised_at, changed_at }
    }
}

/// What a subscriber has made of the commits up to a number.
#[derive(Debug, Clone, Default)]
pub struct Detected {
    /// The subscriber's name.
    pub subscriber: String,
    /// The number of the last commit that it has dealt with.
    pub seq: u64,
    /// Alerts that are new or say something else.
    pub findings: Vec<Finding>,
    /// The ids of alerts that are none any more.
    pub withdrawn: Vec<String>,
}

/// Which alerts to give, the newest `last` first.
#[derive(Debug, Clone, Default)]
pub struct AlertQuery {
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only of at least this severity.
    pub severity: Option<Severity>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only about this entity.
    pub entity: Option<String>,
    /// Only with evidence at or after, and before.
    pub window: Window,
    /// Only what changed after this number, the first change first.
    pub after_news: Option<u64>,
    /// At most so many; all if `None`.
    pub limit: Option<u64>,
}

/// What somebody does to an alert.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who.
    pub who: String,
    /// What; not `Raised` or `Withdrawn`, which are detection's.
    pub what: ChangeKind,
    /// In their words.
    pub note: Option<String>,
}

/// Keeps alerts.
#[async_trait]
pub trait Alerts: Send + Sync + 'static {
    /// The number of the last commit that a subscriber has dealt with, 0 at first.
    async fn position(&self, subscriber: &str) -> Result<u64>;

    /// Stores what was found and the subscriber's position in one transaction. Answers the alerts that changed by it.
    ///
    /// A finding that says what is stored already changes nothing. One with more evidence opens a closed alert again. A
    /// withdrawn alert is removed, or closed if people have dealt with it.
    async fn detected(&self, detected: Detected) -> Result<Vec<Alert>>;

    /// Alerts.
    async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>>;

    /// Every alert as a list shows it, the newest `last` first.
    async fn lines(&self) -> Result<Vec<AlertLine>> {
        Ok(self.alerts(&AlertQuery::default()).await?.into_iter().map(AlertLine::from).collect())
    }

    /// The alert with this id.
    async fn alert(&self, id: &str) -> Result<Option<Alert>>;

    /// Does something to an alert. `None` if there is no such alert.
    async fn act(&self, id: &str, act: Act) -> Result<Option<Alert>>;

    /// The number of the last change to any alert, and every later one; each transaction that changes alerts has the next.
    /// Whoever remembers the last number that it has dealt with misses nothing: [`AlertQuery::after_news`].
    fn news(&self) -> watch::Receiver<u64>;
}

/// Which activities a subscriber wants to see.
#[derive(Debug, Clone, Default)]
pub struct Observe {
    /// When they were committed.
    pub seqs: Seqs,
    /// When they happened.
    pub window: Window,
    /// Only these types; all if empty.
    pub types: Vec<String>,
    /// At most so many, by the order of commits; all if `None`.
    pub limit: Option<u64>,
}

/// Shows committed activities to subscribers.
#[async_trait]
pub trait Observed: Send + Sync + 'static {
    /// Activities with what is derived from them, in the order in which they were committed: columns `seq`, `eventTime`, `sourceID`,
    /// `eventName`, `place`, `agent`, `person`, `rawLog`. The three in the middle are enrichment's texts of parts with U+001F between them, `NULL` where nothing is known. A
    /// question without numbers of commits is answered in any order.
    async fn observe(&self, observe: &Observe) -> Result<Rows>;

    /// When the first commit of each source was made: what happened before was the past already.
    async fn followed_since(&self) -> Result<BTreeMap<String, Timestamp>>;
}
