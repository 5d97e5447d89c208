//! How far the past is read: a bar on a terminal, a line at the end elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use collect::{Phase, SourceState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::log;

/// Shows each source that is begun until its past is read.
pub async fn show(mut begun: mpsc::UnboundedReceiver<watch::Receiver<SourceState>>) {
    let mut shown = JoinSet::new();
    while let Some(state) = begun.recv().await {
        shown.spawn(follow(state, log::bars()));
    }
    shown.join_all().await;
}

async fn follow(mut state: watch::Receiver<SourceState>, bars: &MultiProgress) {
    let started = Instant::now();
    let is_terminal = std::io::stderr().is_terminal();
    let bar = bars.add(if is_terminal { ProgressBar::new(1_000) } else { ProgressBar::hidden() });
    bar.set_style(style());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_prefix(state.borrow().source.clone());
    loop {
        let now = state.borrow_and_update().clone();
        if let Some(backfill) = now.backfill {
            bar.set_position((backfill.share() * 1_000.0) as u64);
            let rate = now.new as f64 / started.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!("{} activities, {rate:.0}/s", now.new));
        }
        if now.phase == Phase::Following && now.backfill.is_some_and(|backfill| backfill.is_done()) {
            bar.finish_and_clear();
            let seconds = started.elapsed().as_secs_f64();
            match now.new {
                0 => log::say(format!("{}: the past is here; following the feed", now.source)),
                new => log::say(format!(
                    "{}: the past is here: {new} activities in {seconds:.1} s; following the feed",
                    now.source
                )),
            }
            return;
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {percent:>3}%  {msg}  {eta} left");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
