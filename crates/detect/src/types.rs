//! Which activity types a condition can match at all, so that a rule never sees the others.

use std::collections::BTreeSet;

use activity::catalog;
use rsigma_parser::{ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaValue};

/// A set of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Types {
    /// Types by name, known or not.
    pub names: BTreeSet<String>,
    /// Whether every type that is in neither the catalogue nor `names` is in it too.
    pub unknown: bool,
}

impl Types {
    /// Every type.
    pub fn all() -> Types {
        Types { names: catalog::types().iter().map(|info| info.name.clone()).collect(), unknown: true }
    }

    fn none() -> Types {
        Types { names: BTreeSet::new(), unknown: false }
    }

    /// Those in both. A named type outside the catalogue is in a set that holds the unknown ones.
    pub fn and(&self, other: &Types) -> Types {
        let has =
            |set: &Types, name: &String| set.names.contains(name) || (set.unknown && catalog::get(name).is_none());
        Types {
            names: self.names.union(&other.names).filter(|name| has(self, name) && has(other, name)).cloned().collect(),
            unknown: self.unknown && other.unknown,
        }
    }

    fn or(&self, other: &Types) -> Types {
        Types { names: self.names.union(&other.names).cloned().collect(), unknown: self.unknown || other.unknown }
    }

    /// The types that a rule's conditions can match.
    pub fn of(detections: &Detections) -> Types {
        let each = detections.conditions.iter().map(|condition| Types::condition(condition, detections));
        each.reduce(|one, other| one.or(&other)).unwrap_or_else(Types::all)
    }

    fn condition(condition: &ConditionExpr, detections: &Detections) -> Types {
        let named = |name: &str| detections.named.get(name).map_or_else(Types::all, Types::detection);
        match condition {
            ConditionExpr::And(parts) => {
                parts.iter().fold(Types::all(), |types, part| types.and(&Types::condition(part, detections)))
            }
            ConditionExpr::Or(parts) => {
                parts.iter().fold(Types::none(), |types, part| types.or(&Types::condition(part, detections)))
            }
            // What a negated selection leaves over depends on the other fields.
            ConditionExpr::Not(_) => Types::all(),
            ConditionExpr::Identifier(name) => named(name),
            ConditionExpr::Selector { quantifier, pattern } => {
                let parts =
                    detections.named.keys().filter(|name| pattern.matches_detection_name(name)).map(|name| named(name));
                match quantifier {
                    Quantifier::All => parts.fold(Types::all(), |types, part| types.and(&part)),
                    Quantifier::Any | Quantifier::Count(_) => parts.fold(Types::none(), |types, part| types.or(&part)),
                }
            }
        }
    }

    /// The types that a selection can match.
    pub fn detection(detection: &Detection) -> Types {
        match detection {
            Detection::AllOf(items) => items.iter().fold(Types::all(), |types, item| types.and(&Types::item(item))),
            Detection::And(parts) => parts.iter().fold(Types::all(), |types, part| types.and(&Types::detection(part))),
            Detection::AnyOf(parts) => {
                parts.iter().fold(Types::none(), |types, part| types.or(&Types::detection(part)))
            }
            Detection::Keywords(_) | Detection::ArrayMatch { .. } | Detection::Conditional { .. } => Types::all(),
        }
    }

    fn item(item: &DetectionItem) -> Types {
        if item.field.name.as_deref() != Some("type") {
            return Types::all();
        }
        let is_plain = |value: &SigmaValue| matches!(value, SigmaValue::String(text) if text.is_plain());
        if item.field.modifiers.is_empty() && item.values.iter().all(is_plain) {
            let names = item.values.iter().filter_map(|value| match value {
                SigmaValue::String(text) => text.as_plain().map(|text| text.to_lowercase()),
                _ => None,
            });
            return Types { names: names.collect(), unknown: false };
        }
        let texts: Vec<String> = item
            .values
            .iter()
            .filter_map(|value| match value {
                SigmaValue::String(text) => Some(text.original.to_lowercase()),
                _ => None,
            })
            .collect();
        let passes: Box<dyn Fn(&str) -> bool> = match item.field.modifiers.as_slice() {
            [Modifier::StartsWith] => Box::new(move |name| texts.iter().any(|text| name.starts_with(text.as_str()))),
            [Modifier::EndsWith] => Box::new(move |name| texts.iter().any(|text| name.ends_with(text.as_str()))),
            [Modifier::Contains] => Box::new(move |name| texts.iter().any(|text| name.contains(text.as_str()))),
            [Modifier::Contains, Modifier::All] => {
                Box::new(move |name| texts.iter().all(|text| name.contains(text.as_str())))
            }
            [] => Box::new(move |name| texts.iter().any(|text| glob(text.as_bytes(), name.as_bytes()))),
            // A regular expression and the like: it may be any.
            _ => return Types::all(),
        };
        let names = catalog::types().iter().map(|info| &info.name).filter(|name| passes(name)).cloned();
        Types { names: names.collect(), unknown: true }
    }
}

/// Whether a text matches a pattern with `*` and `?`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(sign), Some(other)) if sign == other => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

/// Whether a rule asks for nothing but the type, so that the index says it all.
pub(crate) fn is_type_alone(detections: &Detections) -> bool {
    let alone = |detection: &Detection| match detection {
        Detection::AllOf(items) => items.iter().all(|item| {
            item.field.name.as_deref() == Some("type")
                && item.field.modifiers.is_empty()
                && item.values.iter().all(|value| matches!(value, SigmaValue::String(text) if text.is_plain()))
        }),
        _ => false,
    };
    matches!(detections.conditions.as_slice(), [ConditionExpr::Identifier(name)]
        if detections.named.get(name).is_some_and(alone))
}
