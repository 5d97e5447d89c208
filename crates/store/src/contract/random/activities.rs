//! Random activities, odd ones more often than in life.

use activity::{Enrichment, join_parts};

use super::Dice;

const TYPES: [&str; 9] = [
    "claude_chat_created",
    "claude_chat_viewed",
    "sso_login_failed",
    "SSO_Login_Failed",
    "api_key_created",
    "something_new_happened",
    "claude_project_deleted",
    "\u{212a}ey_\u{130}d",
    "key_id",
];
const TIMES: [&str; 10] = [
    "2026-04-10T08:09:10Z",
    "2026-04-10T08:09:10.000120Z",
    "2026-04-10T08:09:10.12Z",
    "2026-04-10T10:09:10+02:00",
    "2026-04-10t08:09:11.123456789z",
    "2016-12-31T23:59:60Z",
    "0001-01-01T00:00:00Z",
    "0000-06-01T00:00:00Z",
    "9999-12-30T21:59:59.999999Z",
    "1969-12-31T23:59:59.999999Z",
];
pub(super) const ADDRESSES: [&str; 14] = [
    "192.0.2.7",
    "192.0.2.130",
    "10.0.0.1",
    "::ffff:192.0.2.7",
    "::FFFF:C000:207",
    "2001:db8::5",
    "2001:DB8:0:0::5",
    "2001:0db8:0000:0000:0000:0000:0000:0005",
    "192.0.2.0/24",
    "2001:DB8::/32",
    "192.0.02.7",
    "unknown",
    "",
    "0.0.0.0",
];
/// JSON texts, without their quotes.
const TEXTS: [&str; 21] = [
    "Plain",
    "plain text",
    "",
    "\u{212a}elvin",
    "kelvin",
    "\u{130}stanbul",
    "istanbul",
    "\u{dc}n\u{ef}code",
    "\\u00fcnicode",
    "say \\\"hi\\\"",
    "a\\/b",
    "line\\nbreak",
    "\\u0001\\u001f",
    "100%_sure",
    "true",
    "1.50",
    "-0",
    "2026-04-10",
    "2026-04-10T08:09:10.5Z",
    "9999-12-31T23:59:59Z",
    "activity_001",
];
const SCALARS: [&str; 22] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "1.5",
    "1e2",
    "100",
    "-7",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "0.1",
    "{}",
    "[]",
    "[null]",
    "[[[]]]",
];
/// As they are written; some twice in different spellings.
const KEYS: [&str; 11] = ["a", "b", "c", "\\u0061", "k\\/k", "k/k", "\\u006b/k", "q\\\"q", "d.e", "\u{e9}", "id"];

/// The text of an activity, whose id says at which place it stands.
pub fn random(dice: &mut Dice, at: usize) -> String {
    let mut members = vec![
        match at % 5 {
            0 => format!(r#""id":"Activity_{at:03}""#),
            1 => format!(r#""id":"activity_\u0030{at:03}""#),
            _ => format!(r#""id":"activity_{at:03}""#),
        },
        format!(r#""created_at":"{}""#, dice.pick(&TIMES)),
        format!(r#""type":"{}""#, dice.pick(&TYPES)),
    ];
    for name in ["organization_id", "organization_uuid"] {
        match dice.below(5) {
            0 => {}
            1 => members.push(format!(r#""{name}":null"#)),
            2 => members.push(format!(r#""{name}":"""#)),
            _ => members.push(format!(r#""{name}":"{}_{}""#, dice.pick(&["org", "ORG"]), dice.below(3))),
        }
    }
    match dice.below(8) {
        0 => {}
        1 => members.push(r#""actor":null"#.to_owned()),
        2 => members.push(r#""actor":{}"#.to_owned()),
        _ => members.push(format!(r#""actor":{{{}}}"#, actor(dice))),
    }
    for name in ["claude_chat_id", "claude_project_id", "claude_file_id", "filename"] {
        match dice.below(4) {
            0 => members.push(format!(r#""{name}":"{name}_{}""#, dice.below(4))),
            1 if dice.one_in(3) => members.push(format!(r#""{name}":{}"#, value(dice, 1))),
            _ => {}
        }
    }
    for _ in 0..dice.below(5) {
        let key = dice.pick(&KEYS[..10]);
        members.push(format!(r#""{key}":{}"#, value(dice, 3)));
    }
    // The envelope need not come first.
    for _ in 0..3 {
        let (from, to) = (dice.below(members.len()), dice.below(members.len()));
        members.swap(from, to);
    }
    let joint = dice.pick(&[",", ", ", ",\n\t"]);
    format!("{{{}}}", members.join(joint))
}

/// What may be known of an activity beside itself; numbers and booleans as they are written there.
pub fn enrichment(dice: &mut Dice) -> Enrichment {
    let text = |dice: &mut Dice| match dice.below(3) {
        0 => "",
        _ => dice.pick(&[
            "Plain",
            "plain text",
            "\u{212a}elvin",
            "\u{130}stanbul",
            "100%_sure",
            "1.50",
            "main",
            "user_1",
        ]),
    };
    let mut texts = std::iter::from_fn(|| Some(text(dice))).take(16).collect::<Vec<_>>().into_iter();
    let mut next = || texts.next().unwrap_or_default();
    let (place, agent, person) = (
        [next(), "", next(), next(), next(), next(), "", "", next(), next()],
        [next(), next(), next(), next(), next(), next(), next()],
        [next(), next(), next(), next(), ""],
    );
    let mut place = place;
    place[1] = dice.pick(&["", "0", "100", "64496", "4294967295"]);
    place[6] = dice.pick(&["", "0", "1.5", "-7", "100"]);
    place[7] = dice.pick(&["", "0", "0.1", "-7.25", "1"]);
    let mut person = person;
    person[4] = dice.pick(&["", "true", "false"]);
    let some = |dice: &mut Dice, text: Option<String>| text.filter(|_| !dice.one_in(3)).map(Into::into);
    Enrichment {
        place: some(dice, join_parts(place)),
        agent: some(dice, join_parts(agent)),
        person: some(dice, join_parts(person)),
    }
}

fn actor(dice: &mut Dice) -> String {
    let mut members = Vec::new();
    for _ in 0..1 + dice.below(5) {
        let text = |value: String| format!("\"{value}\"");
        let (name, value) = match dice.below(9) {
            0 => ("type", text(dice.pick(&["user_actor", "API_actor"]).to_owned())),
            1 => ("email_address", text(format!("{}{}@Example.com", dice.pick(&["u", "U"]), dice.below(3)))),
            2 => ("user_id", text(format!("user_{}", dice.below(3)))),
            3 | 4 => ("ip_address", text(dice.pick(&ADDRESSES).to_owned())),
            5 => ("user_agent", text(dice.pick(&TEXTS).to_owned())),
            6 => (dice.pick(&["api_key_id", "admin_api_key_id"]), text(format!("key_{}", dice.below(2)))),
            7 => {
                let names =
                    ["service", "subject", "directory_id", "service_account_id", "unauthenticated_email_address"];
                (dice.pick(&names), value(dice, 1))
            }
            _ => (dice.pick(&["nested", "service", "external_client_id"]), value(dice, 2)),
        };
        let is_column = !matches!(name, "nested" | "service" | "subject" | "directory_id" | "service_account_id")
            && !matches!(name, "unauthenticated_email_address" | "external_client_id");
        let value = if is_column && dice.one_in(8) { dice.pick(&["null", "\"\""]).to_owned() } else { value };
        members.push(format!(r#""{name}":{value}"#));
    }
    members.join(",")
}

fn value(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 6 } else { 10 }) {
        0..=2 => format!("\"{}\"", dice.pick(&TEXTS)),
        3 => format!("\"{}\"", dice.pick(&ADDRESSES)),
        4 | 5 => dice.pick(&SCALARS).to_owned(),
        6 | 7 => {
            let items: Vec<String> = (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let members: Vec<String> =
                (0..dice.below(4)).map(|_| format!(r#""{}":{}"#, dice.pick(&KEYS), value(dice, depth - 1))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}
