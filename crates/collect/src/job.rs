//! Reading a span because somebody asked for it, beside whatever else a source is doing.

use auditlake_store::Span;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Collector, Priority, Result, SourceOptions, Stop,
    backfill::{Backfill, Saved, Tally},
    desk::Work,
    trouble::{Part, Trouble},
};

/// What to do with a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Read it, after everything else.
    Backfill,
    /// Read it once more and compare, after the tail only.
    Reconcile,
}

impl Job {
    /// The name of the checkpoint that says what of it remains.
    fn checkpoint(self) -> &'static str {
        match self {
            Job::Backfill => "asked_backfill",
            Job::Reconcile => "asked_reconcile",
        }
    }

    fn priority(self) -> Priority {
        match self {
            Job::Backfill => Priority::Backfill,
            Job::Reconcile => Priority::Reconcile,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobProgress {
    /// The source.
    pub source: String,
    /// Of the time that is to be read, the share that is, 0 to 1.
    pub share: f64,
    /// What came of it so far.
    pub tally: Tally,
    /// What is wrong at the moment.
    pub trouble: Option<Trouble>,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// The source.
    pub source: String,
    /// What was read, from the oldest moment to the newest: more than was asked for, if an earlier job had been broken off, and
    /// less, if more was asked for than has happened.
    #[serde(flatten)]
    pub span: Span,
    /// Whether all of it was read.
    pub is_done: bool,
    /// What came of it.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Collector {
    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.desk.info.id
    }

    /// Where its past begins.
    pub fn start_of_past(&self) -> Timestamp {
        let usual = || Timestamp::now().checked_sub(SourceOptions::DEFAULT_BACKFILL).unwrap_or(Timestamp::MIN);
        self.options.backfill_from.unwrap_or_else(usual)
    }

    /// Reads a span, and what an earlier job of the kind had left, until all of it is read or told to stop. `tell` hears
    /// how far it is. May run beside [`Collector::run`]. Dropping the future is safe: the next job goes on there.
    ///
    /// # Errors
    /// As [`Collector::run`].
    pub async fn read(
        &self,
        job: Job,
        from: Timestamp,
        to: Timestamp,
        stop: Stop,
        tell: &(dyn Fn(JobProgress) + Sync),
    ) -> Result<JobReport> {
        let (desk, name) = (&self.desk, job.checkpoint());
        self.recall().await?;
        // What has not happened yet cannot be read.
        let present = desk.present();
        let (from, to) = (from.min(present), to.min(present));
        let mut saved = match Saved::load(desk, name).await?.filter(|saved| !saved.remaining.is_empty()) {
            Some(left) => left,
            None => Saved::new(from, to),
        };
        saved.leave(&[(present, Timestamp::MAX)]);
        saved.add(from, to);
        saved.to = saved.to.min(present);
        desk.commit(Work { checkpoints: vec![saved.checkpoint(name)], ..Work::default() }).await?;
        let all = saved.progress().remaining_seconds.max(1) as f64;
        let span = Span { from: saved.from, to: saved.to };
        let report = std::sync::Mutex::new((Tally::default(), false));
        let work = || -> futures::future::BoxFuture<'_, Result<()>> {
            Box::pin(async {
                let saved = Saved::load(desk, name).await?.unwrap_or_else(|| Saved::new(from, from));
                let earlier = report.lock().map(|report| report.0).unwrap_or_default();
                let mut is_done = saved.remaining.is_empty();
                let mut told = |left: &Saved, tally: Tally| {
                    is_done = left.remaining.is_empty();
                    let share = 1.0 - left.progress().remaining_seconds as f64 / all;
                    let (source, trouble) = (desk.info.id.clone(), self.state().borrow().trouble.clone());
                    tell(JobProgress { source, share: share.clamp(0.0, 1.0), tally: earlier.and(tally), trouble });
                };
                let mut reading = Backfill::new(desk.clone(), self.options.clone(), job.priority(), name, saved);
                let tally = reading.run_telling(&stop, &mut told).await;
                // What was committed before the store failed counts.
                if let Ok(mut report) = report.lock() {
                    *report = (earlier.and(reading.tally()), is_done);
                }
                tally.map(drop)
            })
        };
        self.outlive(Part::Job(name), &stop, &work).await?;
        let (tally, is_done) = report.into_inner().unwrap_or_default();
        Ok(JobReport { source: desk.info.id.clone(), span, is_done, tally })
    }
}

impl Tally {
    /// Both together.
    fn and(self, other: Tally) -> Tally {
        Tally {
            requests: self.requests + other.requests,
            read: self.read + other.read,
            new: self.new + other.new,
            known: self.known + other.known,
            late: self.late + other.late,
            drift: self.drift + other.drift,
            unreadable: self.unreadable + other.unreadable,
        }
    }
}
