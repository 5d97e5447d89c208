//! Whole imports: every form of file, every kind of damage.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use super::*;
use crate::{digest, testing::MemoryStore};

fn row(n: usize) -> String {
    format!(r#"{{"id":"activity_{n:07}","created_at":"2026-04-10T08:09:10Z","type":"claude_chat_created"}}"#)
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|n| row(n) + "\n").collect()
}

async fn import_all(store: &MemoryStore, dir: &Path, inputs: Vec<Input>) -> ImportReport {
    let mut options = ImportOptions::new(SourceInfo::new("files"), dir);
    options.workers = Some(2);
    import(store, &options, inputs, |_| {}).await.unwrap()
}

fn stream(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    Input::Stream { name: name.to_owned(), reader: Box::new(std::io::Cursor::new(bytes.into())) }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What an import of these bytes finds: `read`, and the rejects as text.
async fn check(bytes: impl Into<Vec<u8>>, read: u64, rejects: &[&str]) {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let report = import_all(&store, dir.path(), vec![stream("a.jsonl", bytes)]).await;
    let found: Vec<String> = report.rejects.iter().map(ToString::to_string).collect();
    assert_eq!(found, rejects);
    assert_eq!(report.failures, []);
    assert_eq!((report.read, report.rejected), (read, rejects.len() as u64));
    assert_eq!(report.new + report.known + report.rejected, report.read);
    let kept = std::fs::read_to_string(&report.reject_file).unwrap_or_default();
    assert_eq!(kept.lines().count(), rejects.len());
}

#[tokio::test]
async fn every_form_gives_the_same_rows() {
    let rows: Vec<String> = (0..3).map(row).collect();
    let list = format!("[{}]", rows.join(","));
    let page = format!(r#"{{"data":{list},"has_more":false,"first_id":null,"last_id":null}}"#);
    let pretty: serde_json::Value = serde_json::from_str(&list).unwrap();
    let pretty = serde_json::to_string_pretty(&pretty).unwrap();
    let text = lines(0..3);
    let two_members = [gzip(&lines(0..1)), gzip(&lines(1..3))].concat();
    for bytes in [
        text.clone().into_bytes(),
        text.replace('\n', "\r\n\r\n").into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        list.into_bytes(),
        format!("{page}\n{page}").into_bytes(),
        pretty.into_bytes(),
        gzip(&text),
        two_members,
        zstd::encode_all(text.as_bytes(), 1).unwrap(),
    ] {
        let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
        let report = import_all(&store, dir.path(), vec![stream("a", bytes)]).await;
        assert_eq!((report.new, report.rejected, report.failures.len()), (3, 0, 0));
        assert_eq!(store.ids(), ["activity_0000000", "activity_0000001", "activity_0000002"]);
    }
}

#[tokio::test]
async fn the_raw_log_is_byte_for_byte() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let raw = r#"{ "id":"a" ,"created_at":"2026-04-10T08:09:10Z","type":"t", "x" : 1.50 , "y":"\u00e9"  }"#;
    import_all(&store, dir.path(), vec![stream("a", format!("[\n  {raw} ,\n {{}} ]"))]).await;
    assert_eq!(store.stored().rows["a"].raw, raw);
}

#[tokio::test]
async fn bad_records_are_named_and_kept() {
    let bad = [
        "{\"id\":\"activity_x\",\"created_at\":\"2026-04-",
        r#"{"id":7,"created_at":"2026-04-10T08:09:10Z","type":"t"}"#,
        r#"{"created_at":"2026-04-10T08:09:10Z","type":"t"}"#,
        r#"{"id":"activity_y","created_at":"yesterday","type":"t"}"#,
    ];
    check(
        format!("{}{}\n{}", lines(0..1), bad.join("\n"), lines(1..2)),
        6,
        &[
            "a.jsonl:2: invalid JSON: the line ends inside a string",
            "a.jsonl:3: `id` must be a string, found a number",
            "a.jsonl:4: `id` is missing",
            "a.jsonl:5: `created_at` must be an RFC 3339 time with zone, found \"yesterday\"",
        ],
    )
    .await;
    let mut bytes = lines(0..1).into_bytes();
    bytes.extend_from_slice(b"{\"id\":\"\xff\",\"type\":\"t\"}\n");
    check(bytes, 2, &["a.jsonl:2: invalid UTF-8 at byte 7"]).await;
    check(lines(0..2).trim_end_matches("}\n"), 2, &["a.jsonl:2: the file ends inside this record"]).await;
}

#[tokio::test]
async fn a_record_that_is_too_long_is_rejected() {
    let long = format!("{}{{\"id\":\"{}\"}}\n{}", lines(0..1), "x".repeat(33 << 20), lines(1..2));
    check(long, 3, &["a.jsonl:2: longer than 32 MiB; only its first bytes are kept"]).await;
}

#[tokio::test]
async fn files_that_cannot_be_read_are_named_with_what_to_do() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let path = |name: &str| if name == "." { dir.path().to_owned() } else { dir.path().join(name) };
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("text"), "hello\nworld\n").unwrap();
    std::fs::write(path("zip"), b"PK\x03\x04more").unwrap();
    let packed = gzip(&lines(0..5_000));
    std::fs::write(path("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    std::fs::write(path("corrupt.gz"), b"\x1f\x8bnonsense and more of it").unwrap();
    std::fs::write(path("good"), lines(9_000..9_001)).unwrap();
    let names = ["missing", ".", "empty", "text", "zip", "corrupt.gz", "cut.gz", "good"];
    let report = import_all(&store, dir.path(), names.iter().map(|name| Input::Path(path(name))).collect()).await;
    let start = format!("{}", dir.path().display());
    let texts: Vec<String> =
        report.failures.iter().map(|f| format!("{f}\n  hint: {}", f.hint).replace(&start, "DIR")).collect();
    let text = texts.join("\n");
    let imported = report.new - 1;
    insta::assert_snapshot!(text.replace(&format!("{imported} records"), "N records"), @r"
    DIR/missing: cannot be opened: No such file or directory (os error 2)
      hint: look at the path; a pattern such as *.jsonl that matches nothing stays as it is
    DIR: is a directory
      hint: name the files in it: DIR/*
    DIR/empty: is empty
      hint: nothing to import; if it should hold activities, see whether what wrote it has finished
    DIR/text: holds no JSON objects; it begins with `hello\nworld\n`
      hint: import reads JSON lines, JSON arrays and saved pages of the feed, plain, gzip or zstd
    DIR/zip: is a zip archive
      hint: unpack it and import the files in it
    DIR/corrupt.gz: is damaged: invalid gzip header; nothing of it is imported
      hint: get it again and import it again
    DIR/cut.gz: cannot be read to its end: incomplete deflate stream; the N records before that are imported
      hint: the gzip file is damaged or was cut short: get it again and import it again
    ");
    assert!(imported > 1_000 && imported < 5_000, "{imported} of the cut file");
    assert!(store.ids().contains(&"activity_0009000".to_owned()));
}

#[tokio::test]
async fn commits_are_whole_row_groups_with_an_entry_each() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let count = ROWS_PER_COMMIT + 10;
    let text = lines(0..count);
    let seen = Arc::new(Mutex::new(Progress::default()));
    let options = ImportOptions { workers: Some(3), ..ImportOptions::new(SourceInfo::new("files"), dir.path()) };
    let inputs = vec![stream("a", text.clone()), stream("b", row(0))];
    let progress = seen.clone();
    let report = import(&store, &options, inputs, move |now| *progress.lock().unwrap() = now).await.unwrap();
    assert_eq!((report.new, report.known, report.files), (count as u64, 1, 2));
    assert_eq!(report.bytes, (text.len() + row(0).len()) as u64);
    assert_eq!(*seen.lock().unwrap(), Progress { bytes: report.bytes, total_bytes: None, rows: report.read });
    let stored = store.stored();
    assert_eq!(stored.commits, [ROWS_PER_COMMIT, 11]);
    assert_eq!(
        stored.ledger.iter().map(|row| (row.new, row.known)).collect::<Vec<_>>(),
        [(ROWS_PER_COMMIT as u64, 0), (10, 0), (0, 1)]
    );
    for entry in &stored.ledger[..2] {
        let detail = |name: &str| entry.detail[name].as_u64().unwrap() as usize;
        let piece = &text.as_bytes()[detail("offset")..detail("offset") + detail("bytes")];
        assert_eq!(entry.detail["sha256"], digest::sha256(piece));
    }
    assert_eq!(stored.ledger[1].detail["lines"], serde_json::json!([ROWS_PER_COMMIT + 1, count]));
}

#[tokio::test]
async fn importing_again_adds_nothing() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    for new in [100, 0] {
        let report = import_all(&store, dir.path(), vec![stream("a", lines(0..100))]).await;
        assert_eq!((report.new, report.known), (new, 100 - new));
    }
}

#[tokio::test]
async fn a_full_disk_stops_it_and_nothing_is_lost() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    store.fail(1);
    let options = ImportOptions::new(SourceInfo::new("files"), dir.path());
    let error = import(&store, &options, vec![stream("a", lines(0..10))], |_| {}).await.unwrap_err();
    assert!(matches!(error, CollectError::Store(_)) && error.hint().is_some());
    assert_eq!(import_all(&store, dir.path(), vec![stream("a", lines(0..10))]).await.new, 10);
}

#[tokio::test]
async fn rejects_that_cannot_be_kept_stop_it() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("rejects"), "in the way").unwrap();
    let options = ImportOptions::new(SourceInfo::new("files"), dir.path());
    let text = lines(0..1) + "{}";
    let error = import(&store, &options, vec![stream("a", text)], |_| {}).await.unwrap_err();
    assert!(matches!(error, CollectError::Rejects { .. }));
    assert!(store.ids().is_empty());
}

/// A stream that breaks.
struct Breaks(std::io::Cursor<Vec<u8>>);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::other("the pipe broke")),
            count => Ok(count),
        }
    }
}

#[tokio::test]
async fn what_came_before_a_break_is_imported() {
    let (store, dir) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let reader = Box::new(Breaks(std::io::Cursor::new(lines(0..2).into_bytes())));
    let report = import_all(&store, dir.path(), vec![Input::Stream { name: "pipe".to_owned(), reader }]).await;
    assert_eq!(report.new, 2);
    assert!(report.failures[0].to_string().contains("the 2 records before that are imported"));
}

#[test]
fn a_flipped_bit_is_noticed_before_anything_is_taken() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl.gz");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packer.write_all(b"{\"id\":\"activity_1\",\"created_at\":\"2026-01-01T00:00:00Z\",\"type\":\"t\"}\n").unwrap();
    let good = packer.finish().unwrap();
    std::fs::write(&path, &good).unwrap();
    super::check_packed(&path).unwrap();
    let mut flipped = good.clone();
    flipped[25] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let failure = super::check_packed(&path).unwrap_err();
    assert!(failure.message.contains("is damaged"), "{failure}");
    std::fs::write(&path, &good[..good.len() - 12]).unwrap();
    super::check_packed(&path).unwrap();
}
