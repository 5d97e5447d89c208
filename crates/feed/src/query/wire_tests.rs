//! Query strings as clients send them, and what each is answered.

use proptest::prelude::*;

use super::*;

fn known(name: &str) -> bool {
    name.starts_with("claude_") || name.starts_with("sso_")
}

fn parse(text: &str) -> Query {
    Query::parse(text, known).expect(text)
}

fn refused(text: &str) -> String {
    let error = Query::parse(text, known).expect_err(text);
    assert_eq!((error.status, error.kind.as_str()), (400, "invalid_request_error"), "{text}");
    error.message
}

#[test]
fn an_empty_string_is_the_default() {
    assert_eq!(parse(""), Query::default());
    assert_eq!(parse("&&"), Query::default());
    assert_eq!(Query::default().encode(), "");
}

#[test]
fn reads_every_parameter() {
    let query = parse(
        "activity_types[]=claude_a&activity_types%5B%5D=claude_b&actor_ids[]=user_1&user_ids[]=user_2\
         &organization_ids[]=org_1&organization_ids[]=abc&created_at.gte=2026-04-01T00%3A00%3A00Z\
         &created_at.gt=2026-04-01T00:00:00%2B02:00&created_at.lte=2026-04-01T00:00:00.5Z\
         &created_at.lt=2026-04-02T00:00:00Z&after_id=a%20b+c&limit=5000&order=asc",
    );
    assert_eq!(query.activity_types, ["claude_a", "claude_b"]);
    assert_eq!(query.actor_ids, ["user_1", "user_2"]);
    assert_eq!(query.organization_ids, ["org_1", "abc"]);
    assert_eq!(query.created_at.gt.map(|t| t.to_string()).as_deref(), Some("2026-03-31T22:00:00Z"));
    assert!(query.created_at.gte < query.created_at.lte && query.created_at.lte < query.created_at.lt);
    assert_eq!(query.cursor, Some(Cursor::After("a b c".into())));
    assert_eq!((query.limit, query.order), (5_000, Order::Asc));
    assert_eq!(parse("before_id=x").cursor, Some(Cursor::Before("x".into())));
    assert_eq!(parse("exclude_activity_types[]=sso_a").exclude_activity_types, ["sso_a"]);
}

#[test]
fn ignores_what_the_contract_does_not_have() {
    assert_eq!(
        parse("page=3&actor_ids[x]=1&actor_ids[=1&[]=1&actor_ids[]]=1&=&x&created_at=now&%FF=%FF"),
        Query::default()
    );
}

#[test]
fn reads_lists_in_every_spelling() {
    for (name, query) in [
        ("activity_types", Query { activity_types: vec!["claude_a".into(), "claude_b".into()], ..Query::default() }),
        (
            "exclude_activity_types",
            Query { exclude_activity_types: vec!["claude_a".into(), "claude_b".into()], ..Query::default() },
        ),
        ("actor_ids", Query { actor_ids: vec!["claude_a".into(), "claude_b".into()], ..Query::default() }),
        ("user_ids", Query { actor_ids: vec!["claude_a".into(), "claude_b".into()], ..Query::default() }),
        (
            "organization_ids",
            Query { organization_ids: vec!["claude_a".into(), "claude_b".into()], ..Query::default() },
        ),
    ] {
        for (first, second) in [("[]", "[]"), ("", ""), ("[0]", "[1]"), ("%5B%5D", "%5b%5d"), ("", "[]")] {
            assert_eq!(parse(&format!("{name}{first}=claude_a&{name}{second}=claude_b")), query, "{name}{first}");
        }
    }
    assert!(refused("activity_types=nonsense,claude_a").contains("unknown activity type"));
}

#[test]
fn a_uuid_is_the_same_in_capitals() {
    let small = "abcdef01-2345-6789-abcd-ef0123456789";
    let large = small.to_uppercase();
    assert_eq!(parse(&format!("organization_ids[]={large}")).organization_ids, [small, &large]);
    for same in [small, "org_01ABC", "ABCDEF01", "ABCDEF0123456789ABCDEF0123456789", &format!("X{}", &large[1..])] {
        assert_eq!(parse(&format!("organization_ids[]={same}")).organization_ids, [same]);
    }
}

#[test]
fn says_what_is_wrong() {
    insta::assert_snapshot!(
        [
            "created_at.gte=yesterday",
            "created_at.lt=2026-04-01T00:00:00",
            "created_at.lte=2026-04-01T00:00:00+02:00",
            "created_at.gt=",
            "limit=0",
            "limit=5001",
            "limit=abc",
            "limit=-1",
            "limit=",
            "limit=99999999999999999999",
            "after_id=a&before_id=b",
            "activity_types[]=claude_a&exclude_activity_types[]=claude_b",
            "activity_types[]=nonsense",
            "exclude_activity_types[]=",
            "order=newest",
            "limit=1&limit=1",
            "after_id=a&after_id=b",
        ]
        .map(refused)
        .join("\n"),
        @r#"
        created_at.gte: invalid timestamp "yesterday", expected RFC 3339 with a time zone such as 2026-04-01T00:00:00Z
        created_at.lt: invalid timestamp "2026-04-01T00:00:00", expected RFC 3339 with a time zone such as 2026-04-01T00:00:00Z
        created_at.lte: invalid timestamp "2026-04-01T00:00:00 02:00", expected RFC 3339 with a time zone such as 2026-04-01T00:00:00Z (a plus sign is sent as %2B)
        created_at.gt: invalid timestamp "", expected RFC 3339 with a time zone such as 2026-04-01T00:00:00Z
        limit: must be an integer between 1 and 5000, got "0"
        limit: must be an integer between 1 and 5000, got "5001"
        limit: must be an integer between 1 and 5000, got "abc"
        limit: must be an integer between 1 and 5000, got "-1"
        limit: must be an integer between 1 and 5000, got ""
        limit: must be an integer between 1 and 5000, got "99999999999999999999"
        after_id and before_id cannot be given together: send one of them
        activity_types[] and exclude_activity_types[] cannot be given together: send one of them
        activity_types[]: unknown activity type "nonsense"
        exclude_activity_types[]: unknown activity type ""
        order: must be asc or desc, got "newest"
        limit: given more than once, send it once
        after_id: given more than once, send it once
        "#
    );
    assert!(refused(&format!("order={}", "é".repeat(10_000))).len() < 400);
}

fn instants() -> impl Strategy<Value = Option<Timestamp>> {
    let range = -62_000_000_000_000_000i64..253_000_000_000_000_000;
    prop::option::of(range.prop_map(|micros| Timestamp::from_microsecond(micros).expect("in range")))
}

prop_compose! {
    fn windows()(gte in instants(), gt in instants(), lte in instants(), lt in instants()) -> Window {
        Window { gte, gt, lte, lt }
    }
}

fn cursors() -> impl Strategy<Value = Option<Cursor>> {
    prop::option::of(prop_oneof![".*".prop_map(Cursor::After), ".*".prop_map(Cursor::Before)])
}

prop_compose! {
    fn queries()(
        types in prop::collection::vec(".*", 0..4),
        excluded in any::<bool>(),
        actor_ids in prop::collection::vec(".*", 0..4),
        organization_ids in prop::collection::vec(".*", 0..4),
        created_at in windows(),
        cursor in cursors(),
        limit in 1..=MAX_LIMIT,
        asc in any::<bool>(),
    ) -> Query {
        let (activity_types, exclude_activity_types) = if excluded { (vec![], types) } else { (types, vec![]) };
        let order = if asc { Order::Asc } else { Order::Desc };
        Query { activity_types, exclude_activity_types, actor_ids, organization_ids, created_at, cursor, limit, order }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(query in queries()) {
        prop_assert_eq!(Query::parse(&query.encode(), |_| true), Ok(query));
    }

    #[test]
    fn any_text_is_a_query_or_a_400(text in "([a-z_.\\[\\]%&=+0-9:TZ-]|.){0,120}") {
        if let Err(error) = Query::parse(&text, known) {
            prop_assert_eq!(error.status, 400);
        }
    }
}
