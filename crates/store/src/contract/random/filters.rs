//! Random filters, of all trees that there are and not only of those that can be written.

use jiff::Timestamp;

use super::{Dice, activities::ADDRESSES};
use crate::filter::{Field, Filter, Glob, Known, Operand, Test, fields};

const TEXTS: [&str; 44] = [
    "plain",
    "PLAIN TEXT",
    "",
    "kelvin",
    "\u{212a}elvin",
    "KEY_ID",
    "istanbul",
    "\u{fc}n\u{ef}code",
    "\u{dc}n\u{ef}code",
    "say \"hi\"",
    "a/b",
    "line\nbreak",
    "\u{1}\u{1f}",
    "100%_sure",
    "true",
    "False",
    "1.5",
    "1.50",
    "1",
    "1.0",
    "0",
    "-0",
    "100",
    "1e2",
    "9007199254740993",
    "9007199254740992.0",
    "18446744073709551616",
    "2026-04-10",
    "activity_001",
    "ACTIVITY_003",
    "claude_chat_viewed",
    "sso_login_failed",
    "org_1",
    "u1@example.COM",
    "user_1",
    "key_1",
    "user_actor",
    "claude_chat_id_2",
    "main:activity_003",
    "main",
    "success",
    "chats",
    "anthropic-compliance",
    "2026-04-10T08:09:10.00012Z",
];
const PIECES: [&str; 22] = [
    "", "a", "p", "T", "_", "%", "sso", "FAILED", "chat", "k", "i", "\u{fc}", "\"", "\\", "1", ":", "10", "0", ".",
    "e", "{", "\u{1}",
];
const NETWORKS: [&str; 9] = [
    "192.0.2.0/25",
    "192.0.2.7",
    "0.0.0.0/0",
    "192.0.2.0/24",
    "2001:db8::/32",
    "2001:db8::5",
    "::/0",
    "::ffff:192.0.2.0/120",
    "10.0.0.0/8",
];
const TIMES: [&str; 8] = [
    "2026-04-10T08:09:10Z",
    "2026-04-10T08:09:10.00012Z",
    "2026-04-10T08:09:11.123456Z",
    "2017-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-30T21:59:59.999999Z",
];
const PATHS: [&[&str]; 30] = [
    &["a"],
    &["b"],
    &["c"],
    &["a", "b"],
    &["a", "a"],
    &["b", "id"],
    &["b", "k/k"],
    &["a", "b", "c"],
    &["k/k"],
    &["q\"q"],
    &["d.e"],
    &["\u{e9}"],
    &["id"],
    &["type"],
    &["created_at"],
    &["organization_id"],
    &["organization_uuid"],
    &["actor"],
    &["actor", "type"],
    &["actor", "email_address"],
    &["actor", "ip_address"],
    &["actor", "user_agent"],
    &["actor", "ip_address", "a"],
    &["actor", "service"],
    &["actor", "nested", "a"],
    &["actor", "subject"],
    &["claude_chat_id"],
    &["filename"],
    &["type", "x"],
    &[],
];

/// A filter of at most this depth.
pub fn random(dice: &mut Dice, depth: usize) -> Filter {
    let kind = if depth == 0 { 4 + dice.below(6) } else { dice.below(10) };
    let list = |dice: &mut Dice| (0..2 + dice.below(2)).map(|_| random(dice, depth - 1)).collect::<Vec<_>>();
    match kind {
        0 => Filter::And(list(dice)),
        1 => Filter::Or(list(dice)),
        // One field, several times.
        2 => {
            let field = field(dice);
            let tests = 2 + dice.below(3);
            Filter::Or((0..tests).map(|_| Filter::Test { field: field.clone(), test: test(dice, &field) }).collect())
        }
        3 => Filter::negated(random(dice, depth - 1)),
        4 => Filter::Word(word(dice)),
        _ => {
            let field = field(dice);
            let test = test(dice, &field);
            Filter::Test { field, test }
        }
    }
}

fn word(dice: &mut Dice) -> String {
    let text = match dice.below(4) {
        0 => dice.pick(&[
            "08:09:10",
            "\":\"",
            "\"type\":",
            "}",
            "_00",
            "id\":\"ACT",
            "\\",
            "\\u0061",
            ",\"",
            "Z\"",
            "T08",
        ]),
        1 => dice.pick(&ADDRESSES),
        _ => dice.pick(&TEXTS),
    };
    if text.is_empty() { "x".to_owned() } else { text.to_owned() }
}

fn field(dice: &mut Dice) -> Field {
    match dice.below(10) {
        0..=4 => {
            let known = dice.pick(fields()).field;
            match known {
                // The reference does not know what the store adds.
                Known::Seq | Known::Received | Known::SourceTtl | Known::Workspace => Known::Type.into(),
                known => known.into(),
            }
        }
        5 => {
            Field::Tag(dice.pick(&["category", "outcome", "product", "other", "browser", "client_version"]).to_owned())
        }
        _ => Field::Raw(dice.pick(&PATHS).iter().map(|&key| key.to_owned()).collect()),
    }
}

fn test(dice: &mut Dice, field: &Field) -> Test {
    match dice.below(10) {
        0 | 1 => Test::Exists,
        2 | 3 if matches!(field, Field::Known(Known::Time)) => Test::Equals(dice.pick(&TIMES).to_owned()),
        2 | 3 if dice.one_in(4) => Test::Equals(dice.pick(&ADDRESSES).to_owned()),
        2..=4 => Test::Equals(dice.pick(&TEXTS).to_owned()),
        5 | 6 => match Glob::new((0..2 + dice.below(3)).map(|_| dice.pick(&PIECES).to_owned())) {
            Some(glob) => Test::Pattern(glob),
            None => Test::Exists,
        },
        7 => dice.pick(&NETWORKS).parse().map_or(Test::Exists, Test::InNetwork),
        _ => {
            let operand = match dice.below(2) {
                0 => Operand::Number(dice.pick(&[0.0, 1.0, 1.5, 100.0, -7.0, 1e300, 9_007_199_254_740_993.0])),
                _ => Operand::Time(dice.pick(&TIMES).parse().unwrap_or(Timestamp::UNIX_EPOCH)),
            };
            let test = dice.pick(&[Test::Less, Test::LessOrEqual, Test::Greater, Test::GreaterOrEqual]);
            test(operand)
        }
    }
}
