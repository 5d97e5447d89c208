//! The pulse: server-sent events that tell of each commit.
//!
//! An event carries nothing but the sequence number. Whoever hears it asks for what it shows, so that any number of
//! pages share one stream, and a page in a hidden tab costs nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures::{Stream, stream};
use tokio::{sync::watch, time::sleep};

use crate::{Site, pages};

/// Pages are told at most this often.
const PAGE_INTERVAL: Duration = Duration::from_secs(1);

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/live", get(live)).route("/live/alerts", get(alerts))
}

async fn live(State(site): State<Arc<Site>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    commits(&site, PAGE_INTERVAL)
}

/// The same of changes to alerts.
async fn alerts(State(site): State<Arc<Site>>) -> Response {
    match &site.alerts {
        Some(alerts) => {
            let numbers = numbers(alerts.news(), site.closing.clone(), PAGE_INTERVAL);
            Sse::new(numbers).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
        }
        None => pages::plain_not_found(),
    }
}

/// The sequence number of the last commit at once, then of later ones, at most one each `interval`.
pub fn commits(site: &Site, interval: Duration) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let numbers = numbers(site.engine.commits(), site.closing.clone(), interval);
    Sse::new(numbers).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn numbers(
    mut commits: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    interval: Duration,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    commits.mark_changed();
    stream::unfold((commits, closing, Duration::ZERO, interval), async |(mut commits, mut closing, pause, interval)| {
        tokio::select! {
            _ = closed(&mut closing) => return None,
            changed = async { sleep(pause).await; commits.changed().await } => changed.ok()?,
        }
        let seq = *commits.borrow_and_update();
        let event = Event::default().event("commit").id(seq.to_string()).data(seq.to_string());
        Some((Ok(event), (commits, closing, interval, interval)))
    })
}

/// Ends when the program is about to; never, if nobody is left to say so.
async fn closed(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|&closing| closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
