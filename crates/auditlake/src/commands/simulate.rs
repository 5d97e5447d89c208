//! `auditlake simulate`: the feed of a simulated organisation alone.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use simulate::{Config, Pace, Simulation};

use crate::{cli::Simulate, log, misused, simulated::SimulatedFeed, stop};

/// How often what has happened since is added to the truth file.
const TRUTH_INTERVAL: Duration = Duration::from_millis(500);

pub async fn run(words: &Simulate) -> Result<ExitCode> {
    let mut faults = Vec::new();
    for text in &words.fault {
        faults.push(text.parse().map_err(|error| {
            misused(format!("--fault: {error}"), "write NAME=RATE[:ARGUMENT], such as error500=5% or late=1%:30m")
        })?);
    }
    let pace = match (words.frozen, words.speed) {
        (true, _) => Pace::Frozen,
        (false, Some(speed)) => Pace::Times(speed),
        (false, None) => Pace::Real,
    };
    let organisation = &words.organisation;
    let simulation = Arc::new(
        Simulation::new(Config {
            seed: organisation.seed,
            people: organisation.people,
            days: organisation.days,
            pace,
            scenarios: words.scenario.clone(),
            scenarios_soon: words.scenario.clone(),
            faults,
            ..Config::default()
        })
        .map_err(|error| misused(error.to_string(), "see `auditlake simulate --help`"))?,
    );
    let feed = SimulatedFeed::bind(&simulation, words.port, words.rate_limit).await?;
    let truth = match &words.truth {
        Some(path) => Some(truth(path, &simulation)?),
        None => None,
    };
    println!("url {}\nkey {}", feed.url, simulation.key());
    log::say(format!(
        "{} simulated people, {} days of past; try\n  curl -s -H 'x-api-key: {}' '{}{}?limit=2'",
        organisation.people,
        organisation.days,
        simulation.key(),
        feed.url,
        feed::PATH,
    ));
    let serving = feed.serve(stop::asked());
    match truth {
        None => serving.await?,
        Some(mut truth) => {
            tokio::select! {
                done = serving => done?,
                done = truth.follow(&simulation) => done?,
            }
            // What somebody may have read since the last time.
            truth.write_new(&simulation)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The truth file: every activity that a perfect collector would have.
struct Truth {
    out: BufWriter<File>,
    until: Timestamp,
}

/// The past, at once.
fn truth(path: &Path, simulation: &Simulation) -> Result<Truth> {
    let file = File::create(path).with_context(|| format!("cannot write the truth to {}", path.display()))?;
    let until = simulation.now();
    let mut truth = Truth { out: BufWriter::with_capacity(1 << 20, file), until };
    truth.write(simulation, None, until)?;
    Ok(truth)
}

impl Truth {
    fn write(&mut self, simulation: &Simulation, after: Option<Timestamp>, until: Timestamp) -> Result<()> {
        let mut text = Vec::new();
        for activity in simulation.truth(after, until) {
            activity.write_truth(&mut text);
            if text.len() > 1 << 20 {
                self.out.write_all(&text)?;
                text.clear();
            }
        }
        self.out.write_all(&text)?;
        self.out.flush().context("cannot write the truth")
    }

    /// Each new activity as it happens.
    async fn follow(&mut self, simulation: &Simulation) -> Result<()> {
        loop {
            tokio::time::sleep(TRUTH_INTERVAL).await;
            self.write_new(simulation)?;
        }
    }

    /// What has happened since the last time.
    fn write_new(&mut self, simulation: &Simulation) -> Result<()> {
        let (after, now) = (self.until, simulation.now());
        if now > after {
            self.until = now;
            self.write(simulation, Some(after), now)?;
        }
        Ok(())
    }
}
