//! Alerts to people: which destination is told of what, and that it arrives.
//!
//! A [`Postman`] hears of changed alerts and puts notices into the outbox of the store, together with how far it has come. A
//! [`Worker`] for each destination takes them out and tries until the destination has taken them or patience is over. Both may be
//! killed at any moment: what was not settled is sent again, under the same id. Nothing here knows rules, an engine, a page or a
//! configuration file; what an alert is comes from the store's port.

mod backoff;
mod channel;
mod email;
mod failure;
mod file;
mod http;
mod id;
mod notice;
mod pagerduty;
mod postman;
mod route;
mod slack;
mod target;
mod teams;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod webhook;
mod worker;

use std::sync::Arc;

use jiff::Timestamp;

pub use backoff::Patience;
pub use channel::{Channel, Letter, Open};
pub use email::{Mail, MailSecurity};
pub use failure::{Failure, Kind, SettingError};
pub use http::Network;
pub use notice::{Alert, Event, Notice};
pub use pagerduty::DEFAULT_URL as PAGERDUTY_URL;
pub use postman::{Postman, Subscription};
pub use route::Route;
pub use target::Target;
pub use teams::TeamsForm;
pub use worker::{DestinationState, Worker};

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// Waits until somebody asks for the end, or nobody is left who could.
async fn asked(stop: &mut tokio::sync::watch::Receiver<bool>) {
    _ = stop.wait_for(|stop| *stop).await;
}
