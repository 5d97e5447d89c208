//! Every misfortune that a server can be told to have, and what the client makes of it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use feed::{
    ApiError, Query,
    client::{Attempt, Client, ErrorKind, Observer, Proxy, RetryPolicy},
    server::{Fault, FaultRequest, Faults, Plan},
};

use crate::world::{KEY, client, memory, serve, server};

/// Misfortunes in turn; after the last, none.
struct Script(Mutex<Vec<Plan>>);

impl Faults for Script {
    fn plan(&self, request: &FaultRequest<'_>) -> Plan {
        assert_eq!(request.key_id, "apikey_reader");
        let mut plans = self.0.lock().expect("a lock");
        if plans.is_empty() { Plan::default() } else { plans.remove(0) }
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)
    }
}

async fn suffering(plans: impl IntoIterator<Item = Plan>) -> Client {
    let script = Arc::new(Script(Mutex::new(plans.into_iter().collect())));
    client(&serve(server(memory(500)).faults(script)).await)
}

fn plan(fault: Fault) -> Plan {
    Plan { fault: Some(fault), ..Plan::default() }
}

/// How the client names a fault, and whether it would ask again.
async fn seen(fault: Fault) -> (String, bool) {
    let client = suffering([plan(fault)]).await;
    let error = client.page(&Query::default()).await.expect_err("a misfortune");
    assert!(client.page(&Query::default()).await.is_ok(), "the next request is well");
    (error.label().to_owned(), error.is_retryable())
}

#[tokio::test]
async fn each_fault_is_told_from_the_others() {
    let name = |name: &str, retryable| (name.to_owned(), retryable);
    let last = ApiError { should_retry: Some(false), ..ApiError::internal() };
    assert_eq!(seen(Fault::Error(ApiError::internal())).await, name("api_error", true));
    assert_eq!(seen(Fault::Error(last)).await, name("api_error", false));
    assert_eq!(seen(Fault::Error(ApiError::new(529, "busy"))).await, name("overloaded_error", true));
    assert_eq!(seen(Fault::Error(ApiError::rate_limited("", None))).await, name("rate_limit_error", true));
    assert_eq!(seen(Fault::Bare(502)).await, name("overloaded_error", true));
    assert_eq!(seen(Fault::Revoked).await, name("authentication_error", false));
    assert_eq!(seen(Fault::InvalidJson).await, name("invalid", true));
    assert_eq!(seen(Fault::Drop).await, name("dropped", true));
    for share in [0.0, 0.5, 1.0] {
        for declared in [true, false] {
            assert_eq!(seen(Fault::Cut { share, declared }).await, name("cut", true), "{share} {declared}");
        }
    }
}

#[tokio::test]
async fn what_goes_wrong_is_asked_again_until_it_goes_right() {
    let faults = [
        Fault::Error(ApiError::internal()),
        Fault::Error(ApiError::rate_limited("", Some(Duration::from_secs(1)))),
        Fault::Cut { share: 0.7, declared: true },
        Fault::InvalidJson,
        Fault::Drop,
        Fault::Bare(504),
    ];
    let client = suffering(faults.map(plan)).await;
    let (policy, notes) = (quick(), Notes::default());
    let response = client.page_with_retry(&Query::default(), &policy, &notes, std::future::pending()).await;
    assert_eq!(response.expect("a page").page.data.len(), 100);
    let attempts = notes.0.lock().expect("a lock").clone();
    let labels = ["api_error", "rate_limit_error", "cut", "invalid", "dropped", "overloaded_error", "page"];
    assert_eq!(attempts.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), labels);
    assert!(attempts[1].1 >= Some(Duration::from_secs(1)) && attempts[6].1.is_none());
}

#[tokio::test]
async fn what_waiting_does_not_cure_is_not_asked_again() {
    let last = ApiError { should_retry: Some(false), ..ApiError::internal() };
    for fault in [Fault::Error(last), Fault::Revoked] {
        let client = suffering([plan(fault)]).await;
        let notes = Notes::default();
        let result = client.page_with_retry(&Query::default(), &quick(), &notes, std::future::pending()).await;
        assert!(result.is_err());
        assert_eq!(notes.0.lock().expect("a lock").len(), 1);
    }
}

#[tokio::test]
async fn waiting_ends_when_the_caller_cancels() {
    let wait = Some(Duration::from_secs(600));
    let client = suffering([plan(Fault::Error(ApiError::rate_limited("", wait)))]).await;
    let started = Instant::now();
    let cancel = tokio::time::sleep(Duration::from_millis(100));
    let error = client.page_with_retry(&Query::default(), &quick(), &(), cancel).await.expect_err("cancelled");
    assert!(matches!(error.kind, ErrorKind::Cancelled) && started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_slow_feed_is_waited_for_only_so_long() {
    let slow = Plan { delay: Duration::from_millis(400), fault: None };
    let script = Arc::new(Script(Mutex::new(vec![slow.clone(), slow])));
    let base = serve(server(memory(5)).faults(script)).await;
    let builder = Client::builder().base_url(&base).key(KEY.into()).proxy(Proxy::Direct);
    let impatient = builder.timeout(Duration::from_millis(100)).build().expect("a client");
    let error = impatient.page(&Query::default()).await.expect_err("too slow");
    assert!(matches!(error.kind, ErrorKind::Timeout(_)) && error.is_retryable());
    let response = client(&base).page(&Query::default()).await.expect("a page");
    assert!(response.exchange.elapsed >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_skewed_clock_is_seen() {
    let response = suffering([]).await.page(&Query::default()).await.expect("a page");
    let skew = response.exchange.clock_skew().expect("a date").as_secs();
    assert!((3_590..=3_610).contains(&skew), "{skew}");
}

fn quick() -> RetryPolicy {
    RetryPolicy { first_wait: Duration::from_millis(1), max_attempts: None, ..RetryPolicy::default() }
}

/// What an observer heard: the kind of each answer and the wait after it.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, Option<Duration>)>>);

#[async_trait::async_trait]
impl Observer for Notes {
    async fn admit(&self, attempt: u32) {
        assert_eq!(self.0.lock().expect("a lock").len() + 1, attempt as usize);
    }

    fn attempted(&self, attempt: &Attempt<'_>) {
        let label = attempt.result.map_or_else(|error| error.label(), |_| "page").to_owned();
        assert!(attempt.exchange().query.is_empty());
        self.0.lock().expect("a lock").push((label, attempt.wait));
    }
}
