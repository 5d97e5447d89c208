//! How far the feed lags: our own request is an activity, and the feed shows it when it shows it.

use std::time::Duration;

use ::feed::{Order, Query, Window, client::Exchange};
use activity::Activity;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::{Finding, Patient};

const CHECK: &str = "lag";
const KIND: &str = "compliance_api_accessed";
/// How often we look, and how long we wait before each look.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// Waits for the echo of a request that was answered.
pub async fn check(patient: &Patient<'_>, asked: &Exchange) -> Finding {
    let (Some(id), Some(date)) = (&asked.request_id, asked.date) else {
        return Finding::ok(CHECK, "cannot be told: the answer has no request-id or date");
    };
    let since = date.checked_sub(SignedDuration::from_mins(2)).unwrap_or(date);
    let query = Query {
        activity_types: vec![KIND.to_owned()],
        created_at: Window { gte: Some(since), ..Window::default() },
        limit: 1_000,
        order: Order::Desc,
        ..Query::default()
    };
    for wait in LOOKS {
        sleep(wait).await;
        let Ok(answer) = patient.page(&query).await else { continue };
        if answer.page.data.iter().any(|raw| is_echo(raw, id)) {
            let age = Timestamp::now().duration_since(asked.sent_at).as_secs_f64();
            return Finding::ok(CHECK, format!("the feed showed our own request within {age:.1} s"));
        }
    }
    let seconds: u64 = LOOKS.iter().map(Duration::as_secs).sum();
    Finding::warn(
        CHECK,
        format!("after {seconds} s the feed does not show our own request, which mostly takes a second"),
        "activities can take a minute to be shown; if they take longer, the feed has stalled: nothing is lost, it is read when it is there",
    )
}

fn is_echo(raw: &[u8], request_id: &str) -> bool {
    Activity::parse(raw).is_ok_and(|activity| {
        activity.fields.iter().any(|(name, value)| name == "request_id" && value.as_str() == Some(request_id))
    })
}
