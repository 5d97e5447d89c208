//! A rule as read: what it says, before it is put to work.

use auditlake_store::alert::Severity;
use rsigma_parser::{CorrelationRule, SigmaRule};
use serde::Deserialize;

use crate::{error::Place, load::Span};

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its ID.
    pub id: String,
    /// Sigma's `id`, by which correlations may name it too.
    pub uuid: Option<String>,
    /// Its title.
    pub title: String,
    /// What it finds.
    pub description: String,
    /// How much its alerts matter.
    pub severity: Severity,
    /// Sigma's tags.
    pub tags: Vec<String>,
    /// When it is nothing.
    pub false_positives: Vec<String>,
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: String,
    /// Whether it is one of those that are compiled in.
    pub is_builtin: bool,
    /// Whether it runs.
    pub enabled: bool,
    /// How it finds.
    pub kind: Kind,
    /// What it says beyond Sigma.
    pub more: More,
}

/// How a rule finds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Each activity that meets a condition.
    Sigma(Box<SigmaRule>),
    /// Several activities together.
    Correlation(Box<CorrelationRule>),
    /// What Sigma cannot say, about activities that meet a condition.
    Detector(Box<SigmaRule>, Detector),
    /// Nothing arrives: see the watch.
    Silence,
}

impl Kind {
    /// What `rules list` says.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Sigma(_) => "sigma",
            Kind::Correlation(rule) => rule.correlation_type.as_str(),
            Kind::Detector(_, detector) => detector.name(),
            Kind::Silence => "silence",
        }
    }

    /// The Sigma rule, where there is one.
    pub fn sigma(&self) -> Option<&SigmaRule> {
        match self {
            Kind::Sigma(rule) | Kind::Detector(rule, _) => Some(rule),
            Kind::Correlation(_) | Kind::Silence => None,
        }
    }
}

/// `detector:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Detector {
    /// A value that is new for an entity.
    NewValue {
        /// The fields whose values are taken together.
        value: OneOrMany,
        /// The entity.
        #[serde(default)]
        of: Option<OneOrMany>,
        /// Not seen so long before.
        within: Span,
        /// Seen at all so long before.
        #[serde(default = "a_week")]
        learn: Span,
    },
    /// Too far apart for the time between.
    Travel {
        /// The entity.
        #[serde(default)]
        of: Option<OneOrMany>,
        /// Faster than this.
        speed_kmh: f64,
        /// Farther than this.
        distance_km: f64,
        /// Between the two at most.
        #[serde(default = "a_day")]
        timespan: Span,
    },
    /// Far more than on the days before.
    Baseline {
        /// The entity.
        #[serde(default)]
        of: Option<OneOrMany>,
        /// Days compared with.
        history: Span,
        /// On at least so many of them active.
        days: u32,
        /// More than so many times the busiest.
        factor: f64,
        /// At least so many.
        at_least: u32,
        /// Whether `*_viewed` counts.
        #[serde(default)]
        views: bool,
    },
    /// A setting became weaker.
    Posture {
        /// Which, and what weaker means.
        weaker: Vec<Weaker>,
    },
    /// A stretch that one activity begins and another ends.
    Gap {
        /// The rule whose condition ends it.
        ends: String,
        /// Not looked for after so long.
        #[serde(default = "a_week")]
        within: Span,
    },
    /// Nothing arrives.
    Silence,
}

impl Detector {
    /// As `type` says.
    pub fn name(&self) -> &'static str {
        match self {
            Detector::NewValue { .. } => "new_value",
            Detector::Travel { .. } => "travel",
            Detector::Baseline { .. } => "baseline",
            Detector::Posture { .. } => "posture",
            Detector::Gap { .. } => "gap",
            Detector::Silence => "silence",
        }
    }
}

fn a_day() -> Span {
    Span(86_400)
}

fn a_week() -> Span {
    Span(7 * 86_400)
}

/// One way in which a setting gets weaker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weaker {
    /// `type` of an element of `updates[]`.
    pub setting: Option<String>,
    /// The field with the value before.
    pub from: Option<String>,
    /// The field with the value after.
    pub to: Option<String>,
    /// From strong to weak.
    pub order: Vec<Text>,
    /// Weaker when it gets longer or higher.
    pub grows: bool,
    /// Weaker when it gets shorter or lower.
    pub shrinks: bool,
    /// A list of periods (`data_type`, `duration`, `timescale`), weaker when one of them gets shorter.
    pub shortens: bool,
}

/// A scalar, as text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "serde_json::Value")]
pub struct Text(pub String);

impl From<serde_json::Value> for Text {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Text(text),
            other => Text(other.to_string()),
        }
    }
}

/// A text or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// As a list.
    pub fn list(&self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text.clone()],
            OneOrMany::Many(list) => list.clone(),
        }
    }
}

/// `auditlake:`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct More {
    /// The alert's title.
    pub title: Option<String>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub triage: Vec<Triage>,
    /// Whom an alert is about.
    pub entity: Option<OneOrMany>,
    /// The stretch that makes one alert.
    pub group: Span,
    /// Tests.
    pub tests: Vec<Test>,
    /// What does not count.
    pub exceptions: Vec<Exception>,
    /// Whether it runs.
    pub enabled: bool,
}

impl Default for More {
    fn default() -> Self {
        More {
            title: None,
            why: String::new(),
            triage: Vec::new(),
            entity: None,
            group: a_day(),
            tests: Vec::new(),
            exceptions: Vec::new(),
            enabled: true,
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Triage {
    /// Words.
    Text(String),
    /// Words and a filter for the Explorer.
    Link {
        /// Words.
        text: String,
        /// The filter.
        search: String,
    },
}

/// A test inside a rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it shows.
    #[serde(default)]
    pub name: String,
    /// How many alerts.
    #[serde(default = "one")]
    pub alerts: usize,
    /// Their severity.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Whom they are about.
    #[serde(default)]
    pub entity: Option<String>,
    /// What happens.
    pub activities: Vec<serde_json::Value>,
}

fn one() -> usize {
    1
}

/// What does not count.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// In which rules; inside a rule, that one.
    #[serde(default)]
    pub rule: Option<OneOrMany>,
    /// A Sigma selection.
    pub when: yaml_serde::Value,
    /// Until when.
    pub until: String,
    /// Why.
    pub reason: String,
}

/// What is otherwise in this deployment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// In which rules.
    pub rule: OneOrMany,
    /// Whether they run.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// How much they matter.
    #[serde(default)]
    pub level: Option<Severity>,
    /// Why.
    pub reason: String,
}
