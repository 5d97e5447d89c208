//! `POST /api/v1/import`: a file from a command, as the store is this process's own.

use std::{
    io::{self, Read},
    sync::Arc,
};

use anyhow::Result;
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Query, State},
    http::StatusCode,
    routing::post,
};
use bytes::Bytes;
use collect::import::{self, ImportOptions, ImportReport, Input};
use enrich::Enricher;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use web::ApiError;

use crate::{commands::import::check_name, config::Config, datadir::DataDir, engine::Store};

/// What came of an import, as it goes over the wire and onto stdout.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    pub read: u64,
    pub new: u64,
    pub already_there: u64,
    pub rejected: u64,
    /// The first rejects: where and why.
    pub rejects: Vec<String>,
    pub reject_file: String,
    /// Files that could not be read, or not to their ends: what happened, and what to do.
    pub failures: Vec<(String, String)>,
    pub bytes: u64,
    pub seconds: f64,
}

impl From<ImportReport> for Summary {
    fn from(report: ImportReport) -> Self {
        Summary {
            read: report.read,
            new: report.new,
            already_there: report.known,
            rejected: report.rejected,
            rejects: report.rejects.iter().map(ToString::to_string).collect(),
            reject_file: report.reject_file.display().to_string(),
            failures: report.failures.into_iter().map(|failure| (failure.to_string(), failure.hint)).collect(),
            bytes: report.bytes,
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

impl Summary {
    /// Adds what came of another file.
    pub fn add(&mut self, other: Summary) {
        self.read += other.read;
        self.new += other.new;
        self.already_there += other.already_there;
        self.rejected += other.rejected;
        self.rejects.extend(other.rejects);
        self.reject_file = other.reject_file;
        self.failures.extend(other.failures);
        self.bytes += other.bytes;
        self.seconds += other.seconds;
    }
}

struct Intake {
    config: Config,
    data: DataDir,
    store: Store,
    enricher: Arc<Enricher>,
}

#[derive(Deserialize)]
struct Question {
    source: String,
    name: String,
}

pub fn routes(config: &Config, data: &DataDir, store: &Store, enricher: &Arc<Enricher>) -> Router {
    let (config, data, store, enricher) = (config.clone(), data.clone(), store.clone(), enricher.clone());
    let intake = Intake { config, data, store, enricher };
    Router::new().route("/api/v1/import", post(take)).layer(DefaultBodyLimit::disable()).with_state(Arc::new(intake))
}

async fn take(
    State(intake): State<Arc<Intake>>,
    Query(question): Query<Question>,
    body: Body,
) -> Result<Json<Summary>, ApiError> {
    check_name(&question.source)
        .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "bad_source", error.to_string()))?;
    let mut options = ImportOptions::new(intake.config.import_source(&question.source), intake.data.path());
    options.enricher = Some(intake.enricher.clone());
    let (sender, chunks) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| io::Error::other(error.to_string()));
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    let reader = Box::new(Chunks { chunks, rest: Bytes::new() });
    let input = Input::Stream { name: question.name, reader };
    let report = import::import(&intake.store, &options, vec![input], |_| {}).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let failure = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "import", format!("{error}{cause}"));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    Ok(Json(report.into()))
}

/// The body for a thread that reads.
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(into.len());
        into[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
