//! What the sources are at, for whoever watches over the service: Prometheus' metrics and the reasons for `/readyz`.
//!
//! Nothing is counted here. Each scrape makes a registry anew of the states that the collectors keep and of what the store
//! says of itself, so that a number stands in one place only.

use std::sync::{Mutex, PoisonError};

use auditlake_store::Status;
use collect::{Phase, SourceState};
use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};
use tokio::sync::watch;
use web::{Obstacle, Watch};

use super::reports::is_collected;

/// The states of all sources that are collected.
#[derive(Default)]
pub struct Sources(Mutex<Vec<watch::Receiver<SourceState>>>);

impl Sources {
    pub fn add(&self, state: watch::Receiver<SourceState>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(is_collected);
        held.push(state);
    }

    pub fn states(&self) -> Vec<SourceState> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|state| is_collected(state)).map(|state| state.borrow().clone()).collect()
    }
}

impl Watch for Sources {
    fn obstacles(&self) -> Vec<Obstacle> {
        let stuck = |state: SourceState| {
            let trouble = state.trouble.filter(|trouble| trouble.needs_person)?;
            Some(Obstacle { of: state.source, reason: trouble.message, hint: trouble.hint })
        };
        self.states().into_iter().filter_map(stuck).collect()
    }

    fn metrics(&self, store: Option<&Status>) -> String {
        render(&self.states(), store, Timestamp::now()).unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics cannot be written");
            String::new()
        })
    }
}

const PHASES: [(Phase, &str); 7] = [
    (Phase::Starting, "starting"),
    (Phase::Backfilling, "backfilling"),
    (Phase::Following, "following"),
    (Phase::Retrying, "retrying"),
    (Phase::Stalled, "stalled"),
    (Phase::Refused, "refused"),
    (Phase::Stopped, "stopped"),
];

/// A registry that metrics are laid into, one after the other.
struct Sheet(Registry);

impl Sheet {
    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        let family = IntCounterVec::new(Opts::new(format!("auditlake_{name}"), help), labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn whole(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let family = IntGaugeVec::new(Opts::new(format!("auditlake_{name}"), help), labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        let family = GaugeVec::new(Opts::new(format!("auditlake_{name}"), help), labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    /// A counter of every source.
    fn count(
        &self,
        states: &[SourceState],
        name: &str,
        help: &str,
        of: impl Fn(&SourceState) -> u64,
    ) -> prometheus::Result<()> {
        let family = self.counter(name, help, &["source"])?;
        states.iter().for_each(|state| family.with_label_values(&[&state.source]).inc_by(of(state)));
        Ok(())
    }

    /// A measure of every source, where there is one.
    fn measure(
        &self,
        states: &[SourceState],
        name: &str,
        help: &str,
        of: impl Fn(&SourceState) -> Option<f64>,
    ) -> prometheus::Result<()> {
        let family = self.gauge(name, help, &["source"])?;
        for (state, value) in states.iter().filter_map(|state| Some((state, of(state)?))) {
            family.with_label_values(&[&state.source]).set(value);
        }
        Ok(())
    }
}

fn render(states: &[SourceState], store: Option<&Status>, now: Timestamp) -> prometheus::Result<String> {
    let sheet = Sheet(Registry::new());
    let info = sheet.whole("build_info", "The program that runs; always 1", &["version"])?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    of_sources(&sheet, states, now)?;
    of_store(&sheet, store)?;
    TextEncoder::new().encode_to_string(&sheet.0.gather())
}

fn of_sources(sheet: &Sheet, states: &[SourceState], now: Timestamp) -> prometheus::Result<()> {
    let seconds = |time: Timestamp| time.as_microsecond() as f64 / 1e6;
    sheet.count(states, "requests_total", "Requests to the feed since the start, failed ones too", |state| {
        state.requests
    })?;
    sheet.count(states, "pages_total", "Requests that brought a page", |state| state.pages)?;
    let errors =
        sheet.counter("request_errors_total", "Requests that brought no page, by kind", &["source", "kind"])?;
    for state in states {
        for (kind, count) in &state.errors {
            errors.with_label_values(&[state.source.as_str(), kind.as_str()]).inc_by(*count);
        }
    }
    sheet.count(states, "activities_new_total", "Activities stored", |state| state.new)?;
    sheet
        .count(states, "activities_duplicate_total", "Activities read that were stored already", |state| state.known)?;
    sheet.count(states, "activities_late_total", "Activities that only a second reading found", |state| state.late)?;
    sheet.count(states, "activities_rejected_total", "Records that were no activities, kept in rejects/", |state| {
        state.rejected
    })?;
    sheet.count(
        states,
        "drift_total",
        "Differences that reading again has shown: changed, poorer, missing",
        |state| state.drift,
    )?;
    let unknown = sheet.whole(
        "catalog_drift",
        "Different things that activities have shown since the start and the catalogue does not know, by kind",
        &["source", "kind"],
    )?;
    for state in states {
        for kind in ["type", "actor", "field", "value", "form"] {
            let count = state.unknown.get(kind).copied().unwrap_or_default();
            unknown.with_label_values(&[state.source.as_str(), kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    sheet.measure(states, "unreadable_seconds", "Event time that the feed could not be made to show", |state| {
        let spans = state.unreadable.iter().map(|span| span.to.duration_since(span.from).as_secs_f64());
        // An empty sum would be -0.
        Some(spans.fold(0.0, |sum, span| sum + span))
    })?;
    sheet.count(states, "own_reads_total", "Activities that were our own requests", |state| state.own_reads)?;
    sheet.measure(
        states,
        "watermark_timestamp_seconds",
        "The newest event time up to which the feed is followed",
        |state| state.watermark.map(seconds),
    )?;
    sheet.measure(
        states,
        "watermark_age_seconds",
        "How far the watermark lies back; grows in a quiet organization too",
        |state| state.lag(now).map(|lag| lag.as_secs_f64()),
    )?;
    sheet.measure(states, "last_success_timestamp_seconds", "When a page last came", |state| {
        state.last_success.map(seconds)
    })?;
    sheet.measure(states, "feed_lag_seconds", "How long the feed took to show our own last request", |state| {
        state.echo.map(|echo| echo.as_secs_f64())
    })?;
    sheet.measure(
        states,
        "budget_limit_requests",
        "Requests a minute that the feed allows the organization",
        |state| state.limit.map(|limit| limit as f64),
    )?;
    sheet.measure(states, "budget_remaining_requests", "Requests that are left of it", |state| {
        state.remaining.map(|left| left as f64)
    })?;
    sheet.measure(states, "backfill_progress_ratio", "The share of the past that is read, 0 to 1", |state| {
        state.backfill.map(|backfill| backfill.share())
    })?;
    sheet.measure(
        states,
        "trouble_since_timestamp_seconds",
        "Since when something is wrong; absent if nothing is",
        |state| state.trouble.as_ref().map(|trouble| seconds(trouble.since)),
    )?;
    let waits = sheet.whole(
        "needs_person",
        "1 if the source goes no further until a person acts: refused, no space left, or ended",
        &["source"],
    )?;
    for state in states {
        let needs_person = state.trouble.as_ref().is_some_and(|trouble| trouble.needs_person);
        waits.with_label_values(&[state.source.as_str()]).set(i64::from(needs_person));
    }
    let phases =
        sheet.whole("source_phase", "What the source is at: 1 for the phase that it is in", &["source", "phase"])?;
    for state in states {
        for (phase, name) in PHASES {
            phases.with_label_values(&[state.source.as_str(), name]).set(i64::from(state.phase == phase));
        }
    }
    Ok(())
}

fn of_store(sheet: &Sheet, store: Option<&Status>) -> prometheus::Result<()> {
    sheet
        .whole("store_up", "Whether the store answers", &[])?
        .with_label_values(&[] as &[&str])
        .set(i64::from(store.is_some()));
    let Some(store) = store else { return Ok(()) };
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let whole = |name: &str, help: &str, value: u64| -> prometheus::Result<()> {
        sheet.whole(name, help, &[])?.with_label_values(&[] as &[&str]).set(number(value));
        Ok(())
    };
    whole("store_bytes", "The size of the store on disk", store.bytes)?;
    whole("store_commits", "The sequence number of the last commit", store.seq)?;
    let stored = sheet.whole("store_activities", "Activities in the store, by source", &["source"])?;
    for (name, source) in &store.sources {
        stored.with_label_values(&[name.as_str()]).set(number(source.activities));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use collect::{BackfillProgress, Trouble};

    use super::*;

    fn state() -> SourceState {
        let now: Timestamp = "2026-10-07T10:00:00Z".parse().unwrap();
        SourceState {
            source: "ac\"me\\\n".into(),
            phase: Phase::Refused,
            last_success: Some(now),
            watermark: Some(now - Duration::from_secs(90)),
            echo: Some(Duration::from_millis(1_500)),
            requests: 12,
            pages: 9,
            drift: 3,
            unknown: [("type", 4)].into(),
            new: 100,
            known: 7,
            late: 2,
            rejected: 1,
            errors: [("connect".to_owned(), 2), ("rate_limit_error".to_owned(), 1)].into(),
            limit: Some(600),
            remaining: Some(480),
            backfill: Some(BackfillProgress {
                from: now - Duration::from_secs(100),
                to: now,
                remaining_seconds: 25,
                rows: 1,
            }),
            trouble: Some(Trouble {
                since: now,
                kind: "authentication_error".into(),
                message: "401".into(),
                hint: "a new key".into(),
                is_refused: true,
                needs_person: true,
            }),
            ..SourceState::default()
        }
    }

    #[test]
    fn writes_what_prometheus_reads() {
        let mut store = Status { activities: 5, seq: 9, bytes: 1_000, ..Status::default() };
        store.sources.insert("acme".into(), auditlake_store::SourceStatus { activities: 5, ..Default::default() });
        let text = render(&[state()], Some(&store), "2026-10-07T10:00:00Z".parse().unwrap()).unwrap();
        for line in [
            "# HELP auditlake_pages_total Requests that brought a page",
            "# TYPE auditlake_pages_total counter",
            r#"auditlake_pages_total{source="ac\"me\\\n"} 9"#,
            r#"auditlake_request_errors_total{kind="connect",source="ac\"me\\\n"} 2"#,
            r#"auditlake_watermark_age_seconds{source="ac\"me\\\n"} 90"#,
            r#"auditlake_feed_lag_seconds{source="ac\"me\\\n"} 1.5"#,
            r#"auditlake_backfill_progress_ratio{source="ac\"me\\\n"} 0.75"#,
            r#"auditlake_source_phase{phase="refused",source="ac\"me\\\n"} 1"#,
            r#"auditlake_source_phase{phase="following",source="ac\"me\\\n"} 0"#,
            r#"auditlake_needs_person{source="ac\"me\\\n"} 1"#,
            r#"auditlake_drift_total{source="ac\"me\\\n"} 3"#,
            r#"auditlake_catalog_drift{kind="type",source="ac\"me\\\n"} 4"#,
            r#"auditlake_catalog_drift{kind="field",source="ac\"me\\\n"} 0"#,
            "auditlake_store_up 1",
            "auditlake_store_commits 9",
            r#"auditlake_store_activities{source="acme"} 5"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        // Every sample belongs to a family with help and type.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} ")) && text.contains(&format!("# HELP {name} ")), "{line}");
        }
        assert!(render(&[], None, Timestamp::now()).unwrap().contains("auditlake_store_up 0"));
    }

    #[test]
    fn names_what_waits_for_a_person() {
        let sources = Sources::default();
        let (sender, receiver) = watch::channel(state());
        sources.add(receiver);
        assert_eq!(sources.obstacles()[0].hint, "a new key");
        let change = |is_refused: bool, needs_person: bool| {
            sender.send_modify(|state| {
                let trouble = state.trouble.as_mut().unwrap();
                (trouble.is_refused, trouble.needs_person) = (is_refused, needs_person);
            });
            sources.obstacles().len()
        };
        assert_eq!(change(false, true), 1, "such as a full disk, though the feed refuses nothing");
        assert_eq!(change(false, false), 0, "what is tried again by itself");
        sender.send_modify(|state| state.trouble = None);
        assert!(sources.obstacles().is_empty());
    }
}
