//! What each test finds: the examples by which the meaning is pinned.

use std::borrow::Cow;

use activity::Activity;

use super::{now, parsed};
use crate::filter::{
    Filter, Known, RecordView, Test, View, matches,
    operand::{NUMBER_PATTERN, TIME_PATTERN},
    parse_time, values_of_activity, word_forms,
};

const RAW: &str = r#"{"id":"activity_01","created_at":"2026-10-14T09:30:00.250000Z","type":"role_updated",
"organization_id":"org_1","organization_uuid":"7e2c-UUID","actor":{"type":"user_actor","email_address":"Alice@Example.com",
"user_id":"user_1","ip_address":"::ffff:192.0.2.7","user_agent":"Mozilla/5.0 (X11)","unauthenticated_email_address":null},
"outcome":"partial","status_code":403,"amount":1.50,"big":9007199254740993,"minus":-0,"limit":"400","version":"1.10","zip":"0123",
"enabled":true,"nothing":null,"empty":"","list":[],"nulls":[null],"object":{},"deep":[[{"a":[1,2]}],{"a":3}],
"updates":[{"type":"name","new":"Größe"},{"type":"email"}],"allowed":["10.0.0.0/8","192.0.2.9"],"expires_at":"2027-01-01T00:00:00+01:00",
"never":"9999-12-31T23:59:59Z","note":"say \"hi\"\n","sp.a:ce d":"x","twice":1,"twice":2,"star":"a*b"}"#;

/// An activity with a few of the fields that a record adds.
struct Sample<'a>(Activity<'a>);

impl View for Sample<'_> {
    fn activity(&self) -> &Activity<'_> {
        &self.0
    }

    fn values(&self, field: Known, each: &mut dyn FnMut(&str)) {
        if values_of_activity(&self.0, field, each) {
            return;
        }
        match field {
            Known::Category => each("authorization"),
            Known::Outcome => each("success"),
            Known::ReadOnly => each("false"),
            Known::Resource => ["user_2", "role_3"].into_iter().for_each(each),
            Known::Asn => each("13335"),
            Known::Latitude => each("52.5"),
            Known::City => each(""),
            Known::Seq => each("12"),
            Known::Received => each("2026-10-14T09:31:00Z"),
            _ => {}
        }
    }

    fn tag(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "os" => Some("Linux".into()),
            "score" => Some("7".into()),
            "none" => Some("".into()),
            _ => None,
        }
    }
}

#[track_caller]
fn found(text: &str) -> bool {
    let activity = Activity::parse_str(RAW).expect("an activity");
    matches(&parsed(text), &Sample(activity))
}

#[test]
fn finds() {
    for text in [
        "",
        // Fields of the record.
        "type:role_updated",
        "type:ROLE_*",
        "id:activity_01",
        "org:org_1 org:7e2c-uuid organizationID:org_1 organization_uuid:7E2C-uuid",
        "-organizationID:7e2c-uuid",
        "actor:alice@example.com actor:user_1 actor_id:user_1 actor_type:user_actor",
        "email:*@example.com user:user_1",
        "-key:* -api_key:*",
        "ua:\"mozilla/5.0 (x11)\" ua:*x11\\)",
        "ip:192.0.2.7 ip:192.0.2.0/24 ip:::ffff:192.0.2.0/120 -ip:::/0 -ip:10.0.0.0/8",
        "ip:\"::ffff:192.0.2.7\" -ip:\"192.0.2.7\" ip:*.7",
        "category:authorization outcome:success -outcome:partial",
        "readOnly:false -readOnly:true read_only:*",
        "resource:user_2 resources:ROLE_3 -resource:role",
        "asn:13335 asn:1.3335e4 asn:>13334 asn:<=13335 -asn:>13335",
        "latitude:52.50 latitude:>52 latitude:<5.3e1",
        "-city:*",
        "-country:* -country:DE -country:D*",
        "seq:(>=12 <13)",
        "tags.os:linux tags.score:>6.5 -tags.none:* -tags.other:* -tags.os:>1",
        // Times.
        "time:2026-10-14 time:2026-10-14T09:30:00Z time:2026-10-14T09:30:00.25Z time:2026-10-14T09:30:00.250000Z",
        "-time:2026-10-15 -time:2026-10-14T09:30:01Z -time:2026-10-14T09:30:00.26Z",
        "time:>2d time:<1d time:<=2026-10-14T11:30:00.25+02:00 time:>=2026-10-14T11:30:00.25+02:00",
        "received:>2026-10-14T09:30:59Z time:* received:2026-10-14",
        "expires_at:>2026-12-31 expires_at:<2027-01-01 never:>2900-01-01 never:>=9999-12-31",
        // The raw log.
        "raw.outcome:partial raw.type:role_updated raw.created_at:2026-10-14T09:30:00.250000Z raw.created_at:>2026-10-14",
        "raw.id:activity_01 raw.organization_id:org_1 raw.actor.email_address:alice@example.com raw.actor:* -raw.id.x:*",
        "raw.actor.unauthenticated_email_address:* OR -actor.unauthenticated_email_address:*",
        "status_code:403 status_code:>400 status_code:(>=403 <=403) status_code:4.03e2 status_code:40* -status_code:4030",
        "amount:1.5 amount:1.50 amount:15e-1 amount:<2 -amount:1* amount:*",
        "big:9007199254740993 -big:9007199254740992 -big:9007199254740992.0 -big:9.007199254740993e15",
        "minus:0 minus:-0 minus:0.0",
        "limit:400 -limit:400.0 limit:>399 limit:<4.01e2",
        "version:1.10 -version:1.1 version:>1",
        "zip:0123 -zip:123 -zip:>1",
        "enabled:true enabled:TRUE -enabled:1 enabled:t* -enabled:>0",
        "-nothing:* -nothing:null -absent:* -list:* -nulls:* -absent:x -absent:>1 -absent:x*",
        "empty:* empty:\"\" -empty:x",
        "object:* -object:x -object:\"\" updates:* -updates:name",
        "updates.type:name updates.type:email updates.new:größe -updates.new:GRÖSSE updates[].type:name",
        "updates.type:name -updates.type:phone",
        "deep.a:1 deep.a:2 deep.a:3 deep.a:>2 -deep.a:4 -deep.b:* -deep.a.b:*",
        "allowed:10.0.0.0/8 -allowed:10.0.0.0/9 allowed:192.0.2.0/24 allowed:192.0.2.9 allowed:192.0.2.9/32 -allowed:10.0.0.1",
        "-status_code:192.0.2.0/24",
        r"sp\.a\:ce\ d:x",
        "twice:1 -twice:2",
        r"star:a\*b star:a* star:*\*b -star:\*",
        // Words.
        "role_updated ROLE_UPDATED größe -GRÖßE \"say \\\"hi\\\"\" say*hi",
        "\"\\\"status_code\\\":403\" alice@example.com 10.0.0.0/8 2027-01-01T00:00:00",
        // Together.
        "absent:x OR type:role_updated",
        "type:(a OR role_updated) type:(role* -*x) -type:(a OR b)",
        "NOT absent:* AND NOT (type:x OR type:y)",
        "type:role_updated OR x y",
        "--type:role_updated",
    ] {
        assert!(found(text), "{text}");
        if !text.is_empty() {
            assert!(!found(&format!("-({text})")), "-({text})");
        }
    }
    for text in ["type:role", "type:role_updated*x", "amount:1*", "ip:0.0.0.0", "time:>1d", "-role*", "sp.a:x", "-*"] {
        assert!(!found(text), "{text}");
    }
}

#[test]
fn sees_an_activity_alone() {
    let activity = Activity::parse_str(RAW).expect("an activity");
    assert!(matches(&parsed("actor:user_1 -category:* -tags.os:* rawLog:*403*"), &activity));
    let nobody =
        Activity::parse_str(r#"{"id":"a","created_at":"2026-10-14T09:30:00Z","type":"t"}"#).expect("an activity");
    assert!(matches(&parsed("-actor:* -raw.actor:* -raw.actor.x:* -org:* -ip:* -ip:10.0.0.0/8 id:a"), &nobody));
    let view: &dyn View = &nobody;
    assert!(matches(&Filter::All, view));
}

#[test]
fn sees_a_record() {
    let activity = Activity::parse_str(
        r#"{"id":"a","created_at":"2026-10-14T09:30:00Z","type":"sso_login_failed","actor":{"type":"user_actor","ip_address":"10.0.0.1"}}"#,
    )
    .expect("an activity");
    let record = activity::Record::of(&activity);
    let view = RecordView { record: &record, source: "main" };
    for text in [
        "category:authentication outcome:failure tags.outcome:failure tags:failure tags.product:* product:*",
        "ip_class:private guessed:false readOnly:* -target:x -resource:* -country:* -tags.os:* type:sso_*",
        "source:main record_id:main:a sourceType:anthropic-compliance -received:* -seq:*",
    ] {
        assert!(matches(&parsed(text), &view), "{text}: {record:?}");
    }
}

#[test]
fn holds_trees_that_no_text_makes() {
    let activity = Activity::parse_str(RAW).expect("an activity");
    let by_hand = |field: Known, text: &str| matches(&Filter::test(field, Test::Equals(text.into())), &activity);
    assert!(by_hand(Known::Time, "2026-10-14T11:30:00.25+02:00"));
    assert!(!by_hand(Known::Time, "2026-10-14"));
    for (filter, text, expected) in [
        (Filter::And(vec![]), "*", true),
        (Filter::Or(vec![]), "-*", false),
        (Filter::or([]), "-*", false),
        (Filter::and([]), "", true),
        (Filter::Not(Box::new(Filter::Or(vec![]))), "--*", true),
        (Filter::And(vec![Filter::All, Filter::Or(vec![])]), "* (-*)", false),
    ] {
        assert_eq!(filter.to_string(), text);
        assert_eq!(matches(&filter, &activity), expected, "{text}");
        assert_eq!(matches(&parsed(text), &activity), expected, "{text}");
    }
}

#[test]
fn gives_the_forms_of_a_word() {
    assert_eq!(word_forms("plain ü"), ["plain ü"]);
    assert_eq!(word_forms("C:\\\"\n"), ["C:\\\"\n", "C:\\\\\\\"\\n"]);
}

/// The patterns that engines test with, against the code that this room tests with.
#[test]
fn patterns_are_what_the_code_takes() {
    use proptest::prelude::*;
    let texts = |pattern: &str| {
        proptest::string::string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).expect("a pattern")
    };
    proptest!(|(number in texts(NUMBER_PATTERN), time in texts(TIME_PATTERN))| {
        prop_assert!(crate::filter::operand::is_number(number.as_bytes()), "{number}");
        // Not every text of the form is a day of the calendar.
        if let Ok(date) = time[..10].parse::<jiff::civil::Date>() && (2..9999).contains(&date.year()) {
            prop_assert!(parse_time(&time, now()).is_some(), "{time}");
        }
    });
}
