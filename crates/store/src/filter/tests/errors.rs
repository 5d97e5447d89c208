//! What is refused, where, and that every refusal says what to do.

use super::parse;
use crate::filter::{MAX_BYTES, MAX_DEPTH, MAX_TERMS};

#[test]
fn points_at_the_spot() {
    // `«` and `»` enclose the spot.
    for (marked, message) in [
        ("a «(»b", "this parenthesis is never closed"),
        ("a«)»", "this parenthesis closes nothing"),
        ("«()»", "nothing stands between these parentheses"),
        ("type:«( )»", "nothing stands between these parentheses"),
        ("a «AND»", "nothing stands after `AND`"),
        ("«OR» a", "nothing stands before `OR`"),
        ("a OR «OR» b", "nothing stands before `OR`"),
        ("(a «OR»)", "nothing stands after `OR`"),
        ("a AND «OR» b", "nothing stands before `OR`"),
        ("«NOT»", "nothing stands after `NOT`"),
        ("a «-» b", "`-` stands before nothing"),
        ("type:(«AND» a)", "nothing stands before `AND`"),
        ("«\"»abc", "this quote is never closed"),
        ("«\"\"»", "an empty phrase"),
        ("«\"type\"»:x", "a field name between quotes"),
        ("\"a\"«*»", "something sticks to the end of a phrase"),
        ("a«\"»b\"", "a quote inside a word"),
        ("C:«\\U»sers", "`\\U` means nothing"),
        ("abc«\\»", "a backslash at the end"),
        ("«type:»", "`type:` has no value"),
        ("«type:» x", "`type:` has no value"),
        ("«:»x", "no field stands before this colon"),
        ("type:«\"\"»", "an empty value"),
        ("«Email»:x", "there is no field `Email`"),
        ("«a..b»:x", "the path `a..b` has an empty part"),
        ("«a.»:x", "the path `a.` has an empty part"),
        ("«[]»:x", "the path `[]` has an empty part"),
        ("«up*»:x", "a wildcard in a field name"),
        ("«status_code>400»", "a comparison without a colon"),
        ("ip:«10.0.0.0/33»", "`10.0.0.0/33` is no network"),
        ("seq:«abc»", "`abc` is no number"),
        ("seq:«5*»", "a wildcard in a number"),
        ("seq:«>7d»", "`7d` is no number"),
        ("readOnly:«yes»", "`yes` is neither true nor false"),
        ("time:«soon»", "`soon` is no time"),
        ("time:«2026*»", "a wildcard in a time"),
        ("time:«7d»", "`7d` is a point in time, and no activity is exactly there"),
        ("time:«>400»", "`400` is no time"),
        ("time:«>9000y»", "the age `9000y` reaches too far back"),
        ("email:«>5»", "`>` on a field without an order"),
        ("x:«>»", "nothing stands after `>`"),
        ("x:«>abc»", "`abc` is neither a number nor a time"),
        ("x:«>1e999»", "`1e999` is too large"),
    ] {
        let text = marked.replace(['«', '»'], "");
        let error = parse(&text).expect_err(marked);
        assert_eq!(error.message, message, "{marked}");
        let at = marked.find('«').expect("a mark");
        let end = marked.find('»').expect("a mark") - '«'.len_utf8();
        assert_eq!(error.at..error.at + error.length, at..end, "{marked}");
        assert!(!error.hint.is_empty(), "{marked}");
        assert!(!error.to_string().contains('\n'), "{marked}");
    }
}

#[test]
fn draws_the_spot() {
    let error = parse("type:a (\tü AND) b").expect_err("an error");
    assert_eq!(error.to_string(), "nothing stands after `AND` (at byte 12)");
    assert_eq!(error.pointer("type:a (\tü AND) b"), "type:a ( ü AND) b\n           ^^^");
    let long = format!("{} ( {}", "ab ".repeat(50), "cd ".repeat(50));
    let pointer = parse(&long).expect_err("an error").pointer(&long);
    let (line, carets) = pointer.split_once('\n').expect("two lines");
    assert!(line.starts_with('…') && line.ends_with('…') && line.chars().count() < 130, "{line}");
    assert_eq!(line.chars().nth(carets.len() - 1), Some('('));
    let text = "type:";
    assert_eq!(parse(text).expect_err("an error").pointer(text), "type:\n^^^^^");
    // Another text than the one that was parsed draws nonsense, but draws.
    parse("ü (").expect_err("an error").pointer("ü");
}

#[test]
fn bounds_hostile_texts() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).expect_err("too deep").message.contains("deep"));
    assert!(parse(&format!("{}a", "-".repeat(MAX_DEPTH))).is_ok());
    for text in ["(".repeat(60_000), "-".repeat(60_000), "NOT ".repeat(15_000), "x:(".repeat(20_000)] {
        assert!(parse(&text).is_err());
    }
    assert!(parse(&"a ".repeat(MAX_TERMS)).is_ok());
    assert!(parse(&"a ".repeat(MAX_TERMS + 1)).expect_err("too many").message.contains("terms"));
    assert!(parse(&"a".repeat(MAX_BYTES)).is_ok());
    assert!(parse(&"a".repeat(MAX_BYTES + 1)).expect_err("too long").message.contains("bytes"));
    assert!(parse(&format!("{}:a", "n".repeat(513))).expect_err("too long").message.contains("field name"));
}
