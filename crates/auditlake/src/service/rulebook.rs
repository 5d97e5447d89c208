//! The rules for the pages: what each of them says, which are switched off, and what one would have found.
//!
//! Switches are overrides in a file of the data directory, in the form of any other rule file. Whoever runs rules looks at
//! that file every few seconds, so a switch needs no restart and counts for the command line too.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake_store::alert::Step;
use detect::{Own, Pack, Rule, Rules, Triage};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use web::{RuleBook, RuleInfo, Trial, TrialState, Tried};

use crate::{
    backtest,
    config::{Config, SWITCHES},
    datadir::DataDir,
    engine::Store,
};

/// A trial looks at no more of the past.
const MOST_DAYS: u32 = 90;
/// So many of the alerts that a trial finds are shown.
const SHOWN: usize = 20;
/// So many earlier switches of all rules together are kept.
const HISTORY: usize = 2_000;
/// A reason is cut after so many characters.
const REASON: usize = 300;

/// The rules of a running service.
pub struct Book {
    store: Store,
    data: DataDir,
    own: Own,
    held: Mutex<Held>,
    trials: Arc<Mutex<HashMap<String, Trial>>>,
}

struct Held {
    rules: Rules,
    /// Made of `rules`, until those are read again.
    told: Option<Arc<Vec<RuleInfo>>>,
}

/// What stands in the file of switches.
#[derive(Default, Serialize, Deserialize)]
struct Switches {
    /// How each rule that was ever switched stands now.
    overrides: Vec<Switch>,
    /// How they stood before, the oldest first. Whoever runs rules does not look at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<Switch>,
}

#[derive(Serialize, Deserialize)]
struct Switch {
    rule: String,
    enabled: bool,
    reason: String,
}

impl Switches {
    /// Switches a rule, and keeps how it stood.
    fn set(&mut self, switch: Switch) {
        let is_this = |one: &mut Switch| one.rule == switch.rule;
        self.history.extend(self.overrides.extract_if(.., is_this));
        self.overrides.push(switch);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// What was said each time that a rule was switched, the newest first.
    fn told(self) -> HashMap<String, Vec<String>> {
        let mut told: HashMap<String, Vec<String>> = HashMap::new();
        for switch in self.overrides.into_iter().chain(self.history.into_iter().rev()) {
            told.entry(switch.rule).or_default().push(switch.reason);
        }
        told
    }
}

impl Book {
    pub fn new(config: &Config, data: &DataDir, store: &Store) -> Book {
        let own = config.own_rules(data);
        let held = Mutex::new(Held { rules: Rules::read(own.clone()), told: None });
        Book { store: store.clone(), data: data.clone(), own, held, trials: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.data.path().join(SWITCHES)
    }

    fn switches(&self) -> Result<Switches, String> {
        match std::fs::read_to_string(self.path()) {
            // JSON is YAML: the file reads as any other rule file does.
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                format!("{} was changed by hand and cannot be changed here: {error}", self.path().display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Switches::default()),
            Err(error) => Err(format!("cannot read {}: {error}", self.path().display())),
        }
    }
}

impl RuleBook for Book {
    fn rules(&self) -> Arc<Vec<RuleInfo>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.rules.renew() {
            held.told = None;
        }
        if let Some(told) = &held.told {
            return told.clone();
        }
        let mut switches = self.switches().unwrap_or_default().told();
        let rules = held.rules.pack().rules.values();
        let list = rules.map(|rule| told(rule, switches.remove(&rule.id).unwrap_or_default())).collect();
        held.told.insert(Arc::new(list)).clone()
    }

    fn problems(&self) -> Vec<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.rules.pack().problems.iter().map(ToString::to_string).collect()
    }

    fn switch(&self, id: &str, on: bool, who: &str, reason: &str) -> Result<(), String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut switches = self.switches()?;
        let reason: String = reason.chars().filter(|sign| !sign.is_control()).take(REASON).collect();
        let now = Timestamp::now().strftime("%-d %b %Y %H:%M UTC");
        let word = if on { "on" } else { "off" };
        let reason = match reason.trim() {
            "" => format!("switched {word} by {who}, {now}"),
            reason => format!("switched {word} by {who}, {now}: {reason}"),
        };
        switches.set(Switch { rule: id.to_owned(), enabled: on, reason });
        let text = serde_json::to_string_pretty(&switches).map_err(|error| error.to_string())? + "\n";
        self.data.replace(SWITCHES, &text).map_err(|error| format!("{error:#}"))?;
        tracing::info!(rule = id, who, "a rule was switched {word}");
        held.rules = Rules::read(self.own.clone());
        held.told = None;
        Ok(())
    }

    fn try_out(&self, id: &str, days: u32) {
        let days = days.clamp(1, MOST_DAYS);
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = |trial: &Trial| matches!(trial.state, TrialState::Running { .. });
        // One at a time: a trial reads what may be millions of activities.
        if trials.values().any(is_running) {
            return;
        }
        let running = TrialState::Running { done: 0, days: u64::from(days) };
        trials.insert(id.to_owned(), Trial { days, at: Timestamp::now(), state: running });
        let (id, store, own, trials) = (id.to_owned(), self.store.clone(), self.own.clone(), self.trials.clone());
        tokio::spawn(async move {
            let set = |state| {
                let mut trials = trials.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(trial) = trials.get_mut(&id) {
                    trial.state = state;
                }
            };
            let pack = Arc::new(Pack::trying(&own, &id));
            let since = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(days));
            let found =
                backtest::walk(&store, &pack, since, &|done, days| set(TrialState::Running { done, days })).await;
            set(match found {
                Ok(found) => TrialState::Done {
                    alerts: found.len() as u64,
                    activities: found.iter().map(|finding| finding.count).sum(),
                    newest: found
                        .iter()
                        .rev()
                        .take(SHOWN)
                        .map(|finding| Tried {
                            title: finding.title.clone(),
                            entity: finding.entity.clone(),
                            count: finding.count,
                            last: finding.last,
                            id: finding.id.clone(),
                        })
                        .collect(),
                },
                Err(error) => TrialState::Failed(format!("{error:#}")),
            });
        });
    }

    fn trial(&self, id: &str) -> Option<Trial> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn is_trying(&self) -> Option<String> {
        let trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let running = trials.iter().find(|(_, trial)| matches!(trial.state, TrialState::Running { .. }));
        running.map(|(id, _)| id.clone())
    }
}

fn told(rule: &Rule, switches: Vec<String>) -> RuleInfo {
    let step = |step: &Triage| match step {
        Triage::Text(text) => Step { text: text.clone(), search: None },
        Triage::Link { text, search } => Step { text: text.clone(), search: Some(search.clone()) },
    };
    RuleInfo {
        id: rule.id.clone(),
        title: rule.title.clone(),
        description: rule.description.clone(),
        why: rule.more.why.clone(),
        severity: rule.severity,
        kind: rule.kind.name().to_owned(),
        tags: rule.tags.clone(),
        false_positives: rule.false_positives.clone(),
        triage: rule.more.triage.iter().map(step).collect(),
        text: rule.text.trim().to_owned(),
        place: rule.place.to_string(),
        is_builtin: rule.is_builtin,
        is_on: rule.enabled,
        can_be_tried: rule.kind.name() != "silence",
        switches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_kept() {
        let mut switches = Switches::default();
        for (rule, enabled, reason) in [("a", false, "1"), ("b", false, "2"), ("a", true, "3"), ("a", false, "4")] {
            switches.set(Switch { rule: rule.to_owned(), enabled, reason: reason.to_owned() });
        }
        let stands: Vec<_> = switches.overrides.iter().map(|one| (one.rule.as_str(), one.enabled)).collect();
        assert_eq!(stands, [("b", false), ("a", false)]);
        let text = serde_json::to_string(&switches).unwrap();
        let told = serde_json::from_str::<Switches>(&text).unwrap().told();
        assert_eq!(told["a"], ["4", "3", "1"]);
        assert_eq!(told["b"], ["2"]);
        // What an earlier version wrote has no history.
        assert!(serde_json::from_str::<Switches>(r#"{"overrides":[]}"#).unwrap().told().is_empty());
    }
}
