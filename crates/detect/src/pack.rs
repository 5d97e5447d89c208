//! All rules of a deployment, ready to run: compiled-in ones, the operator's, exceptions and overrides.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rsigma_eval::{CompiledRule, compile_rule};
use rsigma_parser::CorrelationRule;

use crate::{
    error::{Place, Problem},
    exception::Spared,
    load::{self, Loaded, Own},
    plan::{Condition, Known, Plan, detected},
    rule::{Kind, OneOrMany, Rule, Triage},
    template::{OF_ALERT, Template},
    types::{Types, is_type_alone},
};

static BUILTIN: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The rules that are compiled in.
pub fn builtin() -> Loaded {
    let mut loaded = Loaded::default();
    for (file, text) in BUILTIN {
        loaded.add(load::read(&format!("rules/{file}"), text, true));
    }
    loaded
}

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// Rules that are ready to run.
#[derive(Debug, Default)]
pub struct Pack {
    /// Every rule that was read, by id; also those that are switched off.
    pub rules: BTreeMap<String, Arc<Rule>>,
    /// What was refused.
    pub problems: Vec<Problem>,
    pub(crate) bases: Vec<Base>,
    pub(crate) units: Vec<Unit>,
    pub(crate) index: HashMap<String, Vec<u32>>,
    /// Conditions that a type outside the index can meet.
    pub(crate) others: Vec<u32>,
}

/// A condition on one activity.
#[derive(Debug)]
pub(crate) struct Base {
    pub compiled: CompiledRule,
    /// Whether the index says it all.
    pub is_type_alone: bool,
    pub types: Types,
    /// Who uses it, and as which of its conditions.
    pub uses: Vec<(usize, u8)>,
}

/// A rule that raises alerts.
#[derive(Debug)]
pub(crate) struct Unit {
    pub rule: Arc<Rule>,
    pub plan: Plan,
    /// The fields of the entity, for each of its conditions.
    pub entity: Vec<Vec<String>>,
    /// The fields of the value, for each of its conditions.
    pub value: Vec<Vec<String>>,
    pub group: i64,
    pub spared: Vec<Spared>,
    pub title: Template,
    pub steps: Vec<(Template, Option<Template>)>,
    /// Fields that the templates ask of the first activity.
    pub captured: Vec<String>,
    /// Whether an activity without entity counts under another name.
    pub is_lenient: bool,
}

impl Unit {
    /// Whether it needs more of the past than the days next to an activity.
    pub fn is_far(&self) -> bool {
        self.plan.reach() > DAY || self.group > DAY
    }
}

impl Pack {
    /// The compiled-in rules and a deployment's own.
    pub fn load(own: &Own) -> Pack {
        Pack::new(builtin(), own.load())
    }

    /// As [`Pack::load`], with one rule alone, even if it is switched off; every rule if there is none of that name.
    pub fn trying(own: &Own, id: &str) -> Pack {
        let (mut given, mut own) = (builtin(), own.load());
        for rule in given.rules.iter_mut().chain(&mut own.rules) {
            rule.enabled = rule.id == id;
        }
        given.overrides.clear();
        own.overrides.clear();
        Pack::new(given, own)
    }

    /// How many days before a time its alerts depend on.
    pub fn reach_days(&self) -> i64 {
        self.units.iter().map(|unit| (unit.plan.reach() + unit.group) / DAY + 1).max().unwrap_or(1)
    }

    /// Makes rules ready; `own` rules take the place of `given` ones of the same id.
    pub fn new(given: Loaded, own: Loaded) -> Pack {
        let mut pack = Pack::default();
        pack.problems.extend(given.problems);
        pack.problems.extend(own.problems);
        let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
        for rule in given.rules.into_iter().chain(own.rules) {
            match rules.get(&rule.id) {
                Some(before) if before.is_builtin == rule.is_builtin => {
                    let reason = format!("the name stands already in {}", before.place);
                    pack.problems.push(refused(&rule, reason));
                }
                _ => {
                    rules.insert(rule.id.clone(), rule);
                }
            }
        }
        for (place, change) in given.overrides.into_iter().chain(own.overrides) {
            let mut problem = |reason| pack.problems.push(Problem { place: place.clone(), rule: None, reason });
            if change.reason.trim().is_empty() {
                problem("override without a reason".to_owned());
                continue;
            }
            for id in change.rule.list() {
                let Some(rule) = rules.get_mut(&id) else {
                    problem(format!("override of rule {id}, which is not there"));
                    continue;
                };
                rule.enabled = change.enabled.unwrap_or(rule.enabled);
                rule.severity = change.level.unwrap_or(rule.severity);
            }
        }
        let mut exceptions: Vec<(Place, Vec<String>, crate::rule::Exception)> = Vec::new();
        for (place, exception) in given.exceptions.into_iter().chain(own.exceptions) {
            let named = exception.rule.as_ref().map(OneOrMany::list).unwrap_or_default();
            if named.is_empty() {
                let reason = "exception without a rule".to_owned();
                pack.problems.push(Problem { place, rule: None, reason });
                continue;
            }
            if let Some(id) = named.iter().find(|id| *id != "*" && !rules.contains_key(*id)) {
                let reason = format!("exception of rule {id}, which is not there");
                pack.problems.push(Problem { place: place.clone(), rule: None, reason });
            }
            exceptions.push((place, named, exception));
        }
        pack.rules = rules.into_iter().map(|(id, rule)| (id, Arc::new(rule))).collect();
        pack.assemble(&exceptions);
        pack
    }

    fn assemble(&mut self, exceptions: &[(Place, Vec<String>, crate::rule::Exception)]) {
        let rules: Vec<Arc<Rule>> = self.rules.values().cloned().collect();
        let mut bases: HashMap<String, usize> = HashMap::new();
        let mut silent: BTreeSet<String> = BTreeSet::new();
        let mut by_uuid: HashMap<String, String> = HashMap::new();
        for rule in &rules {
            let Some(sigma) = rule.kind.sigma() else { continue };
            match compile_rule(sigma) {
                Ok(compiled) => {
                    let types = Types::of(&sigma.detection);
                    let is_type_alone = is_type_alone(&sigma.detection);
                    bases.insert(rule.id.clone(), self.bases.len());
                    self.bases.push(Base { compiled, is_type_alone, types, uses: Vec::new() });
                    by_uuid.extend(rule.uuid.clone().map(|uuid| (uuid, rule.id.clone())));
                }
                Err(error) => self.refuse(rule, error.to_string()),
            }
        }
        let mut correlations: BTreeMap<String, &CorrelationRule> = BTreeMap::new();
        for rule in &rules {
            if let Kind::Correlation(correlation) = &rule.kind {
                correlations.insert(rule.id.clone(), correlation);
                by_uuid.extend(rule.uuid.clone().map(|uuid| (uuid, rule.id.clone())));
            }
        }
        let known = Known { bases: &bases, correlations: &correlations, by_uuid: &by_uuid };
        let mut plans = Vec::new();
        for rule in rules.iter().filter(|rule| rule.enabled) {
            let plan = match &rule.kind {
                Kind::Sigma(_) if !bases.contains_key(&rule.id) => continue,
                Kind::Sigma(_) => Ok((Plan::Each, vec![(rule.id.clone(), Vec::new(), Vec::new())])),
                Kind::Detector(_, detector) if bases.contains_key(&rule.id) => detected(rule, detector, &known),
                Kind::Correlation(correlation) => {
                    let plan = known.correlated(correlation);
                    if plan.is_ok() && !correlation.generate {
                        silent.extend(correlation.rules.iter().map(|name| known.id(name)));
                    }
                    plan
                }
                _ => continue,
            };
            match plan {
                Ok(plan) => plans.push((rule, plan)),
                Err(reason) => self.refuse(rule, reason),
            }
        }
        for (rule, (plan, conditions)) in plans {
            if matches!(rule.kind, Kind::Sigma(_) | Kind::Correlation(_)) && silent.contains(&rule.id) {
                continue;
            }
            match unit(rule, plan, &conditions, exceptions) {
                Ok(unit) => {
                    for (slot, (base, ..)) in conditions.iter().enumerate() {
                        let Some(at) = bases.get(base) else { continue };
                        self.bases[*at].uses.push((self.units.len(), slot as u8));
                    }
                    self.units.push(unit);
                }
                Err(reason) => self.refuse(rule, reason),
            }
        }
        self.index();
    }

    fn index(&mut self) {
        let used = self.bases.iter().enumerate().filter(|(_, base)| !base.uses.is_empty());
        for (at, base) in used {
            for name in &base.types.names {
                self.index.entry(name.clone()).or_default().push(at as u32);
            }
            if base.types.unknown {
                self.others.push(at as u32);
            }
        }
        // A type that only some rule names is in the index, and so hidden from the rest that take unknown types.
        for (name, list) in &mut self.index {
            if activity::catalog::get(name).is_none() {
                list.extend(&self.others);
                list.sort_unstable();
                list.dedup();
            }
        }
    }

    fn refuse(&mut self, rule: &Rule, reason: String) {
        self.problems.push(refused(rule, reason));
    }

    /// The types that any rule can match; empty if a rule can match every one.
    pub fn types(&self) -> Vec<String> {
        self.wanted(|_| true)
    }

    /// As [`Pack::types`], for the rules that compare with days long ago.
    pub(crate) fn far_types(&self) -> Vec<String> {
        self.wanted(Unit::is_far)
    }

    fn wanted(&self, unit: impl Fn(&Unit) -> bool) -> Vec<String> {
        let bases: Vec<&Base> =
            self.bases.iter().filter(|base| base.uses.iter().any(|(at, _)| unit(&self.units[*at]))).collect();
        if bases.iter().any(|base| base.types.unknown) {
            return Vec::new();
        }
        let names: BTreeSet<&String> = bases.iter().flat_map(|base| &base.types.names).collect();
        // An empty list would ask for every type.
        if names.is_empty() { vec![String::new()] } else { names.into_iter().cloned().collect() }
    }

    /// The rules that raise alerts from activities.
    pub fn running(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.units.iter().map(|unit| &unit.rule)
    }
}

fn refused(rule: &Rule, reason: String) -> Problem {
    Problem { place: rule.place.clone(), rule: Some(rule.id.clone()), reason }
}

fn unit(
    rule: &Arc<Rule>,
    plan: Plan,
    conditions: &[Condition],
    exceptions: &[(Place, Vec<String>, crate::rule::Exception)],
) -> Result<Unit, String> {
    let group = rule.more.group.0;
    if group == 0 || group > 30 * 86_400 || (86_400 % group != 0 && !group.is_multiple_of(86_400)) {
        return Err("auditlake: group divides a day, or is a number of days up to 30".to_owned());
    }
    let chosen = rule.more.entity.as_ref().map(OneOrMany::list);
    let or_identity = |fields: &Vec<String>| match (&chosen, fields.as_slice()) {
        (None, []) => vec!["actor.identity".to_owned()],
        (None, fields) => fields.to_vec(),
        (Some(chosen), _) => chosen.clone(),
    };
    if chosen.is_some() && matches!(rule.kind, Kind::Correlation(_)) {
        return Err("auditlake: the entity of a correlation is its group-by".to_owned());
    }
    let mut spared = Vec::new();
    for exception in &rule.more.exceptions {
        spared.push(Spared::new(exception)?);
    }
    for (place, named, exception) in exceptions {
        if named.iter().any(|id| id == "*" || *id == rule.id) {
            spared.push(Spared::new(exception).map_err(|error| format!("{place}: {error}"))?);
        }
    }
    let title = match &rule.more.title {
        Some(title) => Template::new(title),
        None => Template::new(&format!("{}: {{entity}}", rule.title.replace(['{', '}'], ""))),
    };
    let steps: Vec<(Template, Option<Template>)> = rule
        .more
        .triage
        .iter()
        .map(|step| match step {
            Triage::Text(text) => (Template::new(text), None),
            Triage::Link { text, search } => (Template::new(text), Some(Template::new(search))),
        })
        .collect();
    let entity: Vec<Vec<String>> = conditions.iter().map(|(_, of, _)| or_identity(of)).collect();
    let asked = steps.iter().flat_map(|(text, search)| text.fields().chain(search.iter().flat_map(Template::fields)));
    let asked: BTreeSet<&str> = title.fields().chain(asked).collect();
    let is_known =
        |name: &str| OF_ALERT.contains(&name) || entity.iter().all(|fields| fields.len() == 1 && fields[0] == name);
    let captured = asked.into_iter().filter(|name| !is_known(name)).map(str::to_owned).collect();
    let is_lenient = matches!(plan, Plan::Each | Plan::Posture { .. });
    Ok(Unit {
        rule: rule.clone(),
        plan,
        entity,
        value: conditions.iter().map(|(_, _, value)| value.clone()).collect(),
        group: group as i64 * SECOND,
        spared,
        title,
        steps,
        captured,
        is_lenient,
    })
}
