//! How a rule makes alerts of matches: what detectors and correlations ask for, checked and in numbers.

use std::collections::{BTreeMap, HashMap};

use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode,
};

use crate::{
    load::Span,
    pack::{DAY, SECOND},
    rule::{Detector, OneOrMany, Rule, Weaker},
};

/// How a rule makes alerts of matches.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Each,
    Count {
        checks: Vec<(ConditionOperator, u64)>,
        span: i64,
    },
    Distinct {
        checks: Vec<(ConditionOperator, u64)>,
        span: i64,
    },
    Together {
        names: Vec<String>,
        wanted: Option<ConditionExpr>,
        span: i64,
    },
    Ordered {
        conditions: usize,
        span: i64,
    },
    NewValue {
        within: i64,
        learn: i64,
    },
    Travel {
        speed_kmh: f64,
        distance_km: f64,
        span: i64,
    },
    Baseline {
        history: i64,
        days: usize,
        factor: f64,
        at_least: usize,
        views: bool,
    },
    Posture {
        weaker: Vec<Weaker>,
    },
    /// From a match of the first condition to the next one of the second.
    Gap {
        within: i64,
    },
    /// What other correlations find counts as conditions of this one.
    Staged {
        stages: Vec<Stage>,
        last: Box<Plan>,
    },
}

/// A correlation inside another one: where its condition holds, it stands for a match of condition `slot`.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub plan: Plan,
    /// Its own conditions, and those of the stages that it counts.
    pub first: u8,
    pub conditions: u8,
    pub slot: u8,
}

impl Plan {
    /// How far an activity reaches into earlier event time, in microseconds: the end of something belongs to its beginning.
    pub fn ahead(&self) -> i64 {
        match self {
            Plan::Gap { within } => *within,
            _ => 0,
        }
    }

    /// How far an activity reaches into later event time, in microseconds.
    pub fn reach(&self) -> i64 {
        match self {
            Plan::Each | Plan::Posture { .. } => 0,
            Plan::Count { span, .. }
            | Plan::Distinct { span, .. }
            | Plan::Together { span, .. }
            | Plan::Ordered { span, .. }
            | Plan::Travel { span, .. } => *span,
            Plan::NewValue { within, .. } => *within * DAY,
            Plan::Gap { within } => *within,
            Plan::Baseline { history, .. } => *history * DAY,
            Plan::Staged { stages, last } => {
                // Stages stand in the order in which they need each other: at worst, each reaches back from the one before.
                last.reach() + stages.iter().map(|stage| stage.plan.reach()).sum::<i64>()
            }
        }
    }
}

/// So many conditions fit in a set of bits.
const MOST_CONDITIONS: usize = 64;

/// A condition by its rule's id, with the fields of entity and value.
pub(crate) type Condition = (String, Vec<String>, Vec<String>);
pub(crate) type Planned = Result<(Plan, Vec<Condition>), String>;

pub(crate) fn detected(rule: &Rule, detector: &Detector, known: &Known) -> Planned {
    let fields = |of: &Option<OneOrMany>| of.as_ref().map(OneOrMany::list).unwrap_or_default();
    let days = |span: &Span, name: &str| match span.0 / 86_400 {
        days @ 1..=400 => Ok(days as i64),
        _ => Err(format!("detector: {name} is 1d to 400d")),
    };
    let one = |plan, of, value| Ok((plan, vec![(rule.id.clone(), of, value)]));
    match detector {
        Detector::NewValue { value, of, within, learn } => {
            let (within, learn) = (days(within, "within")?, days(learn, "learn")?);
            if learn >= within {
                return Err("detector: learn is shorter than within".to_owned());
            }
            one(Plan::NewValue { within, learn }, fields(of), value.list())
        }
        Detector::Travel { of, speed_kmh, distance_km, timespan } => {
            let span = timespan.0 as i64 * SECOND;
            let is_sane = *speed_kmh > 0.0 && *distance_km > 0.0 && span <= DAY;
            match is_sane {
                true => one(
                    Plan::Travel { speed_kmh: *speed_kmh, distance_km: *distance_km, span },
                    fields(of),
                    vec!["src.city".to_owned(), "src.country".to_owned()],
                ),
                false => Err("detector: speed and distance are more than 0, timespan is at most 24h".to_owned()),
            }
        }
        Detector::Baseline { of, history, days: active, factor, at_least, views } => {
            let plan = Plan::Baseline {
                history: days(history, "history")?,
                days: *active as usize,
                factor: *factor,
                at_least: *at_least as usize,
                views: *views,
            };
            match rule.more.group.0 {
                86_400 => one(plan, fields(of), Vec::new()),
                _ => Err("a baseline is about days: group is 24h".to_owned()),
            }
        }
        Detector::Posture { weaker } => {
            for way in weaker {
                let is_named = way.setting.is_some() != (way.from.is_some() && way.to.is_some());
                let ranks = [way.order.len() > 1, way.grows, way.shrinks, way.shortens];
                if !is_named || ranks.into_iter().filter(|is_said| *is_said).count() != 1 {
                    return Err("detector: each of `weaker` has either `setting` or `from` and `to`, and one of `order`, `grows`, `shrinks`, `shortens`".to_owned());
                }
            }
            one(Plan::Posture { weaker: weaker.clone() }, Vec::new(), Vec::new())
        }
        Detector::Gap { ends, within } => {
            let within = days(within, "within")?.min(30) * DAY;
            let id = known.id(ends);
            match known.bases.contains_key(&id) {
                true => Ok((
                    Plan::Gap { within },
                    vec![(rule.id.clone(), Vec::new(), Vec::new()), (id, Vec::new(), Vec::new())],
                )),
                false => Err(format!("detector: no rule with a detection is named {ends}")),
            }
        }
        Detector::Silence => Err("a silence rule has no detection".to_owned()),
    }
}

/// What a correlation can refer to: conditions and other correlations, by the ids of their rules.
pub(crate) struct Known<'p> {
    pub bases: &'p HashMap<String, usize>,
    pub correlations: &'p BTreeMap<String, &'p CorrelationRule>,
    /// A rule's id by Sigma's.
    pub by_uuid: &'p HashMap<String, String>,
}

impl Known<'_> {
    /// The id of a rule that is named by its id or by Sigma's.
    pub fn id(&self, name: &str) -> String {
        self.by_uuid.get(name).map_or(name, String::as_str).to_owned()
    }

    /// The plan of a correlation. The conditions of those that it refers to follow its own.
    pub fn correlated(&self, rule: &CorrelationRule) -> Planned {
        let mut conditions = Vec::new();
        let mut stages = Vec::new();
        let plan = self.stage(rule, &mut Vec::new(), &mut conditions, &mut stages)?;
        if conditions.len() > MOST_CONDITIONS {
            return Err(format!(
                "correlation: more than {MOST_CONDITIONS} rules, with those of the correlations that it names"
            ));
        }
        if stages.is_empty() {
            return Ok((plan, conditions));
        }
        let plan = Plan::Staged { stages, last: Box::new(plan) };
        match plan.reach() > 30 * DAY {
            true => Err("correlation: timespans together are at most 30d".to_owned()),
            false => Ok((plan, conditions)),
        }
    }

    fn stage(
        &self,
        rule: &CorrelationRule,
        above: &mut Vec<String>,
        conditions: &mut Vec<Condition>,
        stages: &mut Vec<Stage>,
    ) -> Result<Plan, String> {
        let (plan, own) = self.own(rule)?;
        let first = conditions.len();
        let group: Vec<Vec<String>> = own.iter().map(|(_, of, _)| of.clone()).collect();
        conditions.extend(own);
        for (at, name) in rule.rules.iter().enumerate() {
            let id = self.id(name);
            let Some(inner) = self.correlations.get(&id) else { continue };
            if above.contains(&id) || conditions.len() > MOST_CONDITIONS {
                return Err(format!("correlation: {name} refers back to itself"));
            }
            if !matches!(plan, Plan::Count { .. } | Plan::Together { .. } | Plan::Ordered { .. }) {
                return Err(format!(
                    "correlation: {name} is a correlation, and has no field whose values could be counted"
                ));
            }
            if inner.group_by != group[at] {
                return Err(format!("correlation: {name} is a correlation with another group-by"));
            }
            above.push(id);
            let begin = conditions.len();
            let plan = self.stage(inner, above, conditions, stages)?;
            above.pop();
            stages.push(Stage {
                plan,
                first: begin as u8,
                conditions: inner.rules.len() as u8,
                slot: (first + at) as u8,
            });
        }
        Ok(plan)
    }

    /// The plan of a correlation alone.
    fn own(&self, rule: &CorrelationRule) -> Planned {
        if rule.window != WindowMode::Sliding {
            return Err("correlation: only sliding windows".to_owned());
        }
        let span = rule.timespan.seconds as i64 * SECOND;
        if span <= 0 || span > 30 * DAY {
            return Err("correlation: timespan is at most 30d".to_owned());
        }
        if rule.rules.is_empty() || rule.rules.len() > 64 {
            return Err("correlation: rules are 1 to 64".to_owned());
        }
        if rule.group_by.is_empty() {
            return Err("correlation: group-by is missing; `organization_id` counts over everybody".to_owned());
        }
        let (checks, field, wanted) = match &rule.condition {
            CorrelationCondition::Threshold { predicates, field, .. } => {
                (predicates.clone(), field.clone().unwrap_or_default(), None)
            }
            CorrelationCondition::Extended(expression) => (Vec::new(), Vec::new(), Some(expression.clone())),
        };
        let mut conditions = Vec::new();
        for name in &rule.rules {
            let id = self.id(name);
            if !self.bases.contains_key(&id) && !self.correlations.contains_key(&id) {
                return Err(format!("correlation: no rule with a detection or correlation is named {name}"));
            }
            let aliased = |field: &String| {
                let alias = rule.aliases.iter().find(|alias| alias.alias == *field);
                alias.and_then(|alias| alias.mapping.get(name)).unwrap_or(field).clone()
            };
            conditions.push((id, rule.group_by.iter().map(aliased).collect(), field.iter().map(aliased).collect()));
        }
        let plan = match rule.correlation_type {
            CorrelationType::EventCount if !checks.is_empty() => Plan::Count { checks, span },
            CorrelationType::ValueCount if !checks.is_empty() && !field.is_empty() => Plan::Distinct { checks, span },
            CorrelationType::EventCount | CorrelationType::ValueCount => {
                return Err("correlation: condition is incomplete".to_owned());
            }
            CorrelationType::Temporal => Plan::Together { names: rule.rules.clone(), wanted, span },
            CorrelationType::TemporalOrdered => Plan::Ordered { conditions: conditions.len(), span },
            other => return Err(format!("correlation: {} is not supported", other.as_str())),
        };
        Ok((plan, conditions))
    }
}
