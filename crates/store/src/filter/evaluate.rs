//! What each test means: the reference that every engine's SQL is held to, and what `tail` and rules run.
//!
//! - A field has any number of values; a test is true if it is true of one of them. So a test of a missing field is false,
//!   and its negation true: `-email:a@example.com` finds activities without an email address, too.
//! - **Missing.** `null`, the empty list and a list of nothing but `null` are no values. The empty text is no value of a
//!   field with a name of its own or of a tag; in the raw log it is one. `{}` is one; every object passes
//!   [`Test::Exists`] and nothing else.
//! - **Paths.** Keys are exact; of a key that stands twice the first counts. A list on the way or at the end stands for
//!   each of its elements, lists in lists too.
//! - **Text.** [`Test::Equals`] and [`Test::Pattern`] take ASCII letters in upper and lower case for the same, and no
//!   other letters. The id of an activity is the exception: [`Test::Equals`] takes it exactly, as ids that differ in nothing
//!   but case are two ids, and the hash that finds one without a scan knows them apart.
//! - **Numbers** are JSON numbers, and the values of number fields. They equal a text that is written as a number
//!   ([`super::NUMBER_PATTERN`]) of the same value: two whole numbers digit by digit, others as doubles; a whole number
//!   equals a text with fraction or exponent only below 2⁵³, where doubles are exact. Patterns see whole numbers as their
//!   digits and never match others, which have no one spelling.
//! - **Booleans** are the texts `true` and `false`.
//! - **Order.** A number operand compares, as doubles, with numbers and with texts that are written as one; a time operand
//!   with texts that are written as a time ([`super::TIME_PATTERN`]), cut to microseconds. Nothing else has an order.
//! - **Networks** hold texts that are an address (never a number, never `unknown`); an IPv4 address written as IPv6 is
//!   IPv4. A text that is the network itself
//!   ([`Cidr::with_bits`]) passes as well: allow lists are logged so.
//! - **Words** stand anywhere in the raw log as received, as they are or as JSON writes them inside a text
//!   ([`word_forms`]), ASCII letters in upper and lower case being the same.

use std::{borrow::Cow, net::IpAddr};

use activity::{Activity, value::Value};

use super::{
    Cidr, Field, Filter, Kind, Known, Operand, Test, View,
    glob::find_ignoring_case,
    operand::{is_number, number_of, time_of},
};

/// Whether `filter` finds the activity of `view`.
pub fn matches<V: View + ?Sized>(filter: &Filter, view: &V) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(all) => all.iter().all(|filter| matches(filter, view)),
        Filter::Or(any) => any.iter().any(|filter| matches(filter, view)),
        Filter::Not(filter) => !matches(filter, view),
        Filter::Word(word) => {
            let raw = view.activity().raw.as_bytes();
            word_forms(word).iter().any(|form| find_ignoring_case(raw, form.as_bytes()).is_some())
        }
        Filter::Test { field, test } => match field {
            Field::Known(Known::Id) if let Test::Equals(id) = test => {
                view.activity().id == id.as_str() && !id.is_empty()
            }
            Field::Known(known) => {
                let mut found = false;
                view.values(*known, &mut |value| {
                    found = found || (!value.is_empty() && passes_known(test, known.kind(), value));
                });
                found
            }
            Field::Tag(name) => view.tag(name).is_some_and(|value| !value.is_empty() && passes_text(test, &value)),
            Field::Raw(path) => any_raw(view.activity(), path, &|value| passes_value(test, value)),
        },
    }
}

/// What to look for in the raw log to find `word`: the word itself and, where that differs, as JSON writes it inside a
/// text (`say "hi"` stands there as `say \"hi\"`).
pub fn word_forms(word: &str) -> Vec<Cow<'_, str>> {
    let mut forms = vec![Cow::Borrowed(word)];
    if let Ok(quoted) = serde_json::to_string(word)
        && quoted[1..quoted.len() - 1] != *word
    {
        forms.push(Cow::Owned(quoted[1..quoted.len() - 1].to_owned()));
    }
    forms
}

/// Whether any value at `path` passes.
fn any_raw(activity: &Activity<'_>, path: &[String], pass: &dyn Fn(&Value<'_>) -> bool) -> bool {
    let Some((head, rest)) = path.split_first() else { return false };
    let text = |text: &str| rest.is_empty() && pass(&Value::String(Cow::Borrowed(text)));
    match head.as_str() {
        "id" => text(&activity.id),
        "type" => text(&activity.kind),
        "created_at" => text(&activity.created_at_text),
        "organization_id" => activity.organization_id.as_deref().is_some_and(text),
        "organization_uuid" => activity.organization_uuid.as_deref().is_some_and(text),
        "actor" if activity.actor.fields.is_empty() => false,
        "actor" => match rest.split_first() {
            None => pass(&Value::Object(Vec::new())),
            Some((key, rest)) => member(&activity.actor.fields, key).is_some_and(|value| any_below(value, rest, pass)),
        },
        _ => member(&activity.fields, head).is_some_and(|value| any_below(value, rest, pass)),
    }
}

fn any_below(value: &Value<'_>, path: &[String], pass: &dyn Fn(&Value<'_>) -> bool) -> bool {
    match (value, path.split_first()) {
        (Value::Array(items), _) => items.iter().any(|item| any_below(item, path, pass)),
        (Value::Object(fields), Some((key, rest))) => {
            member(fields, key).is_some_and(|value| any_below(value, rest, pass))
        }
        (_, Some(_)) => false,
        (value, None) => pass(value),
    }
}

fn member<'s, 'a>(fields: &'s activity::value::Fields<'a>, key: &str) -> Option<&'s Value<'a>> {
    fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn passes_value(test: &Test, value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Array(_) => false,
        Value::Object(_) => matches!(test, Test::Exists),
        Value::String(text) => passes_text(test, text),
        Value::Bool(true) => passes_text(test, "true"),
        Value::Bool(false) => passes_text(test, "false"),
        Value::Integer(number) => passes_number(test, Some(&number.to_string()), *number as f64),
        Value::Unsigned(number) => passes_number(test, Some(&number.to_string()), *number as f64),
        Value::Float(number) => passes_number(test, None, *number),
    }
}

fn passes_known(test: &Test, kind: Kind, value: &str) -> bool {
    match (kind, test) {
        (Kind::Number, _) => {
            number_of(value).is_some_and(|number| passes_number(test, is_whole(value).then_some(value), number))
        }
        // The parser makes a span of time out of this; it can only be built by hand.
        (Kind::Time, Test::Equals(text)) => time_of(text).is_some_and(|time| time_of(value) == Some(time)),
        _ => passes_text(test, value),
    }
}

fn passes_text(test: &Test, value: &str) -> bool {
    match test {
        Test::Exists => true,
        Test::Equals(text) => text.eq_ignore_ascii_case(value),
        Test::Pattern(glob) => glob.matches(value),
        Test::InNetwork(network) => in_network(network, value),
        Test::Less(operand) => order(value, operand).is_some_and(|order| order.is_lt()),
        Test::LessOrEqual(operand) => order(value, operand).is_some_and(|order| order.is_le()),
        Test::Greater(operand) => order(value, operand).is_some_and(|order| order.is_gt()),
        Test::GreaterOrEqual(operand) => order(value, operand).is_some_and(|order| order.is_ge()),
    }
}

/// `whole` are the digits of a whole number.
fn passes_number(test: &Test, whole: Option<&str>, number: f64) -> bool {
    match (test, whole) {
        (Test::Exists, _) => true,
        (Test::Equals(text), _) => equals_number(text, whole, number),
        (Test::Pattern(glob), Some(digits)) => glob.matches(digits),
        (Test::Pattern(_), None) | (Test::InNetwork(_), _) => false,
        (Test::Less(Operand::Number(operand)), _) => number < *operand,
        (Test::LessOrEqual(Operand::Number(operand)), _) => number <= *operand,
        (Test::Greater(Operand::Number(operand)), _) => number > *operand,
        (Test::GreaterOrEqual(Operand::Number(operand)), _) => number >= *operand,
        _ => false,
    }
}

/// The first whole number that a double cannot tell from its neighbour.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

fn equals_number(text: &str, whole: Option<&str>, number: f64) -> bool {
    match (whole, number_of(text)) {
        (Some(digits), _) if is_whole(text) => digits == text || (digits == "0" && text == "-0"),
        (Some(_), Some(operand)) => operand == number && operand.abs() < EXACT_BELOW,
        (None, Some(operand)) => operand == number,
        (_, None) => false,
    }
}

/// Whether a number is written without fraction and exponent.
fn is_whole(text: &str) -> bool {
    is_number(text.as_bytes()) && !text.contains(['.', 'e', 'E'])
}

fn in_network(network: &Cidr, value: &str) -> bool {
    match value.parse::<IpAddr>() {
        Ok(address) => network.contains(address),
        Err(_) => network.with_bits().eq_ignore_ascii_case(value),
    }
}

fn order(value: &str, operand: &Operand) -> Option<std::cmp::Ordering> {
    match operand {
        Operand::Number(operand) => number_of(value)?.partial_cmp(operand),
        Operand::Time(operand) => Some(time_of(value)?.cmp(operand)),
    }
}
