//! What the pages ask of detection: which rules there are, what each says, and whether it runs.
//!
//! Detection itself is a room that this one does not know. The binary, which knows both, implements [`RuleBook`].

use std::sync::Arc;

use auditlake_store::alert::{Severity, Step};
use jiff::Timestamp;

/// The rules of a deployment.
pub trait RuleBook: Send + Sync + 'static {
    /// Every rule, by id.
    fn rules(&self) -> Arc<Vec<RuleInfo>>;

    /// What was refused of the rule files, in words.
    fn problems(&self) -> Vec<String>;

    /// Switches a rule on or off, for good.
    ///
    /// # Errors
    /// Why it could not be kept, in words.
    fn switch(&self, id: &str, on: bool, who: &str, reason: &str) -> Result<(), String>;

    /// Begins to look what a rule would have found in the last `days` days, unless a trial is under way.
    fn try_out(&self, id: &str, days: u32);

    /// The last trial of a rule.
    fn trial(&self, id: &str) -> Option<Trial>;

    /// The rule whose trial is under way.
    fn is_trying(&self) -> Option<String>;
}

/// A rule, in what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its ID.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it finds.
    pub description: String,
    /// Why it matters.
    pub why: String,
    /// How much its alerts matter, as it is in this deployment.
    pub severity: Severity,
    /// How it finds, in a word.
    pub kind: String,
    /// Sigma's tags.
    pub tags: Vec<String>,
    /// When it is nothing.
    pub false_positives: Vec<String>,
    /// What to do; names in braces stand for what an activity says.
    pub triage: Vec<Step>,
    /// The file's text.
    pub text: String,
    /// Where it stands.
    pub place: String,
    /// Whether it is one of those that are compiled in.
    pub is_builtin: bool,
    /// Whether it runs.
    pub is_on: bool,
    /// Whether it can be tried on the past.
    pub can_be_tried: bool,
    /// Each time it was switched on or off on the page: by whom, when, and why; the newest first.
    pub switches: Vec<String>,
}

/// What a rule would have found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// In so many days.
    pub days: u32,
    /// When it began.
    pub at: Timestamp,
    /// How far it is.
    pub state: TrialState,
}

/// How far a trial is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialState {
    /// Under way.
    Running {
        /// Days that are done.
        done: u64,
        /// Days that it looks at, those before that the rule compares with among them.
        days: u64,
    },
    /// Done.
    Done {
        /// So many alerts.
        alerts: u64,
        /// With so many activities as evidence.
        activities: u64,
        /// The newest of the alerts.
        newest: Vec<Tried>,
    },
    /// Why it failed.
    Failed(String),
}

/// An alert that a trial found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The alert's id, whether it was raised or not.
    pub id: String,
    /// What happened, in a line. Hostile, as any text of strangers.
    pub title: String,
    /// Whom or what it is about.
    pub entity: String,
    /// The number of activities that are evidence.
    pub count: u64,
    /// The time of the last of them.
    pub last: Timestamp,
}

impl RuleInfo {
    /// The MITRE ATT&CK tactics and techniques among the tags: as shown, and where they are explained.
    pub fn attack(&self) -> Vec<(String, String)> {
        attack(&self.tags)
    }
}

/// The MITRE ATT&CK techniques and tactics among tags: as shown, and where they are explained.
pub(crate) fn attack(tags: &[String]) -> Vec<(String, String)> {
    let one = |tag: &String| {
        let name = tag.strip_prefix("attack.")?;
        let is_plain = name.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_'));
        let technique = name.strip_prefix('t').filter(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
        match technique {
            _ if !is_plain => None,
            Some(number) => {
                let url = format!("https://attack.mitre.org/techniques/T{}/", number.replace('.', "/"));
                Some((format!("T{number}"), url))
            }
            None => Some((name.replace(['-', '_'], " "), String::new())),
        }
    };
    tags.iter().filter_map(one).collect()
}
