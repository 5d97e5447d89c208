//! Every destination against a server that takes only what the real one would, and everything that may go wrong on the way.

mod mail;
mod pagerduty;
mod postman;
mod server;
mod slack;
mod teams;
mod webhook;
mod worker;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::{Channel, Failure, Letter, Network, Notice, Target};

/// A network without the machine's proxy, and with little patience.
fn network() -> Network {
    Network { is_direct: true, timeout: Some(Duration::from_secs(10)), ..Network::default() }
}

fn open(target: &Target) -> Box<dyn Channel> {
    target.open(&network()).expect("settings that are right")
}

async fn send(channel: &dyn Channel, notice: &Notice) -> Result<(), Failure> {
    channel.send(Letter { id: "dlv_1", at: Timestamp::now(), notice }).await
}

fn secret(text: &str) -> SecretString {
    text.into()
}
