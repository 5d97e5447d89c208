//! How soon an alert leaves after it was committed, with activities being committed beside it. See `bench/deliver/README.md`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use auditlake_store::{
    Writer,
    alert::{Alerts, Detected, Finding, Severity},
    contract::{commit, sample},
};
use axum::{Json, Router, extract::State, routing::post};
use clap::Parser;
use deliver::{Channel, Network, Open, Patience, Postman, Route, SettingError, Subscription, Target, Worker};
use jiff::Timestamp;
use store_duckdb::{DuckStore, Options};
use tokio::sync::watch;

#[derive(Parser)]
struct Words {
    /// Alerts to raise
    #[arg(long, default_value_t = 1_000)]
    alerts: usize,
    /// Time between two of them
    #[arg(long, default_value_t = 50)]
    every_ms: u64,
    /// Activities in each commit beside them; 0 for none
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Time between two such commits
    #[arg(long, default_value_t = 200)]
    batch_every_ms: u64,
}

type Arrived = Arc<Mutex<HashMap<String, Instant>>>;

struct Hook(String);

#[async_trait]
impl Open for Hook {
    async fn open(&self) -> Result<Box<dyn Channel>, SettingError> {
        let secret = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let target = Target::Webhook { url: self.0.clone().into(), secret, token: None };
        target.open(&Network { is_direct: true, ..Network::default() })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let words = Words::parse();
    let dir = tempfile::tempdir()?;
    let store = DuckStore::open(Options::in_dir(dir.path()))?;
    let arrived = Arrived::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/", post(take)).with_state(arrived.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(store.clone());
    let worker = Worker::new("hook", Arc::new(Hook(url)), shared.clone(), Patience::default(), deliver::clock());
    let postman = Postman {
        alerts: shared.clone(),
        outbox: shared,
        subscriptions: vec![Subscription { destination: "hook".into(), route: Route::default() }],
        link: None,
        clock: deliver::clock(),
    };
    let mut work = vec![tokio::spawn(worker.run(stopped.clone())), tokio::spawn(postman.run(stopped.clone()))];
    if words.batch > 0 {
        let (store, all) = (store.clone(), sample(words.batch * 2_000));
        let (pause, mut stopped) = (Duration::from_millis(words.batch_every_ms), stopped);
        work.push(tokio::spawn(async move {
            for piece in all.chunks(words.batch) {
                if store.commit(commit(piece)).await.is_err() {
                    return;
                }
                tokio::select! {
                    _ = async { _ = stopped.wait_for(|stop| *stop).await; } => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }));
    }

    let mut committed = Vec::with_capacity(words.alerts);
    for n in 0..words.alerts {
        let finding = finding(n);
        let id = finding.id.clone();
        let detected =
            Detected { subscriber: "latency".into(), seq: n as u64, findings: vec![finding], ..Detected::default() };
        store.detected(detected).await?;
        committed.push((id, Instant::now()));
        tokio::time::sleep(Duration::from_millis(words.every_ms)).await;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while arrived.lock().map_or(0, |arrived| arrived.len()) < words.alerts && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send_replace(true);
    for work in work {
        _ = work.await;
    }
    report(&committed, &arrived)
}

fn report(committed: &[(String, Instant)], arrived: &Arrived) -> Result<()> {
    let arrived = arrived.lock().map_err(|_| anyhow::anyhow!("the receiver panicked"))?;
    let mut waits: Vec<Duration> =
        committed.iter().filter_map(|(id, at)| Some(arrived.get(id)?.saturating_duration_since(*at))).collect();
    waits.sort();
    ensure!(waits.len() == committed.len(), "{} of {} alerts arrived", waits.len(), committed.len());
    let at = |share: f64| waits[((waits.len() as f64 * share) as usize).min(waits.len() - 1)].as_secs_f64() * 1e3;
    println!("{} alerts: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms", waits.len(), at(0.5), at(0.99), at(1.0));
    Ok(())
}

async fn take(State(arrived): State<Arrived>, Json(body): Json<serde_json::Value>) {
    let now = Instant::now();
    let id = body["data"]["alert"]["id"].as_str().unwrap_or_default().to_owned();
    if let Ok(mut arrived) = arrived.lock() {
        arrived.entry(id).or_insert(now);
    }
}

fn finding(n: usize) -> Finding {
    let now = Timestamp::now();
    Finding {
        id: format!("alert_{n:06}"),
        rule: "latency".into(),
        rule_title: "Latency".into(),
        severity: Severity::High,
        title: format!("alert {n}"),
        entity: format!("person {n}"),
        count: 100,
        first: now,
        last: now,
        activities: (0..100).map(|at| format!("activity_{n}_{at}")).collect(),
        summary: "Nothing happened.".into(),
        next_steps: Vec::new(),
        false_positives: Vec::new(),
        tags: vec!["attack.t1556".into()],
        organization: None,
        source: None,
        historical: false,
    }
}
