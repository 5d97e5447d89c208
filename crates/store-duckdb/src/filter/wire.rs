//! A filter as one bound text: how it reaches the functions that the engine calls.
//!
//! Not the filter language: that has limits of length, and trees that nobody can write have a text here, too.

use auditlake_store::filter::{Cidr, Field, Filter, Glob, Known, Operand, Test};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The text of a filter.
pub(super) fn encode(filter: &Filter) -> String {
    of_filter(filter).to_string()
}

/// The filter of a text that [`encode`] wrote.
pub(super) fn decode(text: &str) -> Option<Filter> {
    to_filter(&serde_json::from_str(text).ok()?)
}

/// The text of a test.
pub(super) fn encode_test(test: &Test) -> String {
    of_test(test).to_string()
}

/// The test of a text that [`encode_test`] wrote.
pub(super) fn decode_test(text: &str) -> Option<Test> {
    to_test(&serde_json::from_str(text).ok()?)
}

fn of_filter(filter: &Filter) -> Value {
    let list = |name: &str, list: &[Filter]| {
        Value::Array(std::iter::once(json!(name)).chain(list.iter().map(of_filter)).collect())
    };
    match filter {
        Filter::All => json!(["and"]),
        Filter::And(all) => list("and", all),
        Filter::Or(any) => list("or", any),
        Filter::Not(inner) => list("not", std::slice::from_ref(inner)),
        Filter::Word(word) => json!(["word", word]),
        Filter::Test { field: Field::Known(known), test } => json!(["known", known.name(), of_test(test)]),
        Filter::Test { field: Field::Tag(name), test } => json!(["tag", name, of_test(test)]),
        Filter::Test { field: Field::Raw(path), test } => json!(["raw", path, of_test(test)]),
    }
}

fn to_filter(value: &Value) -> Option<Filter> {
    let (name, rest) = value.as_array()?.split_first()?;
    let list = || rest.iter().map(to_filter).collect::<Option<Vec<_>>>();
    Some(match (name.as_str()?, rest) {
        ("and", []) => Filter::All,
        ("and", _) => Filter::And(list()?),
        ("or", _) => Filter::Or(list()?),
        ("not", [inner]) => Filter::negated(to_filter(inner)?),
        ("word", [word]) => Filter::Word(word.as_str()?.to_owned()),
        ("known", [name, test]) => Filter::test(Known::by_name(name.as_str()?)?, to_test(test)?),
        ("tag", [name, test]) => Filter::test(Field::Tag(name.as_str()?.to_owned()), to_test(test)?),
        ("raw", [path, test]) => Filter::test(Field::Raw(texts(path)?), to_test(test)?),
        _ => return None,
    })
}

fn of_test(test: &Test) -> Value {
    match test {
        Test::Exists => json!(["*"]),
        Test::Equals(text) => json!(["=", text]),
        Test::Pattern(glob) => json!(["~", glob.pieces()]),
        Test::InNetwork(network) => json!(["in", network.with_bits()]),
        Test::Less(operand) => json!(["<", of_operand(operand)]),
        Test::LessOrEqual(operand) => json!(["<=", of_operand(operand)]),
        Test::Greater(operand) => json!([">", of_operand(operand)]),
        Test::GreaterOrEqual(operand) => json!([">=", of_operand(operand)]),
    }
}

fn to_test(value: &Value) -> Option<Test> {
    let (sign, rest) = value.as_array()?.split_first()?;
    let operand = || to_operand(rest.first()?);
    Some(match (sign.as_str()?, rest) {
        ("*", []) => Test::Exists,
        ("=", [text]) => Test::Equals(text.as_str()?.to_owned()),
        ("~", [pieces]) => Test::Pattern(Glob::new(texts(pieces)?)?),
        ("in", [network]) => Test::InNetwork(network.as_str()?.parse::<Cidr>().ok()?),
        ("<", _) => Test::Less(operand()?),
        ("<=", _) => Test::LessOrEqual(operand()?),
        (">", _) => Test::Greater(operand()?),
        (">=", _) => Test::GreaterOrEqual(operand()?),
        _ => return None,
    })
}

/// Numbers by their bits: a decimal notation would have to be exact both ways.
fn of_operand(operand: &Operand) -> Value {
    match operand {
        Operand::Number(number) => json!({ "bits": number.to_bits() }),
        Operand::Time(time) => json!({ "micros": time.as_microsecond() }),
    }
}

fn to_operand(value: &Value) -> Option<Operand> {
    if let Some(bits) = value.get("bits") {
        return bits.as_u64().map(|bits| Operand::Number(f64::from_bits(bits)));
    }
    Timestamp::from_microsecond(value.get("micros")?.as_i64()?).ok().map(Operand::Time)
}

fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
