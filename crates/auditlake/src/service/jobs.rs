//! `POST /api/v1/collect`: a span that a command wants read, as the sources are this process's own. The answer tells how
//! far it is, a JSON object a line, and ends with a report for each source. Whoever hangs up stops it; asking again goes on.
//!
//! `POST /api/v1/asked`: requests to a feed that another command has made with a source's key: they are this deployment's own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use collect::{Asked, Collector, Job, JobProgress, JobReport, Stop};
use futures::{StreamExt, future::join_all, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use web::ApiError;

/// The sources of a process, by name.
#[derive(Clone, Default)]
pub struct Collectors(Arc<Mutex<BTreeMap<String, Arc<Collector>>>>);

impl Collectors {
    pub fn add(&self, collector: Arc<Collector>) {
        let name = collector.source().to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, collector);
    }

    pub fn remove(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// All, or the one of this name.
    pub fn named(&self, name: Option<&str>) -> Vec<Arc<Collector>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(key, _)| name.is_none_or(|name| name == *key)).map(|(_, one)| one.clone()).collect()
    }

    fn names(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

/// What somebody wants read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub job: Job,
    /// All sources if `None`.
    pub source: Option<String>,
    /// The source's own start, or the last week, if `None`.
    pub from: Option<Timestamp>,
    /// Now, if `None`.
    pub to: Option<Timestamp>,
}

/// What is told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Progress(JobProgress),
    Report(JobReport),
    Failed { source: String, message: String, hint: Option<String> },
}

/// What another command has asked a feed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    pub source: String,
    pub requests: Vec<Asked>,
}

/// Does what somebody wishes, for each source at once.
pub async fn fulfil(collectors: &[Arc<Collector>], wish: &Wish, stop: &Stop, tell: &(dyn Fn(Word) + Sync)) {
    let now = Timestamp::now();
    let to = wish.to.unwrap_or(now);
    let one = async |collector: &Arc<Collector>| {
        let from = wish.from.unwrap_or_else(|| match wish.job {
            Job::Backfill => collector.start_of_past(),
            Job::Reconcile => now.checked_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(now),
        });
        let progress = |progress| tell(Word::Progress(progress));
        match collector.read(wish.job, from, to, stop.clone(), &progress).await {
            Ok(report) => tell(Word::Report(report)),
            Err(error) => tell(Word::Failed {
                source: collector.source().to_owned(),
                message: match std::error::Error::source(&error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                },
                hint: error.hint().map(str::to_owned),
            }),
        }
    };
    join_all(collectors.iter().map(one)).await;
}

/// `closing` turns `true` when the service is about to end: what is under way stops then, and can be taken up again.
pub fn routes(collectors: &Collectors, closing: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/api/v1/collect", post(take))
        .with_state((collectors.clone(), closing))
        .merge(Router::new().route("/api/v1/asked", post(note)).with_state(collectors.clone()))
}

async fn note(State(collectors): State<Collectors>, Json(checked): Json<Checked>) -> Result<StatusCode, ApiError> {
    for collector in collectors.named(Some(&checked.source)) {
        collector.note(checked.requests.clone()).await.map_err(|error| {
            let hint = error.hint().unwrap_or("look at the service's log").to_owned();
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "store", error.to_string()).hint(hint)
        })?;
    }
    // A source that nobody collects here shows its requests to nobody.
    Ok(StatusCode::NO_CONTENT)
}

async fn take(
    State((collectors, mut closing)): State<(Collectors, watch::Receiver<bool>)>,
    Json(wish): Json<Wish>,
) -> Result<Response, ApiError> {
    let named = collectors.named(wish.source.as_deref());
    if named.is_empty() {
        let message = match &wish.source {
            Some(_) => "the service collects no source of this name",
            None => "the service collects no source",
        };
        let hint = format!("it collects: {}", collectors.names());
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message).hint(hint));
    }
    let (sender, words) = mpsc::unbounded_channel::<Word>();
    let (stopper, stop) = collect::stop();
    tokio::spawn(async move {
        let told = sender.clone();
        // Nobody listening any more is noticed below.
        let tell = move |word| _ = told.send(word);
        tokio::select! {
            () = fulfil(&named, &wish, &stop, &tell) => {}
            () = sender.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    let lines = stream::unfold((words, stopper), async |(mut words, stopper)| {
        let word = words.recv().await?;
        let mut line = serde_json::to_vec(&word).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, std::convert::Infallible>(bytes::Bytes::from(line)), (words, stopper)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines.boxed())).into_response())
}
