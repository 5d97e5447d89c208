//! What the name of a type that no catalogue has yet still tells.
//!
//! Names follow a pattern, `area_thing_verb` in snake case: the head tells category and surface, the last words outcome
//! and read-only, and `…_id` fields are resources. A test holds these rules against the names that are known.

use std::borrow::Cow;

use super::Classification;
use crate::{
    catalog::Outcome,
    value::{Fields, Value},
};

mod names;

pub use names::OTHER;

/// Last words of a name that say: refused, or broken off.
const FAILED: [&str; 9] =
    ["failed", "failure", "denied", "rejected", "refused", "blocked", "invalid", "timeout", "error"];
/// Last words that say: begun or asked for, the end is told elsewhere.
const BEGUN: [&str; 6] = ["initiated", "started", "attempted", "attempt", "requested", "queued"];
/// Last words that say: looked at or taken out, nothing changed.
const READ: [&str; 18] = [
    "accessed",
    "downloaded",
    "exported",
    "fetched",
    "listed",
    "loaded",
    "opened",
    "performed",
    "played",
    "previewed",
    "queried",
    "read",
    "retrieved",
    "revealed",
    "searched",
    "validated",
    "viewed",
    "visited",
];
/// Words anywhere that say: somebody signs in or out. What ends sessions, or changes how people sign in, has other words.
const SIGN_IN: [&str; 7] = ["authentication", "launch", "login", "logout", "signin", "signon", "logged"];
/// A word anywhere that says: content is read out, however far that got.
const READ_OUT: &str = "export";
/// Last words that make a change even of what has to do with signing in.
const CHANGED: [&str; 13] = [
    "activated",
    "added",
    "configured",
    "created",
    "deactivated",
    "deleted",
    "disabled",
    "enabled",
    "enrolled",
    "removed",
    "revoked",
    "toggled",
    "updated",
];
/// Ends of fields that hold ids.
const ENDS: [&str; 4] = ["_id", "_ids", "_uuid", "_uuids"];
/// Those that hold one.
const ENDS_OF_ONE: [&str; 2] = ["_id", "_uuid"];
/// Ids that only tie records together: nothing that anybody touched.
const TRACES: [&str; 9] = [
    "correlation_id",
    "event_id",
    "idempotency_key_id",
    "parent_span_id",
    "reference_id",
    "request_id",
    "span_id",
    "trace_id",
    "workos_event_id",
];
/// Stand-ins for an id that is not known.
const PLACEHOLDERS: [&str; 6] = ["unknown", "unspecified", "none", "null", "n/a", "undefined"];
/// Fields that name a target, whatever the type.
const TARGETS: [&str; 6] = ["target_id", "user_id", "principal_id", "resource_id", "invited_email", "invitee_email"];

pub(super) fn classify(name: &str) -> Classification<'_> {
    let (outcome, read_only) = ending(name);
    Classification {
        name,
        category: names::category(name),
        surface: names::surface(name),
        outcome,
        read_only,
        guessed: true,
        info: None,
    }
}

/// Outcome and read-only by the last words.
fn ending(name: &str) -> (Outcome, bool) {
    let last = name.rsplit('_').next().unwrap_or(name);
    let failed = FAILED.contains(&last) || names::words(name).any(|word| word == "failed" || word == "denied");
    if failed {
        return (Outcome::Failure, true);
    }
    let reads = names::words(name).any(|word| SIGN_IN.contains(&word) || word == READ_OUT) && !CHANGED.contains(&last);
    let outcome = if BEGUN.contains(&last) { Outcome::Attempt } else { Outcome::Success };
    (outcome, reads || READ.contains(&last))
}

/// A line on a type that the catalogue does not have: its name as words, and that this is all that is known.
pub fn summary(name: &str) -> String {
    let words = names::words(name).collect::<Vec<_>>().join(" ");
    format!("Not in the catalogue yet; by its name: {words}")
}

/// Which field names the target of a type that the catalogue does not have, in words.
pub fn target_in_words(name: &str) -> String {
    let of_thing = things(name).flat_map(|thing| ENDS_OF_ONE.map(|end| format!("{thing}{end}")));
    let fields: Vec<String> = of_thing.chain(TARGETS.map(str::to_owned)).collect();
    format!("the first of {} that is there", fields.join(", "))
}

/// Which fields name the resources of a type that the catalogue does not have, in words.
pub fn resources_in_words() -> String {
    format!("every field, however deep, that ends in {}, but {}", ENDS.join(", "), TRACES.join(", "))
}

/// Calls `each` for every value, however deep, whose key says that it is an id and that looks like one.
pub(super) fn each_resource<'f>(fields: &'f Fields, each: &mut dyn FnMut(Cow<'f, str>)) {
    for (key, value) in fields {
        visit(key, value, each);
    }
}

fn visit<'f>(key: &str, value: &'f Value, each: &mut dyn FnMut(Cow<'f, str>)) {
    match value {
        Value::Object(fields) => each_resource(fields, each),
        Value::Array(items) => items.iter().for_each(|item| visit(key, item, each)),
        scalar if is_id_key(key) => {
            scalar.scalar_text().filter(|id| !matches!(scalar, Value::Bool(_)) && is_id(id)).into_iter().for_each(each);
        }
        _ => {}
    }
}

fn is_id_key(key: &str) -> bool {
    ENDS.iter().any(|end| key.ends_with(end)) && !TRACES.contains(&key)
}

fn is_id(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.contains(char::is_whitespace)
        && !PLACEHOLDERS.iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// The target by the thing that the name speaks of, `claude_widget_deleted` → `claude_widget_id` or `widget_id`, else
/// by the fields that mostly name one.
pub(super) fn target<'f>(name: &str, fields: &'f Fields) -> Option<Cow<'f, str>> {
    let is_of = |key: &str, thing: &str| ENDS_OF_ONE.iter().any(|end| key.strip_suffix(end) == Some(thing));
    things(name)
        .find_map(|thing| scalar(fields, |key| is_of(key, thing)))
        .or_else(|| TARGETS.iter().find_map(|target| scalar(fields, |key| key == *target)))
}

/// The thing that a name speaks of, with fewer and fewer words in front.
fn things(name: &str) -> impl Iterator<Item = &str> {
    let thing = name.rsplit_once('_').map_or(name, |(thing, _)| thing);
    std::iter::successors(Some(thing), |thing| thing.split_once('_').map(|(_, rest)| rest))
}

fn scalar<'f>(fields: &'f Fields, is_key: impl Fn(&str) -> bool) -> Option<Cow<'f, str>> {
    let (_, value) = fields.iter().find(|(key, _)| is_key(key))?;
    value.scalar_text().filter(|id| is_id(id))
}
