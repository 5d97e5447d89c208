//! `auditlake deliveries`: notices on their way to people, and dead letters sent again.

use std::process::ExitCode;

use anyhow::Result;
use auditlake_store::outbox::{Delivery, DeliveryQuery, DeliveryState, Which};
use serde_json::{Value, json};

use crate::{
    cli::{Deliveries, ListDeliveries, RetryDeliveries},
    config::Config,
    hinted,
    lake::Lake,
    misused, output,
};

pub async fn run(config: &Config, words: &Deliveries) -> Result<ExitCode> {
    match words {
        Deliveries::List(words) => list(config, words).await?,
        Deliveries::Retry(words) => retry(config, words).await?,
    }
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: [&str; 11] = [
    "id",
    "destination",
    "state",
    "event",
    "severity",
    "alert",
    "attempts",
    "queued_at",
    "next_at",
    "settled_at",
    "error",
];

async fn list(config: &Config, words: &ListDeliveries) -> Result<()> {
    let query = DeliveryQuery {
        destination: words.destination.clone(),
        state: words.state.as_deref().and_then(DeliveryState::parse),
        alert: words.alert.clone(),
        limit: Some(words.limit),
    };
    let found = Lake::find(config, "deliveries").await?.deliveries(&query).await?;
    let rows: Vec<Value> = found.iter().map(told).collect();
    output::write_list(&rows, &COLUMNS, words.format)
}

/// A delivery in a list; what it says stands in the alert.
fn told(delivery: &Delivery) -> Value {
    let is_waiting = delivery.state == DeliveryState::Waiting;
    json!({
        "id": delivery.id,
        "destination": delivery.destination,
        "state": delivery.state,
        "event": delivery.event,
        "severity": delivery.severity,
        "alert": delivery.alert,
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at,
        "next_at": is_waiting.then_some(delivery.next_at),
        "settled_at": delivery.settled_at,
        "error": delivery.error,
    })
}

async fn retry(config: &Config, words: &RetryDeliveries) -> Result<()> {
    let which = match (&words.destination, words.ids.is_empty(), words.all) {
        (None, false, false) => Which::Ids(words.ids.clone()),
        (Some(name), true, false) => Which::Destination(name.clone()),
        (None, true, true) => Which::All,
        _ => {
            return Err(misused(
                "name what to send again: ids, or --destination, or --all",
                "`auditlake deliveries list --state dead` shows dead letters with their ids",
            ));
        }
    };
    let lake = Lake::find(config, "deliveries").await?;
    let when = match &lake {
        Lake::Here(_) => "when the service runs again",
        Lake::There(_) => "now",
    };
    match (lake.send_again(&which).await?, &which) {
        (0, Which::Ids(_)) => Err(hinted(
            "none of these waits or is a dead letter",
            "`auditlake deliveries list` shows what became of each",
        )),
        (count, _) => {
            eprintln!("{count} {} sent {when}", if count == 1 { "is" } else { "are" });
            Ok(())
        }
    }
}
