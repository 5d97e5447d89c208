//! How fast each shape is written, on one core: `cargo run -p shapes --example shaping [COUNT]`.
//!
//! The rows are those of every type by every actor, half of them enriched; parsing an activity into a row is not counted, as an
//! export gets rows from the store's columns.

use std::time::Instant;

use activity::{Activity, Record};
use shapes::{Known, Origin, Row, Shape, flat::Csv};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(300_000), |text| text.parse())?;
    let samples = simulate::samples(1, "2026-03-01T09:00:00Z".parse()?);
    let texts: Vec<&str> = samples.iter().map(|sample| std::str::from_utf8(&sample.json)).collect::<Result<_, _>>()?;
    let activities: Vec<Activity> = texts.iter().map(|text| Activity::parse_str(text)).collect::<Result<_, _>>()?;
    let records: Vec<Record> = activities.iter().map(Record::of).collect();
    let origin = Origin {
        workspace: "default",
        source: "main",
        source_ttl: 2190,
        received_at: Some(0),
        seq: Some(1),
        own_read: false,
    };
    let known = Known {
        place: Some(
            "DE\u{1f}64500\u{1f}Example Net\u{1f}Berlin\u{1f}\u{1f}Example ISP\u{1f}52.52\u{1f}13.405\u{1f}\u{1f}x",
        ),
        agent: Some("claude-web\u{1f}\u{1f}Chrome\u{1f}140.0\u{1f}macOS\u{1f}15.1\u{1f}desktop"),
        person: Some("user_9\u{1f}Alice Example\u{1f}Finance\u{1f}bob@example.com\u{1f}false"),
    };
    let known = |at: usize| if at.is_multiple_of(2) { known } else { Known::default() };
    let rows: Vec<Row> = records.iter().enumerate().map(|(at, record)| Row::of(record, origin, known(at))).collect();
    println!("{} rows, {count} activities a shape", rows.len());
    let mut out = Vec::new();
    for shape in Shape::ALL {
        let time = |what: &str, write: &mut dyn FnMut(&Row, &mut Vec<u8>), out: &mut Vec<u8>| {
            let (begun, mut bytes) = (Instant::now(), 0);
            for row in rows.iter().cycle().take(count) {
                out.clear();
                write(row, out);
                bytes += out.len();
            }
            let seconds = begun.elapsed().as_secs_f64();
            println!(
                "{:8} {what}: {:9.0} a second, {:5.2} µs each, {:5} bytes each",
                shape.name(),
                count as f64 / seconds,
                seconds * 1e6 / count as f64,
                bytes / count.max(1)
            );
        };
        time("jsonl", &mut |row, out| shape.write(row, out), &mut out);
        let mut csv = Csv::new(shape);
        time("csv  ", &mut |row, out| csv.line(row, out), &mut out);
    }
    Ok(())
}
