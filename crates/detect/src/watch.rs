//! The subscriber: runs the engine behind a store's commits, and stores what it finds with how far it has come.
//!
//! The position and the alerts are one transaction. What the engine keeps in memory is loaded from the store as it is needed,
//! so a crash anywhere repeats at most the last step, with the same outcome.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use activity::Activity;
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::TimestampMicrosecondType,
};
use auditlake_store::{
    Reader, Result, Seqs, Window, Writer,
    alert::{AlertQuery, Alerts, Detected, Observe, Observed},
};
use futures::TryStreamExt;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    engine::{Engine, Input, Missing, Update},
    load::Own,
    pack::{DAY, Pack},
    seen::Enrichment,
    thread::Thread,
};

/// What the subscriber asks of a store.
pub trait Lake: Writer + Reader + Alerts + Observed {}

impl<T: Writer + Reader + Alerts + Observed> Lake for T {}

/// The rules in force: those compiled in and a deployment's own, read again when a file of them changes.
#[derive(Debug)]
pub struct Rules {
    own: Own,
    stamp: Vec<(PathBuf, SystemTime, u64)>,
    pack: Arc<Pack>,
}

impl Rules {
    /// Reads the rules, and says in the log what is refused.
    pub fn read(own: Own) -> Rules {
        let stamp = stamp(&own);
        let pack = Arc::new(Pack::load(&own));
        for problem in &pack.problems {
            tracing::warn!(rule = problem.rule.as_deref().unwrap_or("-"), "refused: {problem}");
        }
        Rules { own, stamp, pack }
    }

    /// The rules.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// Reads the rules again if a file has changed, and answers whether it has.
    pub fn renew(&mut self) -> bool {
        if stamp(&self.own) == self.stamp {
            return false;
        }
        *self = Rules::read(std::mem::take(&mut self.own));
        tracing::info!(rules = self.pack.running().count(), "rules were read again");
        true
    }
}

/// Names, times and sizes of the files.
fn stamp(own: &Own) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut list = Vec::new();
    let mut rest: Vec<PathBuf> = own.paths().map(Path::to_owned).collect();
    while let Some(path) = rest.pop() {
        let Ok(data) = std::fs::metadata(&path) else { continue };
        if data.is_dir() {
            rest.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            list.push((path, data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len()));
        }
    }
    list.sort();
    list
}

/// The subscriber's name in the store.
pub const SUBSCRIBER: &str = "detect";
/// How often the rules' files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Commits are taken together until they hold about so many activities.
const ROWS: usize = 40_000;

/// The subscriber.
pub struct Watch {
    lake: Arc<dyn Lake>,
    rules: Rules,
    engine: Option<Engine>,
    position: u64,
    /// So many commits are taken together.
    step: u64,
    progress: watch::Sender<u64>,
    thread: Thread,
}

impl Watch {
    /// A subscriber that goes on where the last one ended.
    ///
    /// # Errors
    /// As the store says.
    pub async fn new(lake: Arc<dyn Lake>, rules: Rules) -> Result<Watch> {
        let position = lake.position(SUBSCRIBER).await?;
        let (progress, _) = watch::channel(position);
        let thread = Thread::start()?;
        let mut watch = Watch { lake, rules, engine: None, position, step: 1, progress, thread };
        watch.begin().await?;
        Ok(watch)
    }

    /// The number of the last commit that has been dealt with, and every later one.
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// A fresh engine for the rules in force.
    async fn begin(&mut self) -> Result<()> {
        let mut engine = Engine::new(self.rules.pack().clone());
        let stored = self.lake.alerts(&AlertQuery::default()).await?;
        engine.know(stored.into_iter().map(|alert| alert.finding.id));
        self.engine = Some(engine);
        Ok(())
    }

    /// Follows the store's commits until `closing` turns true. What fails is tried again.
    pub async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut commits = self.lake.commits();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let position = self.position;
            tokio::select! {
                () = ended(&mut closing) => return,
                is_open = passed(&mut commits, position) => {
                    if !is_open {
                        return;
                    }
                    if let Err(error) = self.step().await {
                        tracing::error!(%error, "detection has to try again");
                        // What the engine took is not stored: it begins anew from the store.
                        self.engine = None;
                        tokio::time::sleep(LOOK).await;
                    }
                }
                _ = look.tick() => {
                    if self.rules.renew() {
                        self.engine = None;
                    }
                }
            }
        }
    }

    /// Takes everything that is committed.
    ///
    /// # Errors
    /// As the store says.
    pub async fn catch_up(&mut self) -> Result<()> {
        while *self.lake.commits().borrow() > self.position {
            self.step().await?;
        }
        Ok(())
    }

    /// Takes the next commits.
    async fn step(&mut self) -> Result<()> {
        if self.engine.is_none() {
            self.begin().await?;
        }
        let head = *self.lake.commits().borrow();
        let until = head.min(self.position + self.step);
        let followed = self.lake.followed_since().await?;
        let Some(mut engine) = self.engine.take() else { return Ok(()) };
        engine.follow(followed.into_iter().map(|(source, since)| (source, since.as_microsecond())));
        let observe = Observe {
            seqs: Seqs { after: Some(self.position), until: Some(until) },
            types: engine.types(crate::engine::Depth::Near),
            ..Observe::default()
        };
        let rows = self.lake.observe(&observe).await?.collect().await?;
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        self.step = if count > ROWS { (self.step / 2).max(1) } else { (self.step * 2).min(1_024) };
        let missing = engine.missing(rows.iter().flat_map(times));
        for one in missing {
            engine = self.load(engine, one).await?;
        }
        let work = move || {
            for rows in &rows {
                each(rows, |input| engine.take(input));
            }
            let update = engine.settle();
            (engine, update)
        };
        let (engine, update) = self.thread.run(work).await?;
        let Update { findings, withdrawn } = update;
        let detected = Detected { subscriber: SUBSCRIBER.to_owned(), seq: until, findings, withdrawn };
        let changed = self.lake.detected(detected).await?;
        for alert in changed.iter().filter(|alert| !alert.finding.historical) {
            tracing::info!(id = alert.finding.id, rule = alert.finding.rule, severity = %alert.finding.severity, "alert");
        }
        self.position = until;
        self.progress.send_replace(until);
        self.engine = Some(engine);
        Ok(())
    }

    /// Loads days that the engine asks for, as they were before the next commits.
    async fn load(&self, mut engine: Engine, missing: Missing) -> Result<Engine> {
        let Missing { depth, from, to } = missing;
        let time = |day: i64| Timestamp::from_microsecond(day.saturating_mul(DAY)).ok();
        let observe = Observe {
            window: Window { since: time(from), until: time(to) },
            seqs: Seqs { after: None, until: Some(self.position) },
            types: engine.types(depth),
            limit: None,
        };
        if self.position == 0 {
            return Ok(engine);
        }
        let mut rows = self.lake.observe(&observe).await?.batches;
        while let Some(rows) = rows.try_next().await? {
            let work = move || {
                each(&rows, |input| engine.recall(input, depth));
                engine
            };
            engine = self.thread.run(work).await?;
        }
        Ok(engine)
    }
}

async fn ended(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits for a commit behind this one; answers whether the store is still there.
async fn passed(commits: &mut watch::Receiver<u64>, position: u64) -> bool {
    commits.wait_for(|seq| *seq > position).await.is_ok()
}

/// The event times of observed rows.
fn times(rows: &RecordBatch) -> Vec<i64> {
    let column =
        rows.column_by_name("eventTime").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    column.map(|column| column.values().to_vec()).unwrap_or_default()
}

/// Calls `work` for each observed activity.
fn each(rows: &RecordBatch, mut work: impl FnMut(&Input)) {
    observed(rows, &mut work);
}

/// Calls `work` for each activity of rows in the columns of [`Observed::observe`].
pub fn observed(rows: &RecordBatch, work: &mut dyn FnMut(&Input)) {
    let column = |name: &str| rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let (Some(source), Some(raw)) = (column("sourceID"), column("rawLog")) else { return };
    let enrichment = [column("place"), column("agent"), column("person")];
    for at in 0..rows.num_rows() {
        // What is stored was parsed before.
        let Ok(activity) = Activity::parse_str(raw.value(at)) else { continue };
        let [place, agent, person] =
            enrichment.map(|column| column.filter(|column| column.is_valid(at)).map(|column| column.value(at)));
        work(&Input { activity: &activity, enrichment: Enrichment { place, agent, person }, source: source.value(at) });
    }
}
