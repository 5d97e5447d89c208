//! Alerts in their tables: what was found with the subscriber's position in one transaction, and what people did about it.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};

use async_trait::async_trait;
use auditlake_store::{
    Result, Rows, StoreError,
    alert::{
        Act, Alert, AlertLine, AlertQuery, Alerts, Change, ChangeKind, Detected, Finding, Observe, Observed, Severity,
        State,
    },
    filter::Filter,
    raw,
    schema::RESOURCE_SEPARATOR,
};
use duckdb::{Connection, params_from_iter, types::Value};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    DuckStore,
    bulk::{Bulk, quoted},
    reader::{condition, moment},
    stream,
    writer::Connections,
};

/// The counter of changes stands among the subscribers.
const NEWS: &str = "news of alerts";
/// Who changes what nobody else does.
const SELF: &str = "auditlake";

#[async_trait]
impl Alerts for DuckStore {
    async fn position(&self, subscriber: &str) -> Result<u64> {
        let name = subscriber.to_owned();
        self.read("reading a subscriber's position", move |connection, _| number(connection, &name)).await
    }

    async fn detected(&self, detected: Detected) -> Result<Vec<Alert>> {
        self.blocking(move |inner| {
            let changed = inner.with_writer("storing alerts", |state| {
                let connections = state.connections()?;
                let changed = take(connections, &detected)?;
                Ok(changed)
            })?;
            if let Some(news) = changed.1 {
                inner.news.send_replace(news);
            }
            Ok(changed.0)
        })
        .await
    }

    async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let query = query.clone();
        self.read("reading alerts", move |connection, _| select(connection, &query)).await
    }

    async fn lines(&self) -> Result<Vec<AlertLine>> {
        self.read("reading alerts", |connection, _| lines(connection)).await
    }

    async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        let id = id.to_owned();
        self.read("reading an alert", move |connection, _| Ok(by_ids(connection, &[&id])?.into_values().next())).await
    }

    async fn act(&self, id: &str, act: Act) -> Result<Option<Alert>> {
        let id = id.to_owned();
        self.blocking(move |inner| {
            let done = inner.with_writer("changing an alert", |state| change(state.connections()?, &id, &act))?;
            if let Some(alert) = &done {
                inner.news.send_replace(alert.news);
            }
            Ok(done)
        })
        .await
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.inner.news.subscribe()
    }
}

#[async_trait]
impl Observed for DuckStore {
    async fn observe(&self, observe: &Observe) -> Result<Rows> {
        let mut values = Vec::new();
        let mut condition = condition(&Filter::All, observe.window, observe.seqs, &mut values);
        if !observe.types.is_empty() {
            let names: Vec<String> = observe.types.iter().map(|name| quoted(name)).collect();
            condition.push_str(&format!(" AND event_name IN ({})", names.join(",")));
        }
        let limit = observe.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        // In the order of commits, as the engine keeps the order in which rows were inserted.
        let text = format!("SELECT {PARTS} FROM activity WHERE {condition} {limit}");
        let rows = stream::run(self, stream::Query::own(text, values)).await?;
        let batches = rows.batches.map(|rows| whole(&rows?));
        Ok(Rows { schema: OBSERVED.clone(), batches: Box::pin(batches.fuse()) })
    }

    async fn followed_since(&self) -> Result<BTreeMap<String, Timestamp>> {
        self.read("reading when sources began", |connection, _| {
            let text = "SELECT source_id, epoch_us(min(committed_at)) FROM commits GROUP BY 1";
            let mut statement = connection.prepare(text)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, moment(row, 1)?.unwrap_or_default())))?;
            rows.collect()
        })
        .await
    }
}

/// What [`Observed::observe`] answers, with the raw log in its parts: putting these together here costs a fraction of what the
/// engine's functions for it cost.
const PARTS: &str = "seq, event_time, source_id, event_name, place, agent, person, raw_rest, event_id, resource_ids";

static OBSERVED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("seq", DataType::UInt64, true),
        Field::new("eventTime", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        text("sourceID"),
        text("eventName"),
        text("place"),
        text("agent"),
        text("person"),
        text("rawLog"),
    ]))
});

/// Rows in the columns of [`PARTS`] with their raw logs.
fn whole(rows: &RecordBatch) -> Result<RecordBatch> {
    let failed = |message: String| StoreError::Engine { doing: "reading activities for detection", message };
    let text =
        |at: usize| rows.column(at).as_string_opt::<i32>().ok_or_else(|| failed(format!("column {at} holds no texts")));
    let times = rows.column(1).as_primitive_opt::<TimestampMicrosecondType>();
    let times = times.ok_or_else(|| failed("the time is none".to_owned()))?;
    let (rests, ids, resources) = (text(7)?, text(8)?, text(9)?);
    let mut logs = StringBuilder::with_capacity(rows.num_rows(), rests.value_data().len() * 5 / 4);
    for at in 0..rows.num_rows() {
        let time = Timestamp::from_microsecond(times.value(at)).map_err(|error| failed(error.to_string()))?;
        let touched: Vec<&str> = match resources.is_valid(at) {
            true => resources.value(at).split(RESOURCE_SEPARATOR).collect(),
            false => Vec::new(),
        };
        logs.append_value(raw::join(rests.value(at), ids.value(at), time, &touched));
    }
    let mut columns: Vec<ArrayRef> = rows.columns()[..7].to_vec();
    columns.push(Arc::new(logs.finish()));
    RecordBatch::try_new(OBSERVED.clone(), columns).map_err(|error| failed(error.to_string()))
}

/// The number of the last change to any alert.
pub(crate) fn last_news(connection: &Connection) -> Result<u64> {
    number(connection, NEWS).map_err(|error| crate::error::translate("reading the last change to an alert", &error))
}

fn number(connection: &Connection, name: &str) -> duckdb::Result<u64> {
    connection.query_row("SELECT coalesce(max(seq), 0) FROM subscriber WHERE name = ?", [name], |row| row.get(0))
}

/// Stores what was found. Answers the changed alerts, and the number of this change if there is one.
fn take(connections: &Connections, detected: &Detected) -> duckdb::Result<(Vec<Alert>, Option<u64>)> {
    let Connections { reader, bulk } = connections;
    let ids: Vec<&str> = detected
        .findings
        .iter()
        .map(|finding| finding.id.as_str())
        .chain(detected.withdrawn.iter().map(String::as_str))
        .collect();
    let mut before = by_ids(reader, &ids)?;
    let news = number(reader, NEWS)? + 1;
    let now = Timestamp::now();
    let mut statements = position(bulk, &detected.subscriber, detected.seq);
    let mut changed = Vec::new();
    for finding in &detected.findings {
        let Some(alert) = found(before.remove(&finding.id), finding, now, news) else { continue };
        statements.extend(write(bulk, &alert));
        changed.push(alert);
    }
    for id in &detected.withdrawn {
        let Some(mut alert) = before.remove(id) else { continue };
        let is_ours = alert.history.iter().all(|change| change.who == SELF);
        alert.state = State::Closed;
        (alert.changed_at, alert.news) = (now, news);
        alert.history.push(ours(now, ChangeKind::Withdrawn, None));
        match is_ours {
            true => statements.extend(remove(bulk, id)),
            false => statements.extend(write(bulk, &alert)),
        }
        changed.push(alert);
    }
    if !changed.is_empty() {
        statements.extend(position(bulk, NEWS, news));
    }
    transaction(bulk, &statements)?;
    let news = (!changed.is_empty()).then_some(news);
    Ok((changed, news))
}

/// The alert with what was found; `None` if it said so already.
fn found(before: Option<Alert>, finding: &Finding, now: Timestamp, news: u64) -> Option<Alert> {
    let Some(mut alert) = before else {
        return Some(Alert {
            finding: finding.clone(),
            state: State::Open,
            raised_at: now,
            changed_at: now,
            news,
            history: vec![ours(now, ChangeKind::Raised, None)],
        });
    };
    if alert.finding == *finding {
        return None;
    }
    let more = finding.count.saturating_sub(alert.finding.count);
    if more > 0 && alert.state == State::Closed {
        alert.state = State::Open;
        let note = format!("{more} more {}", if more == 1 { "activity" } else { "activities" });
        alert.history.push(ours(now, ChangeKind::Reopened, Some(note)));
    }
    alert.finding = finding.clone();
    (alert.changed_at, alert.news) = (now, news);
    Some(alert)
}

fn ours(at: Timestamp, what: ChangeKind, note: Option<String>) -> Change {
    Change { at, who: SELF.to_owned(), what, note }
}

fn change(connections: &Connections, id: &str, act: &Act) -> duckdb::Result<Option<Alert>> {
    let Connections { reader, bulk } = connections;
    let Some(mut alert) = by_ids(reader, &[id])?.remove(id) else { return Ok(None) };
    let news = number(reader, NEWS)? + 1;
    let now = Timestamp::now();
    alert.state = match act.what {
        ChangeKind::Acknowledged => State::Acknowledged,
        ChangeKind::Closed => State::Closed,
        ChangeKind::Reopened => State::Open,
        ChangeKind::Noted | ChangeKind::Raised | ChangeKind::Withdrawn => alert.state,
    };
    alert.history.push(Change { at: now, who: act.who.clone(), what: act.what, note: act.note.clone() });
    (alert.changed_at, alert.news) = (now, news);
    let mut statements = write(bulk, &alert);
    statements.extend(position(bulk, NEWS, news));
    transaction(bulk, &statements)?;
    Ok(Some(alert))
}

fn transaction(bulk: &Bulk, statements: &[String]) -> duckdb::Result<()> {
    bulk.execute("BEGIN TRANSACTION")?;
    let write = || {
        bulk.execute(&statements.join(";"))?;
        bulk.execute("COMMIT")
    };
    write().inspect_err(|_| {
        // After a failed COMMIT there is nothing left to roll back; the first error is the one that tells.
        let _ = bulk.execute("ROLLBACK");
    })
}

fn position(bulk: &Bulk, name: &str, seq: u64) -> Vec<String> {
    let (table, name) = (bulk.table("subscriber"), quoted(name));
    vec![format!("DELETE FROM {table} WHERE name = {name}"), format!("INSERT INTO {table} VALUES ({name}, {seq})")]
}

fn remove(bulk: &Bulk, id: &str) -> Vec<String> {
    let id = quoted(id);
    vec![
        format!("DELETE FROM {} WHERE id = {id}", bulk.table("alert")),
        format!("DELETE FROM {} WHERE alert_id = {id}", bulk.table("alert_change")),
    ]
}

pub(crate) fn write(bulk: &Bulk, alert: &Alert) -> Vec<String> {
    let Alert { finding, .. } = alert;
    let mut statements = remove(bulk, &finding.id);
    let time = |time: Timestamp| format!("make_timestamp({})", time.as_microsecond());
    let json = serde_json::to_string(finding).unwrap_or_default();
    statements.push(format!(
        "INSERT INTO {} VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
        bulk.table("alert"),
        quoted(&finding.id),
        quoted(&finding.rule),
        quoted(finding.severity.as_str()),
        quoted(alert.state.as_str()),
        quoted(&finding.title),
        quoted(&finding.entity),
        finding.count,
        time(finding.first),
        time(finding.last),
        finding.historical,
        time(alert.raised_at),
        time(alert.changed_at),
        alert.news,
        quoted(&json),
    ));
    let changes: Vec<String> = alert
        .history
        .iter()
        .enumerate()
        .map(|(number, change)| {
            format!(
                "({}, {number}, {}, {}, {}, {})",
                quoted(&finding.id),
                time(change.at),
                quoted(&change.who),
                quoted(change.what.as_str()),
                change.note.as_deref().map_or("NULL".to_owned(), quoted)
            )
        })
        .collect();
    if !changes.is_empty() {
        statements.push(format!("INSERT INTO {} VALUES {}", bulk.table("alert_change"), changes.join(", ")));
    }
    statements
}

fn by_ids(connection: &Connection, ids: &[&str]) -> duckdb::Result<BTreeMap<String, Alert>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
    let alerts = read(connection, &format!("id IN ({})", list.join(",")), "", Vec::new())?;
    Ok(alerts.into_iter().map(|alert| (alert.finding.id.clone(), alert)).collect())
}

fn select(connection: &Connection, query: &AlertQuery) -> duckdb::Result<Vec<Alert>> {
    let mut conditions = vec!["true".to_owned()];
    let mut values = Vec::new();
    let texts = [
        ("rule", query.rule.clone()),
        ("entity", query.entity.clone()),
        ("state", query.state.map(|state| state.to_string())),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            conditions.push(format!("{column} = ?"));
            values.push(Value::Text(text));
        }
    }
    if let Some(least) = query.severity {
        let all = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        let names: Vec<String> =
            all.into_iter().filter(|severity| *severity >= least).map(|severity| quoted(severity.as_str())).collect();
        conditions.push(format!("severity IN ({})", names.join(",")));
    }
    for (time, test) in [(query.window.since, "last_seen >="), (query.window.until, "first_seen <")] {
        if let Some(time) = time {
            conditions.push(format!("{test} make_timestamp(?)"));
            values.push(Value::BigInt(time.as_microsecond()));
        }
    }
    let mut order = "ORDER BY last_seen DESC, id".to_owned();
    if let Some(news) = query.after_news {
        conditions.push("news > ?".to_owned());
        values.push(Value::UBigInt(news));
        order = "ORDER BY news, id".to_owned();
    }
    if let Some(limit) = query.limit {
        order.push_str(&format!(" LIMIT {limit}"));
    }
    read(connection, &conditions.join(" AND "), &order, values)
}

pub(crate) fn read(
    connection: &Connection,
    condition: &str,
    order: &str,
    values: Vec<Value>,
) -> duckdb::Result<Vec<Alert>> {
    let mut statement = connection.prepare(&format!(
        "SELECT state, epoch_us(raised_at), epoch_us(changed_at), news, finding FROM alert WHERE {condition} {order}"
    ))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let (state, finding): (String, String) = (row.get(0)?, row.get(4)?);
        // What stands there was written by `write`; a finding that cannot be read any more is left out below.
        let finding: Option<Finding> = serde_json::from_str(&finding).ok();
        Ok(finding.map(|finding| Alert {
            finding,
            state: state.parse().unwrap_or_default(),
            raised_at: moment(row, 1).ok().flatten().unwrap_or_default(),
            changed_at: moment(row, 2).ok().flatten().unwrap_or_default(),
            news: row.get(3).unwrap_or_default(),
            history: Vec::new(),
        }))
    })?;
    let mut alerts: Vec<Alert> = rows.filter_map(duckdb::Result::transpose).collect::<duckdb::Result<_>>()?;
    let mut changes = changes(connection, &alerts)?;
    for alert in &mut alerts {
        alert.history = changes.remove(&alert.finding.id).unwrap_or_default();
    }
    Ok(alerts)
}

fn lines(connection: &Connection) -> duckdb::Result<Vec<AlertLine>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, rule, severity, state, title, entity, count, epoch_us(first_seen), epoch_us(last_seen), historical, \
         epoch_us(raised_at), epoch_us(changed_at) FROM alert ORDER BY last_seen DESC, id",
    )?;
    let rows = statement.query_map([], |row| {
        let (severity, state): (String, String) = (row.get(2)?, row.get(3)?);
        let time = |at| Ok::<_, duckdb::Error>(moment(row, at)?.unwrap_or_default());
        Ok(AlertLine {
            id: row.get(0)?,
            rule: row.get(1)?,
            severity: severity.parse().unwrap_or_default(),
            state: state.parse().unwrap_or_default(),
            title: row.get(4)?,
            entity: row.get(5)?,
            count: row.get(6)?,
            first: time(7)?,
            last: time(8)?,
            historical: row.get(9)?,
            raised_at: time(10)?,
            changed_at: time(11)?,
        })
    })?;
    rows.collect()
}

fn changes(connection: &Connection, alerts: &[Alert]) -> duckdb::Result<BTreeMap<String, Vec<Change>>> {
    let mut all: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    if alerts.is_empty() {
        return Ok(all);
    }
    let ids: Vec<String> = alerts.iter().map(|alert| quoted(&alert.finding.id)).collect();
    let mut statement = connection.prepare(&format!(
        "SELECT alert_id, epoch_us(happened_at), who, what, note FROM alert_change WHERE alert_id IN ({}) ORDER BY number",
        ids.join(",")
    ))?;
    let rows = statement.query_map([], |row| {
        let what: String = row.get(3)?;
        let at = moment(row, 1)?.unwrap_or_default();
        Ok((
            row.get::<_, String>(0)?,
            Change { at, who: row.get(2)?, what: what.parse().unwrap_or(ChangeKind::Noted), note: row.get(4)? },
        ))
    })?;
    for row in rows {
        let (id, change) = row?;
        all.entry(id).or_default().push(change);
    }
    Ok(all)
}
