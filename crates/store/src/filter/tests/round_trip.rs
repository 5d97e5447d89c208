//! Properties: canonical text is parsed back to the same tree, and no text makes the parser panic.

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::{now, parse};
use crate::filter::{Cidr, Field, Filter, Glob, Kind, Operand, Test, fields, parse_at};

/// Texts with the signs that mean something, at places where they could.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_.@/-]{1,8}",
        2 => "[ \\t\\n\"\\\\:*()<>=/.\\[\\]a-f0-9-]{1,6}",
        1 => "\\PC{1,5}",
        1 => any::<String>().prop_filter("empty", |text| !text.is_empty()),
        1 => proptest::sample::select(vec![
            "AND", "OR", "NOT", "-", "*", "\\", "\"", "//x", "10.0.0.1", "10.0.0.0/8", "fe80", "::1", "raw", "tags", "type", "Email",
            "7d", "now", "2026-01-31", ">5", "true", "5",
        ])
        .prop_map(str::to_owned),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        proptest::sample::select(fields()).prop_map(|info| info.field.into()),
        text().prop_map(Field::Tag),
        vec(text(), 1..4).prop_map(Field::Raw),
    ]
    // A tag's name is all that follows the first dot, but no part of it is empty.
    .prop_filter("a part is empty", |field| !matches!(field, Field::Tag(name) if name.split('.').any(str::is_empty)))
}

fn number() -> impl Strategy<Value = Operand> {
    prop_oneof![any::<f64>().prop_filter("not finite", |number| number.is_finite()), any::<i32>().prop_map(f64::from),]
        .prop_map(Operand::Number)
}

fn time() -> impl Strategy<Value = Operand> {
    (-62_000_000_000_i64..250_000_000_000, 0..1_000_000_i64).prop_map(|(seconds, micros)| {
        Operand::Time(Timestamp::from_microsecond(seconds * 1_000_000 + micros).expect("in range"))
    })
}

fn network() -> impl Strategy<Value = Cidr> {
    prop_oneof![
        (any::<std::net::Ipv4Addr>(), 0..=32_u8).prop_map(|(address, bits)| Cidr::new(address.into(), bits)),
        (any::<std::net::Ipv6Addr>(), 0..=128_u8).prop_map(|(address, bits)| Cidr::new(address.into(), bits)),
    ]
    .prop_map(|network| network.expect("a network"))
}

fn glob() -> impl Strategy<Value = Glob> {
    vec(prop_oneof![1 => Just(String::new()), 3 => text()], 2..5).prop_filter_map("nothing but wildcards", Glob::new)
}

fn comparison(operand: impl Strategy<Value = Operand>) -> impl Strategy<Value = Test> {
    (operand, 0..4).prop_map(|(operand, sign)| match sign {
        0 => Test::Less(operand),
        1 => Test::LessOrEqual(operand),
        2 => Test::Greater(operand),
        _ => Test::GreaterOrEqual(operand),
    })
}

/// The tests that the parser makes of a field.
fn test_of(field: &Field) -> BoxedStrategy<Test> {
    let exists = Just(Test::Exists);
    let equals = text().prop_map(Test::Equals);
    let pattern = glob().prop_map(Test::Pattern);
    let network = network().prop_map(Test::InNetwork);
    match field {
        Field::Known(known) => match known.kind() {
            Kind::Text => prop_oneof![exists, equals, pattern].boxed(),
            Kind::Address => prop_oneof![exists, equals, pattern, network].boxed(),
            Kind::Number => {
                prop_oneof![exists, number().prop_map(|number| Test::Equals(number.to_string())), comparison(number())]
                    .boxed()
            }
            Kind::Time => prop_oneof![exists, comparison(time())].boxed(),
            Kind::Boolean => prop_oneof![exists, Just(Test::Equals("true".into()))].boxed(),
        },
        Field::Tag(_) => {
            prop_oneof![exists, equals, pattern, network, comparison(number()), comparison(time())].boxed()
        }
        Field::Raw(_) => prop_oneof![
            exists,
            equals,
            pattern,
            network,
            comparison(number()),
            comparison(time()),
            Just(Test::Equals(String::new()))
        ]
        .boxed(),
    }
}

fn leaf() -> impl Strategy<Value = Filter> {
    prop_oneof![
        1 => text().prop_map(Filter::Word),
        4 => field().prop_flat_map(|field| (Just(field.clone()), test_of(&field))).prop_map(|(field, test)| Filter::Test { field, test }),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![10 => leaf(), 1 => Just(Filter::All)].prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Filter::and),
            vec(inner.clone(), 1..4).prop_map(Filter::or),
            inner.prop_map(Filter::negated),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_comes_back(filter in filter()) {
        let text = filter.to_string();
        match parse(&text) {
            Ok(back) => prop_assert_eq!(&back, &filter, "{}", text),
            Err(error) => prop_assert!(false, "{}\n{}", error, error.pointer(&text)),
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn no_likely_text_panics(parts in vec(
        prop_oneof![
            text(),
            proptest::sample::select(fields()).prop_map(|info| format!("{}:", info.names[0])),
            proptest::sample::select(vec![" ", "(", ")", " OR ", " AND ", "NOT ", "-", ":", ":(", "\"", "\\", "*", ">", "<="]).prop_map(str::to_owned),
        ],
        0..12,
    )) {
        check(&parts.concat())?;
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(filter) => {
            let canonical = filter.to_string();
            // Ages are gone from it, so that it means the same at any other time.
            let back = parse_at(&canonical, Timestamp::UNIX_EPOCH);
            prop_assert_eq!(back.as_ref(), Ok(&filter), "{}", canonical);
        }
        Err(error) => {
            prop_assert!(error.at + error.length <= text.len());
            prop_assert!(text.get(error.at..error.at + error.length).is_some());
            prop_assert_eq!(error.pointer(text).lines().count(), 2);
            prop_assert!(!error.hint.is_empty());
        }
    }
    Ok(())
}

#[test]
fn negations_come_back_as_deep_as_they_may_stand() {
    for text in [
        format!("{}time:2026-01-31", "-".repeat(63)),
        format!("{}type:(a b)", "NOT ".repeat(63)),
        format!("{}a{}", "(b OR c (".repeat(32), "))".repeat(32)),
    ] {
        check(&text).expect("a round trip");
    }
    assert!(parse(&format!("{}time:2026-01-31", "-".repeat(64))).is_err());
    assert_eq!(parse("time:>0s").map(|filter| filter.to_string()), Ok(format!("time:>{}", now())));
}
