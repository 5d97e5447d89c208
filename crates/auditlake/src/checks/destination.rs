//! The destinations of alerts: settings, secrets, the way there, and that they let us in. Nobody is called where that can be helped.

use std::time::Duration;

use deliver::Open;
use futures::future::join_all;

use super::{Finding, Scene};
use crate::config::DestinationConfig;

const CHECK: &str = "destination";
/// A destination that takes longer is as good as dead.
const LONGEST: Duration = Duration::from_secs(30);

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    // Who asks for one source does not ask for a message to everybody.
    if scene.sources.len() < scene.config.sources.len() {
        return Vec::new();
    }
    join_all(scene.config.destinations.iter().map(one)).await
}

async fn one(destination: &DestinationConfig) -> Finding {
    let tried = tokio::time::timeout(LONGEST, tried(destination)).await;
    let late = || Finding::fail(CHECK, "no answer in 30 s", "look at url, host and proxy, and at the way there");
    tried.unwrap_or_else(|_| late()).of(&destination.name)
}

async fn tried(destination: &DestinationConfig) -> Finding {
    let channel = match destination.open().await {
        Ok(channel) => channel,
        Err(error) => return Finding::fail(CHECK, error.message, error.hint),
    };
    match channel.check().await {
        Ok(saw) => Finding::ok(CHECK, saw),
        Err(failure) => {
            let todo = failure.hint.clone().unwrap_or_else(|| "look at its settings, and at the way there".to_owned());
            Finding::fail(CHECK, failure.to_string(), todo)
        }
    }
}
