//! Notices on their way to people, in their table.
//!
//! The table is small (what was settled is forgotten after a while), so states are changed in place and found by scanning. Texts of
//! notices are wide: rows are chosen by the narrow columns first.

use async_trait::async_trait;
use auditlake_store::{
    Result,
    outbox::{
        Delivery, DeliveryCount, DeliveryLog, DeliveryQuery, DeliveryState, Due, NewDelivery, Outbox, Outcome, Told,
        Which,
    },
};
use duckdb::{Connection, Row, params, params_from_iter, types::Value};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    DuckStore,
    bulk::{Bulk, quoted},
    reader::moment,
};

#[async_trait]
impl Outbox for DuckStore {
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> Result<u64> {
        self.blocking(move |inner| {
            let count = inner.with_writer("queueing deliveries", |state| state.enqueue(handled, new))?;
            inner.queued.send_modify(|number| *number += 1);
            Ok(count)
        })
        .await
    }

    async fn handled(&self) -> Result<Option<u64>> {
        self.read("reading how far delivery has come", |connection, _| {
            connection.query_row("SELECT max(handled) FROM delivery_progress", [], |row| row.get(0))
        })
        .await
    }

    async fn told(&self, alerts: &[String]) -> Result<Vec<Told>> {
        if alerts.is_empty() {
            return Ok(Vec::new());
        }
        let marks = vec!["?"; alerts.len()].join(", ");
        let values: Vec<Value> = alerts.iter().cloned().map(Value::Text).collect();
        self.read("reading what was told", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT destination, alert_id, arg_max(severity, number), arg_max(alert_state, number), arg_max(activities, number) \
                 FROM delivery WHERE state <> 'dead' AND alert_id IN ({marks}) GROUP BY ALL"
            ))?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok(Told {
                    destination: row.get(0)?,
                    alert: row.get(1)?,
                    severity: row.get(2)?,
                    alert_state: row.get(3)?,
                    count: row.get(4)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    async fn told_open(&self) -> Result<Vec<Delivery>> {
        self.read("reading what was told", |connection, _| {
            let last = "number IN (SELECT max(number) FROM delivery WHERE state <> 'dead' GROUP BY destination, alert_id) \
                        AND alert_state <> 'closed' ORDER BY number";
            list(connection, last, Vec::new())
        })
        .await
    }

    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> Result<Due> {
        let destination = destination.to_owned();
        self.read("reading what is to be delivered", move |connection, _| {
            // The first that waits of each alert.
            let first = "SELECT min(number) AS number, arg_min(next_at, number) AS next_at FROM delivery \
                         WHERE destination = ? AND state = 'waiting' GROUP BY alert_id";
            let mut later = connection.prepare_cached(&format!(
                "SELECT epoch_us(min(next_at)) FROM ({first}) WHERE next_at > make_timestamp(?)"
            ))?;
            let next_at = later.query_row(params![destination, now.as_microsecond()], |row| moment(row, 0))?;
            let mut due = connection.prepare_cached(&format!(
                "SELECT number FROM ({first}) WHERE next_at <= make_timestamp(?) ORDER BY number LIMIT {limit}"
            ))?;
            let numbers = due.query_map(params![destination, now.as_microsecond()], |row| row.get::<_, u64>(0))?;
            let numbers: Vec<String> = numbers.map(|number| Ok(number?.to_string())).collect::<duckdb::Result<_>>()?;
            let deliveries = match numbers.is_empty() {
                true => Vec::new(),
                false => list(connection, &format!("number IN ({}) ORDER BY number", numbers.join(", ")), Vec::new())?,
            };
            Ok(Due { deliveries, next_at })
        })
        .await
    }

    async fn settle(&self, id: &str, outcome: Outcome) -> Result<()> {
        let id = id.to_owned();
        self.blocking(move |inner| {
            inner.with_writer("noting a delivery", |state| state.execute(|bulk| settle(bulk, &id, &outcome)))
        })
        .await
    }

    fn queued(&self) -> watch::Receiver<u64> {
        self.inner.queued.subscribe()
    }
}

#[async_trait]
impl DeliveryLog for DuckStore {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        let mut conditions = vec!["true".to_owned()];
        let mut values = Vec::new();
        for (column, value) in [
            ("destination", query.destination.clone()),
            ("alert_id", query.alert.clone()),
            ("state", query.state.map(|state| state.name().to_owned())),
        ] {
            if let Some(value) = value {
                conditions.push(format!("{column} = ?"));
                values.push(Value::Text(value));
            }
        }
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        let condition = format!("{} ORDER BY number DESC {limit}", conditions.join(" AND "));
        self.read("reading deliveries", move |connection, _| list(connection, &condition, values)).await
    }

    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>> {
        self.read("counting deliveries", |connection, _| {
            let mut statement = connection
                .prepare("SELECT destination, state, count(*), epoch_us(min(queued_at)) FROM delivery GROUP BY ALL")?;
            let rows = statement.query_map([], |row| {
                Ok(DeliveryCount {
                    destination: row.get(0)?,
                    state: state(row, 1)?,
                    count: row.get::<_, i64>(2)?.unsigned_abs(),
                    oldest: moment(row, 3)?.unwrap_or_default(),
                })
            })?;
            let mut counts: Vec<DeliveryCount> = rows.collect::<duckdb::Result<_>>()?;
            counts.sort_by(|a, b| (&a.destination, a.state).cmp(&(&b.destination, b.state)));
            Ok(counts)
        })
        .await
    }

    async fn send_again(&self, which: &Which, now: Timestamp) -> Result<u64> {
        let which = which.clone();
        self.blocking(move |inner| {
            let count = inner.with_writer("sending again", |state| {
                let condition = match &which {
                    Which::Ids(ids) if ids.is_empty() => return Ok(0),
                    Which::Ids(ids) => {
                        format!("id IN ({})", ids.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(", "))
                    }
                    Which::Destination(name) => format!("destination = {}", quoted(name)),
                    Which::All => "true".to_owned(),
                };
                let condition = format!("state IN ('waiting', 'dead') AND {condition}");
                let now = now.as_microsecond();
                state.count_and_execute("delivery", &condition, |bulk| {
                    format!(
                        "UPDATE {} SET state = 'waiting', attempts = 0, since = make_timestamp({now}), \
                         next_at = make_timestamp({now}), settled_at = NULL WHERE {condition}",
                        bulk.table("delivery")
                    )
                })
            })?;
            inner.queued.send_modify(|number| *number += 1);
            Ok(count)
        })
        .await
    }

    async fn forget_deliveries(&self, before: Timestamp) -> Result<u64> {
        self.blocking(move |inner| {
            inner.with_writer("forgetting deliveries", |state| {
                let condition = format!("settled_at < make_timestamp({})", before.as_microsecond());
                state.count_and_execute("delivery", &condition, |bulk| {
                    format!("DELETE FROM {} WHERE {condition}", bulk.table("delivery"))
                })
            })
        })
        .await
    }
}

/// The deliveries for which this holds. What follows `WHERE` may order and limit, too.
pub(crate) fn list(connection: &Connection, condition: &str, values: Vec<Value>) -> duckdb::Result<Vec<Delivery>> {
    let mut statement = connection.prepare(&format!(
        "SELECT id, destination, alert_id, event, severity, alert_state, activities, state, attempts, epoch_us(queued_at), \
         epoch_us(since), epoch_us(next_at), epoch_us(settled_at), error, notice, \
         number < (SELECT max(number) FROM delivery AS later WHERE later.destination = delivery.destination \
         AND later.alert_id = delivery.alert_id AND later.state = 'delivered') \
         FROM delivery WHERE {condition}"
    ))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let notice: String = row.get(14)?;
        Ok(Delivery {
            id: row.get(0)?,
            destination: row.get(1)?,
            alert: row.get(2)?,
            event: row.get(3)?,
            severity: row.get(4)?,
            alert_state: row.get(5)?,
            count: row.get(6)?,
            state: state(row, 7)?,
            attempts: row.get(8)?,
            queued_at: moment(row, 9)?.unwrap_or_default(),
            since: moment(row, 10)?.unwrap_or_default(),
            next_at: moment(row, 11)?.unwrap_or_default(),
            settled_at: moment(row, 12)?,
            error: row.get(13)?,
            is_overtaken: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
            // Only what `enqueue` wrote stands there; what is no JSON any more counts as a text.
            notice: serde_json::from_str(&notice).unwrap_or(serde_json::Value::String(notice)),
        })
    })?;
    rows.collect()
}

fn state(row: &Row, at: usize) -> duckdb::Result<DeliveryState> {
    let name: String = row.get(at)?;
    // Only what this program or an older one wrote stands there.
    Ok(DeliveryState::parse(&name).unwrap_or(DeliveryState::Dead))
}

/// The rows of these deliveries, numbered from `number` on.
pub(crate) fn insert(bulk: &Bulk, number: u64, new: &[NewDelivery]) -> String {
    let rows: Vec<String> = new
        .iter()
        .zip(number..)
        .map(|(new, number)| {
            let at = new.at.as_microsecond();
            format!(
                "({number}, {}, {}, {}, {}, {}, {}, {}::UBIGINT, 'waiting', 0, make_timestamp({at}), make_timestamp({at}), \
                 make_timestamp({at}), NULL, NULL, {})",
                quoted(&new.id),
                quoted(&new.destination),
                quoted(&new.alert),
                quoted(&new.event),
                quoted(&new.severity),
                quoted(&new.alert_state),
                new.count,
                quoted(&new.notice.to_string())
            )
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("INSERT INTO {} VALUES {};", bulk.table("delivery"), rows.join(", ")),
    }
}

fn settle(bulk: &Bulk, id: &str, outcome: &Outcome) -> String {
    let set = match outcome {
        Outcome::Delivered { at } => {
            format!("state = 'delivered', error = NULL, settled_at = make_timestamp({})", at.as_microsecond())
        }
        Outcome::Later { at, error } => format!(
            "attempts = attempts + 1, next_at = make_timestamp({}), error = {}",
            at.as_microsecond(),
            quoted(error)
        ),
        Outcome::Dead { at, error } => format!(
            "state = 'dead', attempts = attempts + 1, settled_at = make_timestamp({}), error = {}",
            at.as_microsecond(),
            quoted(error)
        ),
        Outcome::Overtaken { at } => {
            format!("state = 'overtaken', settled_at = make_timestamp({})", at.as_microsecond())
        }
    };
    format!("UPDATE {} SET {set} WHERE id = {} AND state = 'waiting'", bulk.table("delivery"), quoted(id))
}
