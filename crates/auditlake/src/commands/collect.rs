//! `auditlake backfill` and `auditlake reconcile`: a span, read because somebody asks for it. With the service running, it
//! does the work; without, this process does.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use collect::{Collector, Job, JobProgress, JobReport};
use futures::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::time;
use crate::{
    cli::Span,
    config::Config,
    engine::Duty,
    hinted,
    lake::{Here, Lake},
    misused, output,
    remote::Remote,
    service::{self, Wish, Word},
    stop,
};

pub async fn run(config: &Config, words: &Span, job: Job) -> Result<ExitCode> {
    let (from, to) = (time("from", words.from.as_deref())?, time("to", words.to.as_deref())?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(misused("--from is not before --to", "give the older time to --from"));
    }
    let wish = Wish { job, source: words.source.clone(), from, to };
    let name = if job == Job::Backfill { "backfill" } else { "reconcile" };
    let shown = Shown::default();
    let interrupted = tokio::select! {
        done = work(config, name, &wish, &shown) => { done?; false }
        () = stop::asked() => true,
        message = shown.refused() => return Err(hinted(message.0, message.1)),
    };
    shown.bars.clear()?;
    let told = shown.told.lock().unwrap_or_else(PoisonError::into_inner);
    for (source, message, hint) in &told.failures {
        eprintln!("error: source {source}: {message}");
        hint.iter().for_each(|hint| eprintln!("hint: {hint}"));
    }
    if interrupted {
        return Err(hinted("interrupted: what was read is stored", format!("run `auditlake {name}` again to go on")));
    }
    let rows: Vec<Row> = told.reports.iter().map(Row::from).collect();
    let columns = ["source", "from", "to", "requests", "read", "new", "known", "late", "drift", "unreadable"];
    output::write_list(&rows, &columns, words.format)?;
    Ok(if told.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A report as a row.
#[derive(Serialize)]
struct Row {
    source: String,
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    #[serde(flatten)]
    tally: collect::Tally,
}

impl From<&JobReport> for Row {
    fn from(report: &JobReport) -> Self {
        Row { source: report.source.clone(), from: report.span.from, to: report.span.to, tally: report.tally }
    }
}

async fn work(config: &Config, name: &str, wish: &Wish, shown: &Shown) -> Result<()> {
    match Lake::open(config, name).await? {
        Lake::Here(here) => here_in(config, wish, &here, shown).await,
        Lake::There(remote) => over(&remote, wish, shown).await,
    }
}

/// By this process, which has the store.
async fn here_in(config: &Config, wish: &Wish, here: &Here, shown: &Shown) -> Result<()> {
    let named = |source: &crate::config::SourceConfig| wish.source.as_ref().is_none_or(|name| *name == source.name);
    if !config.sources.iter().any(named) {
        let known: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        return Err(match &wish.source {
            Some(name) => hinted(format!("no source is named {name:?}"), format!("there are: {}", known.join(", "))),
            None => hinted(
                "no source is configured",
                "set ANTHROPIC_COMPLIANCE_ACCESS_KEY, or name sources in auditlake.toml (docs/configuration.md)",
            ),
        });
    }
    let data = config.data_dir()?;
    let (mut collectors, mut duties) = (Vec::new(), Vec::new());
    for prepared in service::prepare_all(config, &data).await? {
        let name = prepared.options.info.id.clone();
        if wish.source.as_ref().is_none_or(|wanted| *wanted == name) {
            // Two that read one source would each believe that only they have read.
            duties.push(here.store.await_duty(&Duty::of_source(&name)).await?);
            let store = Arc::new(here.store.clone());
            let service::Prepared { options, upstream, budget } = prepared;
            collectors.push(Arc::new(Collector::new(options, upstream, budget, store)));
        }
    }
    let (_stopper, stop) = collect::stop();
    let tell = |word| shown.hear(word);
    let lost = async {
        futures::future::select_all(duties.iter_mut().map(|duty| Box::pin(duty.lost()))).await;
    };
    tokio::select! {
        () = service::fulfil(&collectors, wish, &stop, &tell) => {}
        () = lost => return Err(hinted("another process collects from now on", "run the command there, or again later")),
    }
    for duty in duties {
        duty.end().await?;
    }
    here.store.checkpoint().await?;
    Ok(())
}

/// By the service that has the store.
async fn over(remote: &Remote, wish: &Wish, shown: &Shown) -> Result<()> {
    let request = remote.request(reqwest::Method::POST, "/api/v1/collect").json(wish);
    let mut body = remote.send(request).await?.bytes_stream();
    let mut text = Vec::new();
    while let Some(chunk) = body.next().await {
        text.extend_from_slice(&chunk.map_err(|_| broken_off())?);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            shown.hear(serde_json::from_slice(&line)?);
        }
    }
    Ok(())
}

fn broken_off() -> anyhow::Error {
    let error = anyhow!("the service broke its answer off");
    error.context("what was read is stored; run the command again to go on")
}

/// What has been told so far, and where people see it.
struct Shown {
    bars: MultiProgress,
    started: Instant,
    told: Mutex<Told>,
    refused: tokio::sync::Notify,
}

#[derive(Default)]
struct Told {
    bars: BTreeMap<String, ProgressBar>,
    troubles: BTreeMap<String, String>,
    reports: Vec<JobReport>,
    failures: Vec<(String, String, Option<String>)>,
    refusal: Option<(String, String)>,
}

impl Default for Shown {
    fn default() -> Self {
        Shown {
            bars: MultiProgress::new(),
            started: Instant::now(),
            told: Mutex::default(),
            refused: tokio::sync::Notify::new(),
        }
    }
}

impl Shown {
    fn hear(&self, word: Word) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match word {
            Word::Progress(progress) => self.show(&mut told, &progress),
            Word::Report(report) => {
                if let Some(bar) = told.bars.remove(&report.source) {
                    bar.finish_and_clear();
                }
                told.reports.push(report);
            }
            Word::Failed { source, message, hint } => told.failures.push((source, message, hint)),
        }
    }

    fn show(&self, told: &mut Told, progress: &JobProgress) {
        let JobProgress { source, share, tally, trouble } = progress;
        let bar = told.bars.entry(source.clone()).or_insert_with(|| self.bar(source));
        bar.set_position((share * 10_000.0) as u64);
        let rate = tally.read as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        bar.set_message(format!("{} activities, {} new, {rate:.0}/s", tally.read, tally.new));
        let Some(trouble) = trouble else { return };
        if trouble.is_refused {
            told.refusal = Some((format!("source {source}: {}", trouble.message), trouble.hint.clone()));
            self.refused.notify_one();
        } else if told.troubles.insert(source.clone(), trouble.kind.clone()).as_ref() != Some(&trouble.kind) {
            let bar = &told.bars[source];
            bar.suspend(|| eprintln!("{source}: {}\nhint: {}", trouble.message, trouble.hint));
        }
    }

    fn bar(&self, source: &str) -> ProgressBar {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = self.bars.add(if is_terminal { ProgressBar::new(10_000) } else { ProgressBar::hidden() });
        let style = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3}%  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar.set_prefix(source.to_owned());
        bar
    }

    /// Ready when the feed refuses, which waiting does not cure.
    async fn refused(&self) -> (String, String) {
        loop {
            self.refused.notified().await;
            if let Some(refusal) = self.told.lock().unwrap_or_else(PoisonError::into_inner).refusal.take() {
                return refusal;
            }
        }
    }
}
