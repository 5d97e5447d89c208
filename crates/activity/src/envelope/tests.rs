//! What is an activity, what is not, and what is said then.

use super::*;

const CHAT: &str = r#" {"id":"activity_01A","created_at":"2026-04-10T08:09:10.1234567Z","organization_id":null,"actor":{"type":"user_actor","email_address":"a@example.com","new_field":{"x":[1]}},"type":"claude_chat_created","claude_chat_id":"claude_chat_01B","odd":1e300}
"#;

#[test]
fn keeps_everything() {
    let activity = Activity::parse_str(CHAT).unwrap();
    assert_eq!(activity.raw, CHAT.trim());
    assert_eq!(activity.created_at.to_string(), "2026-04-10T08:09:10.123456Z");
    assert_eq!(activity.actor.kind(), Some("user_actor"));
    assert_eq!(activity.organization_id, None);
    let names: Vec<_> = activity.fields.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["claude_chat_id", "odd"]);
}

#[test]
fn says_what_is_wrong() {
    let cases: &[(&str, &str)] = &[
        ("", "an activity is a JSON object, found nothing"),
        ("[]", "an activity is a JSON object, found a list"),
        ("{\"id\":\"a\"", "invalid JSON: cut short at byte 9: EOF while parsing an object"),
        (
            "{\"id\":\"a\u{1}\"}",
            "invalid JSON at byte 9: control character (\\u0000-\\u001F) found while parsing a string",
        ),
        ("{\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\"}", "`id` is missing"),
        ("{\"id\":\"a\",\"type\":\"x\"}", "`created_at` is missing"),
        ("{\"id\":\"a\",\"created_at\":\"2026-01-01T00:00:00Z\"}", "`type` is missing"),
        ("{\"id\":7,\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\"}", "`id` must be a string, found a number"),
        (
            "{\"id\":\"\",\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\"}",
            "`id` must be a non-empty string, found an empty one",
        ),
        ("{\"id\":\"a\",\"id\":\"b\",\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\"}", "`id` stands twice"),
        (
            "{\"id\":\"a\",\"created_at\":\"yesterday\",\"type\":\"x\"}",
            "`created_at` must be an RFC 3339 time with zone, found \"yesterday\"",
        ),
        (
            "{\"id\":\"a\",\"created_at\":\"2026-01-01T00:00:00\",\"type\":\"x\"}",
            "`created_at` must be an RFC 3339 time with zone, found \"2026-01-01T00:00:00\"",
        ),
        (
            "{\"id\":\"a\",\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\",\"actor\":{\"ip_address\":5}}",
            "`actor.ip_address` must be a string or null, found a number",
        ),
        (
            "{\"id\":\"a\",\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"x\",\"actor\":\"me\"}",
            "`actor` must be an object, found a string",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(Activity::parse_str(text).unwrap_err().to_string(), *message, "{text}");
    }
    assert_eq!(Activity::parse(b"{\"id\":\"\xff\"}").unwrap_err().to_string(), "invalid UTF-8 at byte 7");
}

#[test]
fn takes_times_with_any_zone() {
    let at = |text: &str| parse_time(text).unwrap().to_string();
    assert_eq!(at("2026-04-10T10:09:10+02:00"), "2026-04-10T08:09:10Z");
    assert_eq!(at("2025-03-18T14:30:45.123Z"), "2025-03-18T14:30:45.123Z");
    assert_eq!(at("1969-12-31T23:59:59.9999999Z"), "1969-12-31T23:59:59.999999Z");
}
