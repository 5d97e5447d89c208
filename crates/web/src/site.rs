//! What the binary tells this room: where to ask, who may, and what to say about it.

use std::{sync::Arc, time::Duration};

use auditlake_store::{Engine, alert::Alerts, lookup::Lookups};
use axum::http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{
    Access, Notebook, RuleBook, SettingsReport, Watch, Who,
    access::{
        Mask, MaskedAlerts, MaskedEngine,
        gate::{Limits, needed},
    },
    ask::{Ask, Memo},
    inbox::Inbox,
    text,
};

/// A deployment as its pages and API see it.
#[derive(Clone)]
pub struct Site {
    /// Whom to ask.
    pub engine: Arc<dyn Engine>,
    /// What callers of the API must show as `Authorization: Bearer …`.
    pub token: SecretString,
    /// Names under which the site may be asked for, beside those of the loopback interface. Without a port.
    pub hosts: Vec<String>,
    /// What to say above every page if the people are simulated.
    pub simulated: Option<SimulatedBanner>,
    /// What else there is to watch over.
    pub watch: Option<Arc<dyn Watch>>,
    /// The program's version.
    pub version: String,
    /// Turns `true` when the program is about to end: streams that would never end by themselves do so then.
    pub closing: watch::Receiver<bool>,
    /// What detection found, where it runs.
    pub alerts: Option<Arc<dyn Alerts>>,
    /// What each source is doing now.
    pub sources: Arc<dyn Fn() -> Vec<SourceReport> + Send + Sync>,
    /// The rules behind them.
    pub rules: Option<Arc<dyn RuleBook>>,
    /// How the deployment is set.
    pub settings: Arc<dyn Fn() -> SettingsReport + Send + Sync>,
    /// How people get in; none where nobody but this machine comes.
    pub access: Option<Access>,
    /// Whether viewers see addresses and titles behind a mask.
    pub masks_viewers: bool,
    /// Takes what is looked up.
    pub notebook: Option<Notebook>,
    /// What was looked up.
    pub lookups: Option<Arc<dyn Lookups>>,
    pub(crate) is_masked: bool,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) memo: Arc<Memo>,
}

/// What a source is doing, in words and numbers that a page can show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceReport {
    /// Its name.
    pub source: String,
    /// What it is at: `starting`, `backfilling`, `following`, `retrying`, `stalled`, `refused` or `stopped`.
    pub phase: String,
    /// When a page last came.
    pub last_success: Option<Timestamp>,
    /// The newest event time up to which the feed has been followed.
    pub watermark: Option<Timestamp>,
    /// How long the feed took to show our own last request.
    pub echo: Option<Duration>,
    /// What is wrong: since when, what happened, what to do.
    pub trouble: Option<(Timestamp, String, String)>,
    /// Requests sent since the service began.
    pub requests: u64,
    /// Of them, those that gave no page, by kind.
    pub errors: Vec<(String, u64)>,
    /// Rows that a comparison found and no earlier read had shown.
    pub late: u64,
    /// Records that were no activities.
    pub rejected: u64,
    /// Activities that tell of our own requests.
    pub own_reads: u64,
    /// The upstream's limit, in requests a minute.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// Of the past that is to be read, the share that has been, 0 to 1.
    pub backfilled: Option<f64>,
}

/// What a simulated organisation is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedBanner {
    /// The number of its people.
    pub people: u32,
    /// The days of past that it began with.
    pub days: u32,
    /// What it was grown from.
    pub seed: u64,
}

impl SimulatedBanner {
    pub(crate) fn people_text(&self) -> String {
        text::count(self.people.into(), "person", "people")
    }

    pub(crate) fn days_text(&self) -> String {
        text::count(self.days.into(), "day", "days")
    }
}

impl Site {
    /// A site on the loopback interface that never closes; the other fields are there to be set.
    pub fn new(engine: Arc<dyn Engine>, token: SecretString) -> Site {
        let (_, closing) = watch::channel(false);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Site {
            engine,
            token,
            hosts: Vec::new(),
            simulated: None,
            watch: None,
            version,
            closing,
            alerts: None,
            sources: Arc::new(Vec::new),
            rules: None,
            settings: Arc::new(SettingsReport::default),
            access: None,
            masks_viewers: false,
            notebook: None,
            lookups: None,
            is_masked: false,
            inbox: Arc::default(),
            memo: Arc::default(),
        }
    }

    /// The same site as viewers see it, and the mask, if they see it behind one.
    pub(crate) fn masked(&self) -> Option<(Site, Arc<Mask>)> {
        if !self.masks_viewers || self.access.is_none() {
            return None;
        }
        let mask = Arc::new(Mask::new());
        let engine = MaskedEngine { engine: self.engine.clone(), mask: mask.clone() };
        let behind = |alerts: &Arc<dyn Alerts>| -> Arc<dyn Alerts> {
            Arc::new(MaskedAlerts { alerts: alerts.clone(), mask: mask.clone() })
        };
        let site = Site {
            engine: Arc::new(engine),
            alerts: self.alerts.as_ref().map(behind),
            lookups: None,
            notebook: None,
            is_masked: true,
            inbox: Arc::default(),
            memo: Arc::default(),
            ..self.clone()
        };
        Some((site, mask))
    }

    /// Who made the request that is being answered.
    pub(crate) fn who(&self) -> Who {
        Who::current()
    }

    /// What keeps viewers from what they would see otherwise.
    pub(crate) fn limits(&self) -> Limits {
        let viewers_export = self.access.as_ref().is_none_or(Access::viewers_export);
        Limits { is_masked: self.is_masked, viewers_export }
    }

    /// Whether whoever asks may ask for this, too.
    pub(crate) fn may(&self, path: &str) -> bool {
        self.who().role >= needed(&Method::GET, path, self.limits())
    }

    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask::new(&self.engine, &self.memo)
    }
}
