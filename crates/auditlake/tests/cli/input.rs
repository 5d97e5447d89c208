//! What people really have in their files: each flaw gets a message that says which line of which file and why, the rest
//! is imported, and what was rejected is kept.

use std::io::Write;

use serde_json::Value;

use crate::{
    place::{Place, activities, activity, lines},
    program::Outcome,
};

/// Imports one file and checks the counts (read, new, rejected) and what was said.
#[track_caller]
fn check(place: &Place, file: &str, bytes: impl AsRef<[u8]>, code: i32, counts: [u64; 3], said: &[&str]) -> Outcome {
    let before = place.rejects("import").len() as u64;
    place.file(file, bytes);
    let outcome = place.run(&["import", file]);
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    let summary = lines(std::str::from_utf8(&outcome.stdout).unwrap()).remove(0);
    assert_eq!(["read", "new", "rejected"].map(|name| summary[name].as_u64().unwrap()), counts, "{outcome:?}");
    for text in said {
        assert!(outcome.stderr.contains(text), "{text:?} is not in {outcome:?}");
    }
    assert_eq!(place.rejects("import").len() as u64 - before, counts[2]);
    if counts[2] > 0 {
        let path = place.data().join("rejects/import.jsonl");
        assert!(
            outcome
                .stderr
                .contains(&format!("hint: the rejected records are kept, each with its reason, in {}", path.display()))
        );
        assert_eq!(summary["reject_file"], path.to_str().unwrap());
    }
    outcome
}

fn without(line: &str, member: &str) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    object.shift_remove(member).unwrap();
    Value::Object(object).to_string()
}

#[test]
fn a_broken_record_costs_no_other() {
    let place = Place::new();
    let good = activity;
    let cut = &good("cut", 3)[..60];
    let text = format!("{}\n{}\n{cut}", good("a1", 1), good("a2", 2));
    check(&place, "cut.jsonl", text, 0, [3, 2, 1], &["rejected cut.jsonl:3: the file ends inside this record"]);
    assert_eq!(place.rejects("import")[0]["text"], cut);
    assert_eq!(place.rejects("import")[0]["where"], "cut.jsonl:3");

    let bad = good("b2", 2).replace("ann@", "a\u{1}\u{1}@").into_bytes();
    let bad: Vec<u8> = bad.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    let bytes = [good("b1", 1).as_bytes(), b"\n", &bad, b"\n", good("b3", 3).as_bytes(), b"\n"].concat();
    check(&place, "utf8.jsonl", bytes, 0, [3, 2, 1], &["rejected utf8.jsonl:2: invalid UTF-8 at byte "]);
    let kept = place.rejects("import").pop().unwrap();
    assert!(kept["base64"].as_str().unwrap().starts_with("eyJpZCI6"), "{kept}");

    let text = [
        good("c1", 1),
        good("c2", 2).replace("\"activity_c2\"", "7"),
        good("c3", 3).replace("\"claude_chat_created\"", "5"),
        good("c4", 4).replace("\"2026-04-10T00:00:04Z\"", "1700000000"),
        good("c5", 5).replace("\"org_1\"", "true"),
        good("c6", 6),
    ]
    .join("\n");
    let said = [
        "rejected number.jsonl:2: `id` must be a string, found a number\n",
        "rejected number.jsonl:3: `type` must be a string, found a number\n",
        "rejected number.jsonl:4: `created_at` must be a string, found a number\n",
        "rejected number.jsonl:5: `organization_id` must be a string or null, found a boolean\n",
    ];
    check(&place, "number.jsonl", text, 0, [6, 2, 4], &said);

    let line = good("d2", 2);
    let text = [good("d1", 1), without(&line, "id"), without(&line, "created_at"), good("d3", 3)].join("\n");
    let said = ["rejected missing.jsonl:2: `id` is missing\n", "rejected missing.jsonl:3: `created_at` is missing\n"];
    check(&place, "missing.jsonl", text, 0, [4, 2, 2], &said);
    assert_eq!(place.rejects("import").pop().unwrap()["text"], without(&line, "created_at"));

    let long = good("e2", 2).replace("org_1", &"x".repeat(50_000_000));
    let text = [good("e1", 1), long, good("e3", 3)].join("\n");
    check(&place, "long.jsonl", text, 0, [3, 2, 1], &["rejected long.jsonl:2: longer than 32 MiB"]);
    assert_eq!(place.count(), 2 + 2 + 2 + 2 + 2);
}

#[test]
fn a_file_that_is_none_costs_no_other() {
    let place = Place::new();
    check(&place, "empty.jsonl", "", 1, [0, 0, 0], &["error: empty.jsonl: is empty\nhint: "]);
    check(
        &place,
        "notes.txt",
        "Dear auditor,\n",
        1,
        [0, 0, 0],
        &["error: notes.txt: holds no JSON objects", "hint: import reads JSON lines"],
    );
    std::fs::create_dir(place.path().join("folder")).unwrap();
    let file = place.file("good.jsonl", activities(3));
    let outcome = place.run(&["import", "folder", "absent.jsonl", &file]);
    assert!(outcome.stderr.contains("error: folder: is a directory\nhint: name the files in it"), "{outcome:?}");
    assert!(outcome.stderr.contains("error: absent.jsonl: cannot be opened: No such file"), "{outcome:?}");
    outcome.failed();
    assert_eq!(place.count(), 3);
}

#[test]
fn a_damaged_packed_file_says_so() {
    let place = Place::new();
    let packed = gzip(&activities(20_000));
    let half = &packed[..packed.len() / 2];
    let outcome = place.run(&["import", &place.file("half.gz", half)]);
    assert!(outcome.stderr.contains("error: half.gz: cannot be read to its end: "), "{outcome:?}");
    assert!(outcome.stderr.contains("hint: the gzip file is damaged or was cut short"), "{outcome:?}");
    outcome.failed();
    let kept = place.count();
    assert!((1_000..20_000).contains(&kept), "{kept}");
    let mut broken = packed.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 64].fill(0xff);
    let failed = place.run(&["import", &place.file("broken.gz", broken)]).failed();
    assert!(failed.contains("error: broken.gz: is damaged: "), "{failed}");
    assert_eq!(place.count(), kept, "nothing is taken from a file whose bytes were altered");
    place.run(&["import", &place.file("whole.gz", packed)]).ok();
    assert_eq!(place.count(), 20_000);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_gives_the_same_bytes() {
    let records: Vec<String> = (0..20).map(|number| activity(&number.to_string(), number)).collect();
    let plain = records.join("\n");
    let list = records.join(",");
    let page = format!(r#"{{"data":[{list}],"has_more":false,"first_id":"a","last_id":"b"}}"#);
    let (first, second) = (records[..9].join(","), records[9..].join(", "));
    let pages = format!(r#"{{"has_more":true,"data":[{first}]}}{{"data": [ {second} ],"has_more":false}}"#);
    let forms: [(&str, Vec<u8>); 9] = [
        ("lines.jsonl", plain.clone().into()),
        ("windows.jsonl", format!("\u{feff}{}\r\n", records.join("\r\n")).into()),
        ("list.json", format!("[{list}]").into()),
        ("spaced.json", format!("[\n  {}\n]\n", records.join(",\n  ")).into()),
        ("page.json", page.into()),
        ("pages.json", pages.into()),
        ("lines.jsonl.gz", gzip(&plain)),
        ("several.gz", [gzip(&records[..7].join("\n")), gzip("\n"), gzip(&records[7..].join("\n"))].concat()),
        ("lines.jsonl.zst", zstd::encode_all(plain.as_bytes(), 3).unwrap()),
    ];
    let wanted = |place: &Place| {
        let rows = place.rows("select rawLog from anthropic_logs order by eventTime");
        let found: Vec<&str> = rows.iter().map(|row| row["rawLog"].as_str().unwrap()).collect();
        assert_eq!(found, records);
    };
    let place = Place::new();
    for (name, bytes) in &forms {
        place.clear();
        check(&place, name, bytes, 0, [20, 20, 0], &[]);
        wanted(&place);
    }
    for (_, bytes) in &forms {
        place.clear();
        place.program(&["import", "-"]).stdin(bytes.clone()).run().ok();
        wanted(&place);
    }
    // All of them again, at once: nothing is new.
    let names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
    let summary = lines(&place.run(&[&["import"], &names[..]].concat()).ok()).remove(0);
    assert_eq!((summary["new"].as_u64(), summary["already_there"].as_u64()), (Some(0), Some(180)));
    wanted(&place);
}
