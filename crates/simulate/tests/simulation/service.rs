//! Served over HTTP: the contract holds, faults are carried out, and looking leaves its trace.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use feed::{Cursor, Order, Query, client::Client, conformance, server::Server};
use jiff::Timestamp;
use serde_json::Value;
use simulate::{Config, Pace, Simulation};
use tokio::net::TcpListener;

async fn serve(simulation: &Arc<Simulation>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(simulation.clone(), simulation.clone())
        .known_types({
            let simulation = simulation.clone();
            move |name| simulation.has_type(name)
        })
        .requests_per_minute(100_000)
        .access_log(simulation.clone())
        .faults(simulation.clone());
    tokio::spawn(server.serve(listener, std::future::pending()));
    address
}

fn client(address: SocketAddr, simulation: &Simulation) -> Client {
    Client::builder().base_url(format!("http://{address}")).key(simulation.key().into()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    for pace in [Pace::Frozen, Pace::Real] {
        let simulation = Arc::new(Simulation::new(Config { people: 40, days: 10, pace, ..Config::default() }).unwrap());
        let client = client(serve(&simulation).await, &simulation);
        let options = conformance::Options { settle: Duration::from_secs(60), ..conformance::Options::default() };
        let report = conformance::run(&client, &options, |_| {}).await;
        let failed: Vec<_> = report.checks.iter().filter(|check| check.outcome == conformance::Outcome::Fail).collect();
        assert!(failed.is_empty(), "{pace:?}: {failed:#?}");
    }
}

#[tokio::test]
async fn every_request_leaves_its_activity() {
    let simulation = Arc::new(Simulation::new(Config { people: 5, days: 2, ..Config::default() }).unwrap());
    let client = client(serve(&simulation).await, &simulation);
    let mut asked = Vec::new();
    for _ in 0..5 {
        let answer = client.page(&Query { limit: 1, ..Query::default() }).await.unwrap();
        asked.push(answer.exchange.request_id.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let query = Query {
        activity_types: vec!["compliance_api_accessed".into()],
        limit: 5,
        order: Order::Desc,
        ..Query::default()
    };
    let page = client.page(&query).await.unwrap().page;
    let mut found = Vec::new();
    for raw in page.data.iter().rev() {
        let json: Value = serde_json::from_slice(raw).unwrap();
        simulate::validate::validate(&json).unwrap_or_else(|error| panic!("{error}\n{json:#}"));
        assert_eq!(json["actor"]["api_key_id"], simulation.key_id());
        assert_eq!(json["status_code"], 200);
        found.push(json["request_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(found, asked);
    let truth = simulation.truth(None, simulation.now());
    assert_eq!(
        truth.filter(|activity| asked.iter().any(|id| String::from_utf8_lossy(&activity.json).contains(id))).count(),
        5
    );
}

#[tokio::test]
async fn a_type_that_the_feed_sends_may_be_asked_for() {
    let ask = async |faults: &[&str]| {
        let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        let config = Config { people: 20, days: 3, pace: Pace::Frozen, faults, ..Config::default() };
        let simulation = Arc::new(Simulation::new(config).unwrap());
        let query = Query { activity_types: vec!["claude_dream_recorded".into()], ..Query::default() };
        client(serve(&simulation).await, &simulation).page(&query).await
    };
    let page = ask(&["unknown=5%"]).await.unwrap().page;
    assert!(!page.data.is_empty());
    for raw in &page.data {
        let json: Value = serde_json::from_slice(raw).unwrap();
        assert_eq!(json["type"], "claude_dream_recorded");
    }
    assert_eq!(ask(&[]).await.unwrap_err().api().unwrap().status, 400, "a feed that sends none knows of none");
}

#[tokio::test]
async fn the_id_of_an_activity_is_a_cursor() {
    let simulation = Arc::new(Simulation::new(Config { people: 20, days: 3, ..Config::default() }).unwrap());
    let client = client(serve(&simulation).await, &simulation);
    let id = |raw: &feed::RawActivity| {
        let json: Value = serde_json::from_slice(raw).unwrap();
        json["id"].as_str().unwrap().to_owned()
    };
    client.page(&Query::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // What the request before has left behind is among them, and its id is as good as any other.
    let page = client.page(&Query { limit: 30, ..Query::default() }).await.unwrap().page;
    assert!(page.data.iter().any(|raw| String::from_utf8_lossy(raw).contains("compliance_api_accessed")));
    for at in 0..page.data.len() - 1 {
        let cursor = Some(Cursor::After(id(&page.data[at])));
        let rest = client.page(&Query { cursor, limit: 30, ..Query::default() }).await.unwrap().page.data;
        assert_eq!(rest[..page.data.len() - 1 - at], page.data[at + 1..]);
    }
}

#[tokio::test]
async fn a_key_is_revoked_and_replaced() {
    let faults = vec!["revoke=1:3".parse().unwrap()];
    let simulation = Arc::new(Simulation::new(Config { people: 5, days: 2, faults, ..Config::default() }).unwrap());
    let address = serve(&simulation).await;
    let old = client(address, &simulation);
    for _ in 0..3 {
        old.page(&Query::default()).await.unwrap();
    }
    assert!(old.page(&Query::default()).await.is_err());
    simulation.replace_key();
    assert!(old.page(&Query::default()).await.is_err());
    client(address, &simulation).page(&Query::default()).await.unwrap();
}

#[test]
fn a_clock_can_run_fast_and_be_wrong() {
    let now = "2026-11-20T15:00:00Z".parse().unwrap();
    let config = Config { people: 5, days: 2, now, pace: Pace::Times(3_600.0), ..Config::default() };
    let fast = Simulation::new(config.clone()).unwrap();
    let before = fast.now();
    std::thread::sleep(Duration::from_millis(50));
    assert!(fast.now().duration_since(before).as_secs() >= 180);
    let faults = vec!["skew=100%:-1h".parse().unwrap()];
    let behind = Simulation::new(Config { faults, pace: Pace::Frozen, ..config }).unwrap();
    assert_eq!(behind.now().to_string(), "2026-11-20T14:00:00Z");
    // What a response's date says: the real time, as far off as the clock is.
    let off = feed::server::Faults::now(&behind).duration_since(Timestamp::now());
    assert!((off.as_secs() + 3_600).abs() < 5, "{off}");
}
