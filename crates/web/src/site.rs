//! What the binary tells this room: where to ask, who may, and what to say about it.

use std::sync::Arc;

use auditlake_store::Engine;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{Watch, text};

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
        Site { engine, token, hosts: Vec::new(), simulated: None, watch: None, version, closing }
    }
}
