//! Exports: every shape in every form, in order, whole or not at all, with a service and without.

use std::{fs, io::Read};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::{
    feed::Feed,
    place::{Place, activities, lines},
};

const SHAPES: [&str; 6] = ["raw", "unified", "datadog", "ocsf", "ecs", "panther"];

/// A lake with a week of a company, which knows more than one kind of everything.
fn lake() -> Place {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "40", "--days", "7", "--fault", "unknown=2%"]);
    let (_, truth) = feed.end();
    let file = place.file("past.jsonl", truth.lines());
    place.run(&["import", &file]).ok();
    place
}

#[test]
fn raw_is_what_was_received_in_order() {
    let place = lake();
    let wanted: Vec<String> = place
        .rows("select rawLog from anthropic_logs order by eventTime, eventID")
        .iter()
        .map(|row| row["rawLog"].as_str().unwrap().to_owned())
        .collect();
    assert!(wanted.len() > 1_000, "{}", wanted.len());
    let found = place.run(&["export", "--shape", "raw"]).ok();
    assert!(found.lines().eq(wanted.iter().map(String::as_str)), "the same bytes in the same order");
    let filtered = place.run(&["export", "--shape", "raw", "category:chats"]).ok();
    assert!(!filtered.is_empty() && filtered.lines().count() < wanted.len());
    let nothing = place.run(&["export", "--shape", "raw", "--since", "2100-01-01"]).ok();
    assert_eq!(nothing, "");
}

#[test]
fn unified_is_what_the_table_says() {
    let place = lake();
    let wanted = place.rows("select * from anthropic_logs order by eventTime, eventID");
    let found = lines(&place.run(&["export", "--shape", "unified"]).ok());
    assert_eq!(found.len(), wanted.len());
    place.run(&["export", "--shape", "unified", "-o", "all.parquet"]).ok();
    let file = fs::File::open(place.path().join("all.parquet")).unwrap();
    let columns = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let columns: Vec<u8> = columns.flat_map(|batch| web::json_lines(&batch.unwrap()).unwrap()).collect();
    assert_eq!(lines(&String::from_utf8(columns).unwrap()), wanted);
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found, wanted);
        assert!(found.as_object().unwrap().keys().eq(wanted.as_object().unwrap().keys()), "in their order");
    }
}

#[test]
fn every_shape_in_every_form() {
    let place = lake();
    let count = usize::try_from(place.count()).unwrap();
    for shape in SHAPES {
        let text = place.run(&["export", "--shape", shape]).ok();
        assert_eq!(lines(&text).len(), count, "{shape}");
        let csv = place.run(&["export", "--shape", shape, "--format", "csv"]).ok();
        assert!(csv.ends_with("\r\n") && csv.matches("\r\n").count() == count + 1, "{shape}");
        let file = format!("{shape}.parquet");
        place.run(&["export", "--shape", shape, "-o", &file]).ok();
        let bytes = fs::read(place.path().join(&file)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{shape}");
    }
}

#[test]
fn the_same_with_a_service_and_without() {
    let place = Place::new();
    let feed = Feed::start(&place, &["--frozen", "--people", "20", "--days", "3"]);
    let mut service = feed.collector(&place);
    service.says("the past is here");
    let all = || SHAPES.map(|shape| place.run(&["export", "--shape", shape]).ok());
    let through = all();
    service.terminate();
    assert!(through[0].lines().count() > 100);
    assert_eq!(all(), through);
}

#[test]
fn files_are_whole_packed_by_their_name_or_not_there() {
    let place = Place::new();
    let file = place.file("some.jsonl", activities(300));
    place.run(&["import", &file]).ok();
    let plain = place.run(&["export", "--shape", "ocsf"]).ok();
    for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"] {
        place.run(&["export", "--shape", "ocsf", "-o", name]).ok();
        let bytes = fs::read(place.path().join(name)).unwrap();
        let mut text = String::new();
        match name.rsplit('.').next() {
            Some("gz") => drop(flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap()),
            Some("zst") => drop(zstd::Decoder::new(&*bytes).unwrap().read_to_string(&mut text).unwrap()),
            _ => text = String::from_utf8(bytes).unwrap(),
        }
        assert_eq!(text, plain, "{name}");
    }
    let packed_twice = place.run(&["export", "--shape", "ocsf", "-o", "a.parquet.gz"]);
    assert_eq!(
        (packed_twice.code, packed_twice.stderr.contains("packed already")),
        (Some(2), true),
        "{packed_twice:?}"
    );
    assert!(place.run(&["export", "--shape", "ocsf", "-o", "no/such/dir"]).failed().contains("cannot write"));
    let rest: Vec<String> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!rest.iter().any(|name| name.ends_with(".tmp")), "{rest:?}");
}

#[test]
fn many_at_one_moment_and_few_in_years_are_all_there() {
    let place = Place::new();
    let line = |id: u32, time: &str| {
        format!(r#"{{"id":"activity_{id:08}","created_at":"{time}","actor":null,"type":"claude_chat_created"}}"#) + "\n"
    };
    let mut text: String = (0..70_000).map(|id| line(id, "2026-04-10T00:00:00.000001Z")).collect();
    text.push_str(&line(90_000_001, "1999-01-01T00:00:00Z"));
    text.push_str(&line(90_000_002, "2026-04-10T00:00:00Z"));
    text.push_str(&line(90_000_003, "2026-04-10T00:00:00.000002Z"));
    let file = place.file("burst.jsonl", text);
    place.run(&["import", &file]).ok();
    let found = lines(&place.run(&["export", "--shape", "raw"]).ok());
    let ids: Vec<&str> = found.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 70_003);
    assert_eq!((ids[0], ids[1], ids[70_002]), ("activity_90000001", "activity_90000002", "activity_90000003"));
    assert!(ids[2..70_002].is_sorted());
    let between =
        ["export", "--shape", "raw", "--since", "2026-04-10T00:00:00Z", "--until", "2026-04-10T00:00:00.000001Z"];
    let found: Vec<Value> = lines(&place.run(&between).ok());
    assert_eq!(found.len(), 1, "since is in, until is out");
}
