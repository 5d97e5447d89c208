//! Files of every form, cut into pieces of every size.

use proptest::prelude::*;

use super::*;

/// Scans `text` handed over in pieces of `size` bytes, at most `most` records a time.
fn scan(text: &[u8], size: usize, most: usize, max: usize) -> Vec<(u64, Vec<u8>, Option<Flaw>)> {
    let mut scanner = Scanner { max, ..Scanner::new() };
    let (mut bytes, mut spans, mut list) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    loop {
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        bytes.extend_from_slice(piece);
        loop {
            let done = scanner.scan(&bytes, rest.is_empty(), most, &mut spans);
            let found = spans.iter().filter(|span| span.flaw.is_none()).count();
            list.extend(spans.drain(..).map(|span| (span.line, bytes[span.range].to_vec(), span.flaw)));
            bytes.drain(..done);
            if found < most {
                break;
            }
        }
        if rest.is_empty() {
            return list;
        }
    }
}

/// The records with their lines, `!` before what is broken; the same for pieces of every size.
fn check(text: &str, expected: &[&str]) {
    for (size, most) in [(usize::MAX, usize::MAX), (1, 1), (7, 2), (64, 3)] {
        let found = scan(text.as_bytes(), size, most, MAX_RECORD_BYTES);
        let found: Vec<String> = found
            .into_iter()
            .map(|(line, bytes, flaw)| {
                format!("{}{line} {}", if flaw.is_some() { "!" } else { "" }, String::from_utf8_lossy(&bytes))
            })
            .collect();
        assert_eq!(found, expected, "pieces of {size} bytes");
    }
}

#[test]
fn lines() {
    check("{\"id\":1}\n{\"id\":2}\n", &[r#"1 {"id":1}"#, r#"2 {"id":2}"#]);
    check("\u{feff}{\"id\":1}\r\n\r\n \n{\"id\":2}", &[r#"1 {"id":1}"#, r#"4 {"id":2}"#]);
    check("", &[]);
}

#[test]
fn lists_and_pages() {
    let found = &[r#"1 {"id":1}"#, r#"1 {"id":2}"#];
    check(r#"[{"id":1},{"id":2}]"#, found);
    check(r#"{"data":[{"id":1},{"id":2}],"has_more":false,"last_id":"x"}"#, found);
    check(r#"{"has_more":true,"data" : [{"id":1} , {"id":2}]}"#, found);
    check(r#"[{"data":[{"id":1}]},{"data":[{"id":2}],"has_more":false}]"#, found);
    check(r#"{"data":[{"id":1}],"has_more":true}{"data":[{"id":2}]}"#, found);
    check(
        "[\n  {\n    \"id\": 1\n  },\n  {\n    \"id\": 2\n  }\n]\n",
        &["2 {\n    \"id\": 1\n  }", "5 {\n    \"id\": 2\n  }"],
    );
    check("{\"data\":[],\"first_id\":null}\n{\"data\":[{\"id\":1}],\"x\":{}}\n", &[r#"2 {"id":1}"#]);
    check("{\n\"id\":1}\n{\n\"id\":2\n}", &["1 {\n\"id\":1}", "3 {\n\"id\":2\n}"]);
    check("[]", &[]);
}

#[test]
fn a_broken_line_costs_one_record() {
    let last = r#"3 {"id":3}"#;
    check("{\"id\":1}\n{\"id\":\"a\n{\"id\":3}\n", &[r#"1 {"id":1}"#, "!2 {\"id\":\"a", last]);
    check("{\"id\":1}\n{\"id\":[\n{\"id\":3}", &[r#"1 {"id":1}"#, "!2 {\"id\":[", last]);
    check("{\"id\":1}\n{\"id\":2,\n{\"id\":3}", &[r#"1 {"id":1}"#, "!2 {\"id\":2,", last]);
    check("garbage\nmore\n{\"id\":3}", &["!1 garbage", "!2 more", last]);
    check("{\"id\":1}\nnull\n{\"id\":3}", &[r#"1 {"id":1}"#, "!2 null", last]);
    check("{\"id\":1} x\n}\n{\"id\":3}", &[r#"1 {"id":1}"#, "!1 x\n}", last]);
    check("{\"id\":1}\n{\"id\":2", &[r#"1 {"id":1}"#, "!2 {\"id\":2"]);
}

#[test]
fn a_broken_element_costs_one_record() {
    check(r#"[{"id":1},{"id":"2},{"id":3}]"#, &[r#"1 {"id":1}"#, r#"!1 {"id":"2},"#, r#"1 {"id":3}"#]);
    check(r#"[{"id":1},7,{"id":3}]"#, &[r#"1 {"id":1}"#, "!1 7,", r#"1 {"id":3}"#]);
    check(r#"[{"id":1},{"id":3}"#, &[r#"1 {"id":1}"#, r#"1 {"id":3}"#, "!1 "]);
    check(r#"{"data":[{"id":1}],"has_mo"#, &[r#"1 {"id":1}"#, "!1 "]);
    check(r#"[{"id":1},{"id":{"x":"#, &[r#"1 {"id":1}"#, r#"!1 {"id":{"x":"#, "!1 "]);
    check(
        "[\n {\n  \"id\": 1,\n  \"b\": \"x\n },\n {\n  \"id\": 2\n }\n]",
        &["!2 {\n  \"id\": 1,\n  \"b\": \"x\n },", "6 {\n  \"id\": 2\n }"],
    );
}

#[test]
fn a_long_record_costs_itself() {
    let long = format!(
        "{{\"id\":1}}\n{{\"id\":\"{}\"}}\n{{\"id\":3}}\n{}\n{{\"id\":5}}",
        "x".repeat(5_000),
        "y".repeat(5_000)
    );
    for size in [64, 512, usize::MAX] {
        let found = scan(long.as_bytes(), size, usize::MAX, 1_000);
        let lines: Vec<_> = found.iter().map(|(line, bytes, flaw)| (*line, bytes.len(), *flaw)).collect();
        let stray = Some(Flaw::NoObject);
        assert_eq!(
            lines,
            [(1, 8, None), (2, 1_000, Some(Flaw::TooLong)), (3, 8, None), (4, 1_000, stray), (5, 8, None)]
        );
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in "[\\[\\]{}\",:\\\\a\n1 ]{0,60}", size in 1usize..9, most in 1usize..4) {
        prop_assert_eq!(scan(text.as_bytes(), usize::MAX, usize::MAX, 1_000), scan(text.as_bytes(), size, most, 1_000));
    }

    #[test]
    fn whatever_is_cut_the_others_stay(rows in 2usize..9, row in 0usize..9, at in 1usize..40, list in any::<bool>()) {
        let rows: Vec<String> = (0..rows).map(|n| format!(r#"{{"id":"{n}","actor":{{"type":"u","x":[1,"b"]}}}}"#)).collect();
        let row = row % rows.len();
        let mut cut = rows.clone();
        cut[row].truncate(at);
        let (open, sep, close) = if list { ("[\n", ",\n", "\n]") } else { ("", "\n", "\n") };
        let text = format!("{open}{}{close}", cut.join(sep));
        let found: Vec<String> = scan(text.as_bytes(), 16, usize::MAX, 1_000)
            .into_iter()
            .filter(|(_, _, flaw)| flaw.is_none())
            .map(|(_, bytes, _)| String::from_utf8(bytes).unwrap())
            .collect();
        let mut whole = rows;
        whole.remove(row);
        prop_assert_eq!(found, whole);
    }
}
