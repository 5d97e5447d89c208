//! Objects cut at every byte.

use proptest::prelude::*;

use super::*;

/// Scans `text` as pieces of every size must: the same each way.
fn check(text: &str, step: Step, at: usize) {
    for cut in 0..text.len() {
        let (mut shape, mut end) = (Shape::new(), 0);
        let mut found = shape.scan(&text.as_bytes()[..cut], 0, &mut end);
        if found == Step::More {
            found = shape.scan(text.as_bytes(), 0, &mut end);
        }
        assert_eq!((found, end), (step, at), "{text} cut at {cut}");
    }
}

#[test]
fn finds_the_end() {
    for text in [r#"{}"#, r#"{"a":"}","b":[{"c":"\"}"},[]],"d":-1.5e3,"e":null}"#, "{ \"a\" : 1 ,\n\"é\\\\\":{ } }"] {
        check(text, Step::Done, text.len());
        check(&format!("{text} {{"), Step::Done, text.len());
        check(&text[..text.len() - 1], Step::More, text.len() - 1);
    }
}

#[test]
fn finds_pages() {
    check(r#"{"has_more":true,"first_id":"a","data" : [ {"#, Step::Page, 42);
    check(r#"{"id":"a","data":[1]}"#, Step::Done, 21);
    check(r#"{"x":"data","y":[1]}"#, Step::Done, 20);
    check(r#"{"x":{"data":[1]}}"#, Step::Done, 18);
}

#[test]
fn finds_flaws_soon() {
    let flaw = |text: &str, flaw: Flaw, at: usize| check(text, Step::Flaw(flaw), at);
    flaw("{\"id\":\"a\n{\"id\"", Flaw::LineBreak, 8);
    flaw("{\"id\":\"a\\\n{\"id\"", Flaw::LineBreak, 9);
    flaw("{\"id\":{\n{\"id\":1}", Flaw::Unexpected(b'{'), 8);
    flaw("{\"id\":\"a\",\n{\"id\":1}", Flaw::Unexpected(b'{'), 11);
    flaw(r#"{"id":"abc,"created_at":"#, Flaw::Unexpected(b'c'), 12);
    flaw(r#"{"a":1]"#, Flaw::Unexpected(b']'), 6);
    flaw(r#"{"a":[1,]}"#, Flaw::Unexpected(b']'), 8);
    flaw(&format!("{{\"a\":{}", "[".repeat(200)), Flaw::TooDeep, 131);
}

proptest! {
    #[test]
    fn special_is_the_first(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let slow = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        prop_assert_eq!(special(&bytes), slow);
    }

    #[test]
    fn every_object_is_whole(keys in prop::collection::vec(("\\PC*", "\\PC*"), 0..5)) {
        let mut object = serde_json::Map::new();
        for (key, value) in keys {
            object.insert(format!("x{key}"), serde_json::json!([value, {"data": [value]}, null, 1.5]));
        }
        for text in [serde_json::to_string(&object).unwrap(), serde_json::to_string_pretty(&object).unwrap()] {
            let mut at = 0;
            prop_assert_eq!(Shape::new().scan(text.as_bytes(), 0, &mut at), Step::Done);
            prop_assert_eq!(at, text.len());
        }
    }
}
