//! How fast activities become columns: made-up ones of realistic form, on one core, step by step.
//!
//! `cargo run -p collect --example intake [COUNT]`; `CARGO_PROFILE_…` as everywhere else, so that the numbers are those of the
//! program.

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use activity::{Activity, Record, catalog};
use async_trait::async_trait;
use auditlake_store::{BatchBuilder, Commit, Committed, Counts, Result, SourceInfo, Writer};
use collect::import::{ImportOptions, Input, import};
use tokio::sync::watch;

const ROWS: usize = 2_048;

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let rows: Vec<String> = (0..count).map(made_up).collect();
    let bytes: usize = rows.iter().map(String::len).sum();
    println!("{count} activities of {} bytes", bytes / count.max(1));
    report("parse", count, || rows.iter().for_each(|row| drop(black_box(Activity::parse_str(row)))));
    report("parse, derive", count, || {
        for row in &rows {
            if let Ok(activity) = Activity::parse_str(row) {
                black_box(Record::of(&activity));
            }
        }
    });
    report("parse, derive, lay out", count, || {
        for rows in rows.chunks(ROWS) {
            let mut builder = BatchBuilder::with_capacity(ROWS);
            for row in rows {
                if let Ok(activity) = Activity::parse_str(row) {
                    builder.push(&Record::of(&activity));
                }
            }
            black_box(builder.finish());
        }
    });
    for (name, text) in [("lines", rows.join("\n")), ("an array", format!("[{}]", rows.join(",")))] {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let text = text.into_bytes();
        report(&format!("import {name}, all cores, into nothing"), count, || {
            let reader = Box::new(std::io::Cursor::new(text));
            let options = ImportOptions::new(SourceInfo::new("example"), std::env::temp_dir());
            let inputs = vec![Input::Stream { name: name.to_owned(), reader }];
            let report = runtime.block_on(import(&Nothing::default(), &options, inputs, |_| {})).expect("an import");
            assert_eq!(report.new, count as u64);
        });
    }
}

fn report(name: &str, count: usize, work: impl FnOnce()) {
    let (start, cpu) = (Instant::now(), cpu());
    work();
    let (elapsed, cpu) = (start.elapsed(), self::cpu().saturating_sub(cpu));
    let rate = count as f64 / elapsed.as_secs_f64();
    let per_core = if cpu.is_zero() { rate } else { count as f64 / cpu.as_secs_f64() };
    println!("{name:<40} {rate:>10.0} a second {per_core:>10.0} a second of processor time");
}

/// The processor time of this process, where the system tells.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// A store that forgets.
struct Nothing(watch::Sender<u64>);

impl Default for Nothing {
    fn default() -> Self {
        Nothing(watch::Sender::new(0))
    }
}

#[async_trait]
impl Writer for Nothing {
    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let batches =
            commit.batches.iter().map(|batch| Counts { new: batch.len() as u64, ..Counts::default() }).collect();
        Ok(Committed { seq: 1, batches, ..Committed::default() })
    }
    async fn checkpoints(&self, _: &str) -> Result<BTreeMap<String, serde_json::Value>> {
        Ok(BTreeMap::new())
    }
    fn commits(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// An activity of every type of the catalogue in turn, with ids as the feed has them.
fn made_up(n: usize) -> String {
    let types = catalog::types();
    let info = &types[n % types.len()];
    let mut seed = n as u64;
    let mut id = |prefix: &str| {
        let mut text = format!("{prefix}_01");
        for _ in 0..22 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
            text.push(char::from(digits[(seed >> 33) as usize % digits.len()]));
        }
        text
    };
    let second = n % 60;
    let mut row = format!(
        r#"{{"id":"{}","created_at":"2026-04-10T08:09:{second:02}.{:06}Z","organization_id":"{}","organization_uuid":"7f1c2a9e-5b7d-4d3e-9c5b-3b1f6f0f{:04}","actor":{{"type":"user_actor","email_address":"person{}@example.com","user_id":"{}","ip_address":"203.0.113.{}","user_agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"}},"type":"{}""#,
        id("activity"),
        n * 7_919 % 1_000_000,
        id("org"),
        n % 7,
        n % 997,
        id("user"),
        n % 250,
        info.name,
    );
    for path in info.resources.iter().filter(|path| !path.contains(['.', '['])) {
        row.push_str(&format!(r#","{path}":"{}""#, id(path.trim_end_matches("_id"))));
    }
    row.push_str(&format!(r#","request_id":"{}","client":{{"name":"web","build":{n}}}}}"#, id("req")));
    row
}
