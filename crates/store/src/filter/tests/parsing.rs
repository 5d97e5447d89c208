//! Which text is which tree, told by the canonical text, and the tables of fields, globs, networks and times.

use std::collections::HashSet;

use super::{now, parsed};
use crate::filter::{Cidr, Field, Filter, Glob, Kind, Known, Operand, Test, fields, markdown, parse_time};

#[test]
fn gives_canonical_text() {
    for (text, canonical) in [
        ("", ""),
        ("  \t\n", ""),
        ("*", ""),
        ("* a", "a"),
        ("a OR *", ""),
        ("-*", "-*"),
        ("refund", "refund"),
        ("*refund*", "refund"),
        ("sso_*failed", "rawLog:*sso_*failed*"),
        ("\"quarterly report\"", "\"quarterly report\""),
        ("\"a\"", "a"),
        (r#""say \"hi\"\\""#, r#""say \"hi\"\\""#),
        (r"a\ b\*", "\"a b*\""),
        ("type:sso_login_failed", "type:sso_login_failed"),
        ("eventName:x activityType:y", "type:x type:y"),
        ("a AND b", "a b"),
        ("a AND b OR c AND NOT d", "a b OR c -d"),
        ("(a OR b) c", "(a OR b) c"),
        ("a (b c) ((d))", "a b c d"),
        ("a OR (b OR c)", "a OR b OR c"),
        ("a or b", "a or b"),
        ("NOT NOT a", "--a"),
        ("NOT (a b)", "-(a b)"),
        ("-(a OR b)", "-(a OR b)"),
        ("NOT -type:a", "--type:a"),
        ("-\"a b\"", "-\"a b\""),
        ("\"OR\" \"-x\"", "\"OR\" \"-x\""),
        ("OR:x", "OR:x"),
        ("type:OR", "type:OR"),
        ("ORDER android", "ORDER android"),
        ("type:(a OR b)", "type:a OR type:b"),
        ("type:(a OR b) c", "(type:a OR type:b) c"),
        ("-type:(a* b)", "-(type:a* type:b)"),
        ("type:(a -b NOT (c OR \"d e\"))", "type:a -type:b -(type:c OR type:\"d e\")"),
        ("status_code:(>=400 <500)", "status_code:>=400 status_code:<500"),
        ("ip:(2001:db8::1 OR 10.0.0.0/8)", "ip:2001:db8::1 OR ip:10.0.0.0/8"),
        ("field:*", "field:*"),
        ("field:**", "field:*"),
        ("g:a**b*", "g:a*b*"),
        (r"g:a\*b", "g:\"a*b\""),
        ("g:\"a*\"", "g:\"a*\""),
        ("g:-5", "g:-5"),
        ("g:a:b:c", "g:\"a:b:c\""),
        ("g:\"\"", "g:\"\""),
        ("updates.type:name", "updates.type:name"),
        ("updates[].type:name", "updates.type:name"),
        (r"claims.https\://x\.y/z:v", r"claims.https\://x\.y/z:v"),
        (r"g:\//x*", r"g:\//x*"),
        ("raw.outcome:failure", "raw.outcome:failure"),
        ("raw.status_code:1", "status_code:1"),
        ("raw.raw.x:1", "raw.raw.x:1"),
        ("raw:1", "raw:1"),
        ("raw.2fa:on", "raw.2fa:on"),
        ("raw.fe80:x", "raw.fe80:x"),
        ("raw.Email:x", "raw.Email:x"),
        ("tags.os:linux", "tags.os:linux"),
        ("raw.tags.os:linux", "raw.tags.os:linux"),
        ("2fa:on", "\"2fa:on\""),
        ("10:30", "\"10:30\""),
        ("https://example.com/x?y=1", "\"https://example.com/x?y=1\""),
        ("2001:db8::1", "\"2001:db8::1\""),
        ("ip:192.0.2.0/24", "ip:192.0.2.0/24"),
        ("srcIP:192.0.2.9/24", "ip:192.0.2.0/24"),
        ("ip:::ffff:192.0.2.9", "ip:192.0.2.9"),
        ("ip:192.0.2.9/32", "ip:192.0.2.9"),
        ("ip:2001:DB8:0:0::1", "ip:2001:db8::1"),
        ("ip:192.0.2.*", "ip:192.0.2.*"),
        ("ip:unknown", "ip:unknown"),
        ("ip:\"192.0.2.9\"", "ip:\"192.0.2.9\""),
        ("value:192.0.2.9", "value:192.0.2.9"),
        ("value:192.0.2.9/32", "value:192.0.2.9/32"),
        ("value:\"192.0.2.0/24\"", "value:\"192.0.2.0/24\""),
        ("status_code:>400", "status_code:>400"),
        ("status_code:>=\"4e2\"", "status_code:>=400"),
        ("created_at:>2026-01-01", "time:>2026-01-01T00:00:00Z"),
        ("time:>7d", "time:>2026-10-08T12:00:00Z"),
        ("time:<now", "time:<2026-10-15T12:00:00Z"),
        ("expires_at:<=2026-01-01T01:00:00+01:00", "expires_at:<=2026-01-01T00:00:00Z"),
        ("time:2026-01-31", "time:>=2026-01-31T00:00:00Z time:<2026-02-01T00:00:00Z"),
        ("time:2026-01-31T10:00:00Z", "time:>=2026-01-31T10:00:00Z time:<2026-01-31T10:00:01Z"),
        ("time:2026-01-31T10:00:00.25Z", "time:>=2026-01-31T10:00:00.25Z time:<2026-01-31T10:00:00.26Z"),
        ("-time:2026-01-31", "-(time:>=2026-01-31T00:00:00Z time:<2026-02-01T00:00:00Z)"),
        ("readOnly:TRUE seq:>5 asn:13335", "read_only:TRUE seq:>5 asn:13335"),
        ("actor.email_address:a@b.c", "email:a@b.c"),
        ("a(b)c", "a b c"),
    ] {
        assert_eq!(parsed(text).to_string(), canonical, "{text}");
        assert_eq!(parsed(canonical), parsed(text), "{canonical}");
    }
}

#[test]
fn builds_the_tree() {
    let path = |keys: &[&str]| Field::Raw(keys.iter().map(|&key| key.to_owned()).collect());
    assert_eq!(
        parsed("type:a -x.y:>5 OR word"),
        Filter::Or(vec![
            Filter::And(vec![
                Filter::Test { field: Known::Type.into(), test: Test::Equals("a".into()) },
                Filter::Not(Box::new(Filter::Test {
                    field: path(&["x", "y"]),
                    test: Test::Greater(Operand::Number(5.0)),
                })),
            ]),
            Filter::Word("word".into()),
        ])
    );
}

#[test]
fn knows_its_fields_and_every_unified_column() {
    let mut names = HashSet::new();
    for (at, info) in fields().iter().enumerate() {
        assert_eq!(info.field as usize, at, "{:?}", info.field);
        assert!(!info.description.is_empty());
        for name in info.names {
            assert!(names.insert(name.to_ascii_lowercase()), "{name} stands twice");
            assert_eq!(Known::by_name(name), Some(info.field), "{name}");
            assert!(
                matches!(parsed(&format!("{name}:*")), Filter::Test { field: Field::Known(known), .. } if known == info.field)
            );
        }
    }
    for column in [
        "workspaceID sourceID sourceType sourceTTL receivedAt id eventTime eventName eventID srcIP srcASCountryCode",
        "srcASNumber srcASOrganization srcCity srcConnectionType srcISP srcLatitude srcLongitude srcUserType dstIP",
        "dstASCountryCode dstASNumber dstASOrganization dstCity dstConnectionType dstISP dstLatitude dstLongitude",
        "dstUserType actor tags resources serviceName enrichments readOnly rawLog activityID activityType organizationID",
        "actorType actorEmail actorUserID actorIPAddress actorUserAgent actorAPIKeyID actorAdminAPIKeyID",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    {
        assert!(Known::by_name(column).is_some(), "{column}");
        assert!(markdown().contains(&format!("`{column}`")), "{column}");
    }
    assert_eq!(Known::ReadOnly.kind(), Kind::Boolean);
}

#[test]
fn matches_globs() {
    for (glob, text, expected) in [
        ("a*", "a", true),
        ("a*", "ABC", true),
        ("a*", "ba", false),
        ("*a", "ba", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*b*", "abc", true),
        ("*ab*ab*", "ab-ab", true),
        ("*ab*ab*", "aba", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*bc*c", "abc", false),
        ("ä*", "ÄB", false),
        ("ä*", "äB", true),
    ] {
        let pattern = Glob::new(glob.split('*').map(str::to_owned)).expect("a pattern");
        assert_eq!(pattern.matches(text), expected, "{glob} {text}");
    }
    let glob = Glob::new(["50%_".to_owned(), r"\".to_owned()]).expect("a pattern");
    assert_eq!(glob.like(), r"50\%\_%\\");
    assert_eq!(Glob::new(["a".to_owned()]), None);
    assert_eq!(Glob::new([String::new(), String::new(), String::new()]), None);
    assert_eq!(Glob::new([]), None);
}

#[test]
fn knows_networks() {
    for (network, address, expected) in [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.0/24", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.0/120", "192.0.2.1", true),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "::ffff:10.0.0.1", false),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.2", false),
    ] {
        let cidr: Cidr = network.parse().expect(network);
        assert_eq!(cidr.contains(address.parse().expect(address)), expected, "{network} {address}");
    }
    for bad in [
        "",
        "/",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/0008",
        "::/129",
        "::/256",
        "010.0.0.1",
        "10.0.0",
        "fe80::1%eth0",
    ] {
        assert!(bad.parse::<Cidr>().is_err(), "{bad}");
    }
    for (network, first, last) in [
        ("10.1.2.3/8", "10.0.0.0", "10.255.255.255"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("2001:db8::/127", "2001:db8::", "2001:db8::1"),
        ("::1/128", "::1", "::1"),
    ] {
        let cidr: Cidr = network.parse().expect(network);
        assert_eq!((cidr.first().to_string(), cidr.last().to_string()), (first.into(), last.into()), "{network}");
    }
}

#[test]
fn reads_times() {
    for (text, expected) in [
        ("2026-01-31", Some("2026-01-31T00:00:00Z")),
        ("2026-01-31T10:00:00+02:00", Some("2026-01-31T08:00:00Z")),
        ("2026-01-31 10:00:00.1234567z", Some("2026-01-31T10:00:00.123456Z")),
        ("90s", Some("2026-10-15T11:58:30Z")),
        ("15m", Some("2026-10-15T11:45:00Z")),
        ("24h", Some("2026-10-14T12:00:00Z")),
        ("2w", Some("2026-10-01T12:00:00Z")),
        ("6y", Some("2020-10-15T12:00:00Z")),
        ("now", Some("2026-10-15T12:00:00Z")),
        ("9999-12-31T23:59:59Z", Some("9999-12-30T22:00:00Z")),
        ("9999-12-32", None),
        ("0000-12-31", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-02-30", None),
        ("2026-01-31T10:00:00", None),
        ("2026-01-31T10:00Z", None),
        ("2026-01-31T24:00:00Z", None),
        ("2026-01-31T10:00:60Z", None),
        ("2026-01-31T10:00:00+24:00", None),
        ("2026-01-31T10:00:00.Z", None),
        ("20260131", None),
        ("3000y", None),
        ("99999999999999999999d", None),
        ("d", None),
        ("7 d", None),
        ("7D", None),
        ("-7d", None),
        ("2026-01-3é", None),
        ("", None),
    ] {
        assert_eq!(parse_time(text, now()).map(|time| time.to_string()).as_deref(), expected, "{text}");
    }
}
