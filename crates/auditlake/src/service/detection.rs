//! Detection in the service: the subscriber behind the store's commits, the watch over silence, and the API of alerts.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use auditlake_store::{
    Reader, Window, Writer,
    alert::{Act, Alert, AlertQuery, Alerts, ChangeKind, Detected, Observed, Severity, State as AlertState},
    filter::parse_time,
};
use axum::{
    Json, Router,
    extract::{
        Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    routing::get,
};
use collect::{Phase, SourceState};
use detect::{Own, Rules, SUBSCRIBER, Watch, silence};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::{sync::watch, task::JoinHandle};
use web::{ApiError, Who};

use super::{duty::becomes, watch::Sources};
use crate::{
    config::{Config, Detect},
    datadir::DataDir,
    engine::Store,
};

/// How often silence is listened for.
const LISTEN: Duration = Duration::from_secs(30);
/// A caller who asks for what is detected waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// After the store has failed, detection is begun again after so long.
const STORE_WAIT: Duration = Duration::from_secs(2);
/// How often whoever does not detect looks how far another process has come.
const LOOK: Duration = Duration::from_secs(1);

/// What runs.
pub struct Detection {
    work: Vec<JoinHandle<()>>,
    progress: watch::Receiver<u64>,
}

/// Begins to detect, for as long as it is this process's to do.
pub async fn start(
    config: &Config,
    data: &DataDir,
    store: &Store,
    sources: Arc<Sources>,
    closing: &watch::Receiver<bool>,
    is_ours: watch::Receiver<bool>,
) -> Result<Detection> {
    let own = config.own_rules(data);
    let (told, progress) = watch::channel(store.position(SUBSCRIBER).await?);
    let detecting = detect(own.clone(), store.clone(), is_ours, closing.clone(), told);
    let listening = listen(config.detect.clone(), own, store.clone(), sources, closing.clone());
    Ok(Detection { work: vec![tokio::spawn(detecting), tokio::spawn(listening)], progress })
}

/// Detects until the service ends. While another process does, it is only looked how far that one has come.
async fn detect(
    own: Own,
    store: Store,
    mut is_ours: watch::Receiver<bool>,
    mut closing: watch::Receiver<bool>,
    told: watch::Sender<u64>,
) {
    loop {
        if !*is_ours.borrow_and_update() {
            tokio::select! {
                () = ended(&mut closing) => return,
                () = becomes(&mut is_ours, true) => continue,
                () = look_on(&store, &told) => return,
            }
        }
        // Anew each time: another process may have been at work since.
        let watch = match Watch::new(Arc::new(store.clone()), Rules::read(own.clone())).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(%error, "detection has to try again");
                tokio::time::sleep(STORE_WAIT).await;
                continue;
            }
        };
        let mut progress = watch.progress();
        let follow = async {
            loop {
                told.send_replace(*progress.borrow_and_update());
                if progress.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = watch.run(closing.clone()) => return,
            () = becomes(&mut is_ours, false) => {}
            () = follow => {}
        }
    }
}

/// Tells how far another process has come, for ever.
async fn look_on(store: &Store, told: &watch::Sender<u64>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Ok(position) = store.position(SUBSCRIBER).await {
            told.send_replace(position);
        }
    }
}

impl Detection {
    /// The API of alerts.
    pub fn routes(&self, store: &Store) -> Router {
        let desk = Desk { store: store.clone(), progress: self.progress.clone() };
        Router::new().route("/api/v1/alerts", get(list).post(act)).with_state(desk)
    }

    /// Waits for what is under way.
    pub async fn finish(self, grace: Duration) {
        for work in self.work {
            let abort = work.abort_handle();
            if tokio::time::timeout(grace, work).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// Listens for silence until the service ends.
async fn listen(settings: Detect, own: Own, store: Store, sources: Arc<Sources>, mut closing: watch::Receiver<bool>) {
    let mut rules = Rules::read(own);
    let patience = silence::Patience {
        silent: (settings.silent_hours > 0)
            .then(|| SignedDuration::from_hours(i64::try_from(settings.silent_hours).unwrap_or(24))),
        stalled: (settings.stalled_minutes > 0)
            .then(|| SignedDuration::from_mins(i64::try_from(settings.stalled_minutes).unwrap_or(60))),
    };
    let mut turn = tokio::time::interval(LISTEN);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = ended(&mut closing) => return,
            _ = turn.tick() => {}
        }
        rules.renew();
        if let Err(error) = heard(&rules, patience, &store, &sources.states()).await {
            tracing::error!(%error, "silence could not be listened for");
        }
    }
}

async fn ended(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn heard(
    rules: &Rules,
    patience: silence::Patience,
    store: &Store,
    states: &[SourceState],
) -> auditlake_store::Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    let status = store.status().await?;
    let followed = store.followed_since().await?;
    let pulses: Vec<silence::Pulse> = states
        .iter()
        .map(|state| silence::Pulse {
            source: state.source.clone(),
            newest: status.sources.get(&state.source).and_then(|source| source.newest),
            since: followed.get(&state.source).copied(),
            stalled: match (&state.trouble, state.phase) {
                (Some(trouble), _) => Some(trouble.since),
                (None, Phase::Stalled) => state.echo_at.or(state.last_success),
                _ => None,
            },
            trouble: state.trouble.as_ref().map(|trouble| format!("{}: {}", trouble.message, trouble.hint)),
        })
        .collect();
    let mut stored = Vec::new();
    for rule in [silence::SILENT, silence::STALLED] {
        stored.extend(store.alerts(&AlertQuery { rule: Some(rule.to_owned()), ..AlertQuery::default() }).await?);
    }
    let findings = silence::watch(rules.pack(), patience, &pulses, &stored, Timestamp::now());
    if findings.is_empty() {
        return Ok(());
    }
    let detected = Detected { subscriber: "silence".to_owned(), seq: status.seq, findings, withdrawn: Vec::new() };
    store.detected(detected).await.map(drop)
}

#[derive(Clone)]
struct Desk {
    store: Store,
    progress: watch::Receiver<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: Option<String>,
    rule: Option<String>,
    severity: Option<Severity>,
    state: Option<AlertState>,
    entity: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u64>,
    /// Wait until everything that is committed has been looked at.
    #[serde(default)]
    settled: bool,
}

/// `GET /api/v1/alerts`: a JSON array, the newest first; with `id`, that one.
async fn list(
    State(desk): State<Desk>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Vec<Alert>>, ApiError> {
    let Query(question) = question?;
    if question.settled {
        let seq = *desk.store.commits().borrow();
        let mut progress = desk.progress.clone();
        // Whoever has waited long enough gets what there is.
        let _ = tokio::time::timeout(PATIENCE, progress.wait_for(|done| *done >= seq)).await;
    }
    if let Some(id) = question.id {
        return Ok(Json(desk.store.alert(&id).await?.into_iter().collect()));
    }
    let query = AlertQuery {
        rule: question.rule,
        severity: question.severity,
        state: question.state,
        entity: question.entity,
        window: Window { since: time(question.since)?, until: time(question.until)? },
        limit: question.limit,
        after_news: None,
    };
    Ok(Json(desk.store.alerts(&query).await?))
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let time = parse_time(&text, Timestamp::now());
    time.map(Some).ok_or_else(|| {
        ApiError::invalid("`since` or `until` is not a time").hint("write RFC 3339, a date, or an age such as 7d")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Doing {
    id: String,
    who: String,
    what: ChangeKind,
    note: Option<String>,
}

/// `POST /api/v1/alerts`: acknowledge, close, open again, note. `null` if there is no such alert.
async fn act(
    State(desk): State<Desk>,
    doing: Result<Json<Doing>, JsonRejection>,
) -> Result<Json<Option<Alert>>, ApiError> {
    let Json(Doing { id, who, what, note }) = doing.map_err(|error| ApiError::invalid(error.body_text()))?;
    if matches!(what, ChangeKind::Raised | ChangeKind::Withdrawn) || who == "auditlake" {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid", "that is for detection to do"));
    }
    // Whoever has logged in does it under their own name.
    let by = Who::current();
    let who = if by.has_session { by.name } else { who };
    Ok(Json(desk.store.act(&id, Act { who, what, note }).await?))
}
