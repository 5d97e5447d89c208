//! Rules against the catalogue: what names a type, field or value that the feed never sends can never fire.

mod shape;

use std::collections::BTreeSet;

use activity::{Activity, catalog};
use auditlake_store::filter;
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaValue};

use crate::{
    error::{Place, Problem},
    pack::Pack,
    plan::Plan,
    rule::{Kind, Rule, Triage},
    sample::complete,
    seen::{AGENT, PERSON, PLACE, ROOMS},
    template::{OF_ALERT, Template},
    types::Types,
};
use shape::{fits, of_actors, of_types};

/// Everything that is wrong with a pack: what was refused when it was read, and what can never fire.
pub fn run(pack: &Pack, chosen: impl Fn(&Rule) -> bool) -> Vec<Problem> {
    let mut problems: Vec<Problem> = pack.problems.clone();
    for rule in pack.rules.values().filter(|rule| chosen(rule)) {
        let mut reasons = Vec::new();
        Lint { pack, rule, reasons: &mut reasons }.run();
        let mut met = BTreeSet::new();
        for (word, reason) in reasons {
            if met.insert(reason.clone()) {
                let at = rule.text.lines().position(|line| !word.is_empty() && mentions(line, &word)).unwrap_or(0);
                let place = Place { file: rule.place.file.clone(), line: rule.place.line + at };
                problems.push(Problem { place, rule: Some(rule.id.clone()), reason });
            }
        }
    }
    problems
}

/// Rules with fewer than two tests that match or two that nearly do; no error, but worth a word.
pub fn untested(pack: &Pack) -> Vec<&Rule> {
    let is_base = |rule: &Rule| {
        matches!(rule.kind, Kind::Sigma(_) | Kind::Correlation(_))
            && !pack.running().any(|running| running.id == rule.id)
    };
    pack.rules
        .values()
        .map(AsRef::as_ref)
        .filter(|rule| !matches!(rule.kind, Kind::Silence) && rule.enabled && !is_base(rule))
        .filter(|rule| {
            let matching = rule.more.tests.iter().filter(|test| test.alerts > 0).count();
            matching < 2 || rule.more.tests.len() - matching < 2
        })
        .collect()
}

fn mentions(line: &str, word: &str) -> bool {
    let is_part = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    line.match_indices(word)
        .any(|(at, _)| !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next()))
}

struct Lint<'p> {
    pack: &'p Pack,
    rule: &'p Rule,
    /// The word that tells the line, and the reason.
    reasons: &'p mut Vec<(String, String)>,
}

impl Lint<'_> {
    fn say(&mut self, word: &str, reason: String) {
        self.reasons.push((word.to_owned(), reason));
    }

    fn run(&mut self) {
        if let Some(sigma) = self.rule.kind.sigma() {
            self.detections(&sigma.detection);
        }
        if let Some(unit) = self.pack.units.iter().find(|unit| unit.rule.id == self.rule.id) {
            let uses = self.pack.bases.iter().flat_map(|base| base.uses.iter().map(move |one| (base, one)));
            let mine: Vec<(&Types, usize)> = uses
                .filter(|(_, (at, _))| std::ptr::eq(&raw const self.pack.units[*at], unit))
                .map(|(base, (_, slot))| (&base.types, usize::from(*slot)))
                .collect();
            for (types, slot) in &mine {
                for field in unit.entity[*slot].iter().chain(&unit.value[*slot]) {
                    self.field(field, types);
                }
            }
            let all: Vec<&Types> = mine.iter().map(|(types, _)| *types).collect();
            self.texts(&all);
            if let Plan::Posture { weaker } = &unit.plan {
                for way in weaker {
                    self.weaker(way, &all);
                }
            }
        }
        self.tests();
    }

    fn detections(&mut self, detections: &Detections) {
        let types = Types::of(detections);
        if types.names.is_empty() && !types.unknown {
            self.say("condition", "can never fire: no type meets its condition".to_owned());
            return;
        }
        let mut names: Vec<&String> = detections.named.keys().collect();
        names.sort();
        for name in names {
            let own = Types::detection(&detections.named[name]);
            let context = types.and(&own);
            if context.names.is_empty() && !context.unknown {
                let known = own.names.iter().all(|name| catalog::get(name).is_some());
                if known {
                    self.say(name, format!("{name}: none of its types is one that the rule's condition allows"));
                }
            }
            self.detection(&detections.named[name], &context, "");
        }
    }

    fn detection(&mut self, detection: &Detection, types: &Types, path: &str) {
        match detection {
            Detection::AllOf(items) => items.iter().for_each(|item| self.item(item, types, path)),
            Detection::And(parts) => parts.iter().for_each(|part| self.detection(part, types, path)),
            Detection::AnyOf(parts) => {
                for part in parts {
                    self.detection(part, &types.and(&Types::detection(part)), path);
                }
            }
            Detection::ArrayMatch { field, body, .. } => {
                let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                self.detection(body, types, &path);
            }
            Detection::Conditional { named, .. } => named.values().for_each(|part| self.detection(part, types, path)),
            Detection::Keywords(_) => {}
        }
    }

    fn item(&mut self, item: &DetectionItem, types: &Types, path: &str) {
        let name = item.field.name.clone().unwrap_or_default();
        let field = match (path, name.as_str()) {
            ("", "") => return,
            ("", name) => name.to_owned(),
            (path, "") => path.to_owned(),
            (path, name) => format!("{path}.{name}"),
        };
        if field == "type" {
            return self.types(item);
        }
        if !self.field(&field, types) {
            return;
        }
        if item.field.has_modifier(Modifier::Exists) || item.field.has_modifier(Modifier::FieldRef) {
            return;
        }
        for value in &item.values {
            if let Some(known) = known_values(&field, types)
                && !known.iter().any(|known| fits(&item.field.modifiers, value, known))
            {
                let shown = shown(value);
                self.say(&shown, format!("can never fire: {field} is never {shown:?}; it is one of {}", some(&known)));
            }
            self.shape(&field, &item.field.modifiers, value, types);
        }
    }

    fn types(&mut self, item: &DetectionItem) {
        for value in &item.values {
            let one = DetectionItem { field: item.field.clone(), values: vec![value.clone()] };
            let one = Types::detection(&Detection::AllOf(vec![one]));
            let shown = shown(value);
            if one.names.is_empty() {
                self.say(&shown, format!("can never fire: no type matches {shown:?}"));
            }
            for name in one.names.iter().filter(|name| catalog::get(name).is_none()) {
                self.say(&shown, format!("can never fire: {name:?} is no type of the catalogue"));
            }
        }
    }

    /// Whether a field can have a value for any of the types.
    fn field(&mut self, field: &str, types: &Types) -> bool {
        if is_envelope(field) {
            return true;
        }
        let (room, name) = field.split_once('.').unwrap_or((field, ""));
        if ROOMS.contains(&room) {
            let is_known = of_room(room).any(|known| known == name);
            if !is_known {
                let known: Vec<&str> = of_room(room).collect();
                self.say(field, format!("no field {field}; {room} has {}", known.join(", ")));
            }
            return is_known;
        }
        if types.unknown && types.names.len() == catalog::types().len() {
            // Any type may come: some of them has it, or it is a mistake.
            let is_known = !of_types(field, types).is_empty() || !of_actors(field, types).is_empty();
            if !is_known {
                self.say(field, format!("no type of the catalogue has a field {field}"));
            }
            return is_known;
        }
        let is_known = match room {
            "actor" => !of_actors(field, types).is_empty(),
            _ => !of_types(field, types).is_empty(),
        };
        if !is_known {
            let names: Vec<String> = types.names.iter().take(5).cloned().collect();
            self.say(field, format!("can never fire: no field {field} in {}", names.join(", ")));
        }
        is_known
    }

    fn shape(&mut self, field: &str, modifiers: &[Modifier], value: &SigmaValue, types: &Types) {
        let shapes = match field.starts_with("actor.") {
            true => of_actors(field, types),
            false => of_types(field, types),
        };
        if !shapes.is_empty() && shapes.iter().all(|shape| !shape::can_be(shape, modifiers, value)) {
            let shown = shown(value);
            let wanted: BTreeSet<String> = shapes.iter().map(|shape| shape::named(shape)).collect();
            let wanted: Vec<String> = wanted.into_iter().collect();
            self.say(&shown, format!("can never fire: {field} is never {shown:?}; it is {}", wanted.join(" or ")));
        }
    }

    fn texts(&mut self, types: &[&Types]) {
        let rule = self.rule;
        let mut texts: Vec<(&str, bool)> = rule.more.title.iter().map(|title| (title.as_str(), false)).collect();
        for step in &rule.more.triage {
            match step {
                Triage::Text(text) => texts.push((text, false)),
                Triage::Link { text, search } => texts.extend([(text.as_str(), false), (search.as_str(), true)]),
            }
        }
        for (text, is_filter) in texts {
            let template = Template::new(text);
            for field in template.fields().filter(|field| !OF_ALERT.contains(field)) {
                let before = self.reasons.len();
                let is_somewhere = types.iter().any(|types| self.field(field, types));
                self.reasons.truncate(before);
                if !is_somewhere {
                    self.say(field, format!("{{{field}}} in a text: no such field in what the rule matches"));
                }
            }
            if is_filter {
                let filled = template.fill(100, |_| Some("\"x\"".into()));
                if let Err(error) = filter::parse(&filled) {
                    self.say("search", format!("search {text:?}: {error}"));
                }
            }
        }
    }

    fn weaker(&mut self, way: &crate::rule::Weaker, types: &[&Types]) {
        if let Some(setting) = &way.setting {
            let is_known = types.iter().any(|types| shape::settings(types).contains(setting));
            if !is_known {
                self.say(setting, format!("can never fire: no updates[].type is {setting:?} in what the rule matches"));
            }
        }
        for field in way.from.iter().chain(&way.to) {
            for types in types {
                self.field(field, types);
            }
        }
    }

    fn tests(&mut self) {
        for (at, test) in self.rule.more.tests.iter().enumerate() {
            let name = if test.name.is_empty() { format!("test {}", at + 1) } else { test.name.clone() };
            let samples = match complete(&test.activities) {
                Ok(samples) => samples,
                Err(error) => {
                    self.say(&name, format!("test {name:?}: {error}"));
                    continue;
                }
            };
            for sample in samples {
                let wrong = match Activity::parse(sample.json.as_bytes()) {
                    Ok(activity) => shape::wrong(&activity),
                    Err(error) => Some(error.to_string()),
                };
                if let Some(wrong) = wrong {
                    self.say(&name, format!("test {name:?}: not valid by the catalogue: {wrong}"));
                    break;
                }
            }
        }
    }
}

fn is_envelope(field: &str) -> bool {
    matches!(field, "id" | "created_at" | "organization_id" | "organization_uuid" | "type" | "actor.identity")
}

fn of_room(room: &str) -> impl Iterator<Item = &'static str> {
    const ACTIVITY: [&str; 8] = ["category", "outcome", "product", "target", "read_only", "known", "hour", "weekday"];
    const BESIDE: [&str; 3] = ["ip", "class", "network"];
    let (one, other): (&[&str], &[&str]) = match room {
        "activity" => (&ACTIVITY, &[]),
        "src" => (&PLACE, &BESIDE),
        "client" => (&AGENT, &[]),
        _ => (&PERSON, &[]),
    };
    let list: Vec<&'static str> = one.iter().chain(other).map(|name| known_name(name)).collect();
    list.into_iter()
}

/// The same name, for as long as the program runs.
fn known_name(name: &str) -> &'static str {
    const ALL: [&[&str]; 5] = [
        &["category", "outcome", "product", "target", "read_only", "known", "hour", "weekday"],
        &["ip", "class", "network"],
        &PLACE,
        &AGENT,
        &PERSON,
    ];
    ALL.into_iter().flatten().find(|known| **known == name).copied().unwrap_or_default()
}

/// The values that a field can have, where they are a closed list.
fn known_values(field: &str, types: &Types) -> Option<Vec<String>> {
    let owned = |list: &[&str]| Some(list.iter().map(|text| (*text).to_owned()).collect());
    match field {
        "activity.outcome" => owned(&["success", "failure", "attempt", "unknown"]),
        "src.class" => owned(&["public", "private", "loopback", "reserved", "placeholder", "invalid"]),
        "activity.category" => Some(catalog::categories().iter().map(|info| info.name.clone()).collect()),
        "activity.product" => Some(catalog::surfaces().iter().map(|info| info.name.clone()).collect()),
        "actor.type" => {
            let all = || catalog::actors().iter().map(|info| info.name.clone()).collect();
            let known = types.names.iter().filter_map(|name| catalog::get(name));
            let some: BTreeSet<String> = known.flat_map(|info| info.actors.iter().cloned()).collect();
            Some(if types.unknown { all() } else { some.into_iter().collect() })
        }
        _ => None,
    }
}

fn shown(value: &SigmaValue) -> String {
    match value {
        SigmaValue::String(text) => text.original.clone(),
        SigmaValue::Integer(number) => number.to_string(),
        SigmaValue::Float(number) => number.to_string(),
        SigmaValue::Bool(value) => value.to_string(),
        SigmaValue::Null => "null".to_owned(),
    }
}

fn some(list: &[String]) -> String {
    let mut text = list.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
    if list.len() > 12 {
        text.push_str(", …");
    }
    text
}
