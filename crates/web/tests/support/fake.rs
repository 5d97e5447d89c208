//! The port over a list in memory: raw activities, what their records say, and answers to order for SQL.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use activity::{Activity, Record};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use auditlake_store::{
    Bucket, Columns, Commit, Committed, CountBy, DriftKind, DriftQuery, DriftRow, Facets, FeedPage, FeedQuery,
    FeedReader, Fingerprint, Group, Histogram, Insight, Latest, LedgerQuery, LedgerRow, Order, Position, Reader,
    Recall, Result, Rows, Select, SourceStatus, Sql, SqlQuery, Status, StoreError, Tally, Window, Writer,
    filter::{Filter, RecordView, matches},
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::columns;

/// An activity, and where it came from.
#[derive(Clone)]
pub struct Row {
    pub raw: String,
    pub source: String,
    pub received: Timestamp,
    pub seq: u64,
}

/// A store in memory.
pub struct Fake {
    rows: Mutex<Vec<Row>>,
    commits: watch::Sender<u64>,
    /// Whether every question fails.
    pub is_broken: AtomicBool,
    /// Told when somebody drops the answer of the SQL text `endless`.
    pub dropped: Arc<Notify>,
    /// The last SQL query.
    pub asked: Mutex<Option<SqlQuery>>,
    /// The last selection.
    pub selected: Mutex<Option<Select>>,
    /// The checkpoints of every source.
    pub kept: Mutex<BTreeMap<String, Value>>,
}

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            rows: Mutex::default(),
            commits: watch::channel(0).0,
            is_broken: AtomicBool::new(false),
            dropped: Arc::default(),
            asked: Mutex::default(),
            selected: Mutex::default(),
            kept: Mutex::default(),
        }
    }
}

impl Fake {
    /// Commits activities of a source, received now.
    pub fn add(&self, source: &str, raws: impl IntoIterator<Item = String>) {
        self.commits.send_modify(|seq| {
            *seq += 1;
            let (seq, received) = (*seq, Timestamp::now());
            let row = |raw| Row { raw, source: source.to_owned(), received, seq };
            self.rows.lock().unwrap().extend(raws.into_iter().map(row));
        });
    }

    /// An answer of SQL: a source's name as the name of a column, raw logs in it.
    fn echo(&self) -> Rows {
        let Row { source: name, raw, .. } = self.rows.lock().unwrap()[0].clone();
        let texts: ArrayRef = Arc::new(StringArray::from(vec![raw.clone(), raw]));
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![2, 1]));
        let batch = RecordBatch::try_from_iter([(name.as_str(), texts), ("n", counts)]).unwrap();
        Rows { schema: batch.schema(), batches: stream::iter([Ok(batch)]).boxed() }
    }

    fn check(&self) -> Result<()> {
        match self.is_broken.load(Ordering::Relaxed) {
            true => Err(StoreError::Engine { doing: "reading", message: "the <disk> is gone".to_owned() }),
            false => Ok(()),
        }
    }

    /// Calls `each` with every record that passes, in the order of arrival.
    fn each(&self, filter: &Filter, window: Window, each: &mut dyn FnMut(&Row, &Record)) -> Result<()> {
        self.check()?;
        for row in self.rows.lock().unwrap().iter() {
            let activity = Activity::parse_str(&row.raw).unwrap();
            let record = Record::of(&activity);
            let time = activity.created_at;
            let inside =
                window.since.is_none_or(|since| time >= since) && window.until.is_none_or(|until| time < until);
            if inside && matches(filter, &RecordView { record: &record, source: &row.source }) {
                each(row, &record);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Writer for Fake {
    async fn commit(&self, _commit: Commit) -> Result<Committed> {
        Err(StoreError::Statement("nobody writes through a page".to_owned()))
    }

    async fn checkpoints(&self, _source: &str) -> Result<BTreeMap<String, Value>> {
        Ok(self.kept.lock().unwrap().clone())
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }
}

#[async_trait]
impl Reader for Fake {
    async fn status(&self) -> Result<Status> {
        let mut status = Status { seq: *self.commits.borrow(), ..Status::default() };
        self.each(&Filter::All, Window::default(), &mut |row, record| {
            let time = Some(record.activity.created_at);
            status.activities += 1;
            status.bytes += 90;
            status.oldest = status.oldest.or(time).min(time);
            status.newest = status.newest.max(time);
            let source: &mut SourceStatus = status.sources.entry(row.source.clone()).or_default();
            source.activities += 1;
            source.newest = source.newest.max(time);
            source.received = source.received.max(Some(row.received));
        })?;
        Ok(status)
    }

    async fn select(&self, select: &Select) -> Result<Rows> {
        *self.selected.lock().unwrap() = Some(select.clone());
        let mut found: Vec<(Position, Value)> = Vec::new();
        self.each(&select.filter, select.window, &mut |row, record| {
            let activity = record.activity;
            let after = select.seqs.after.is_none_or(|after| row.seq > after);
            if after && select.seqs.until.is_none_or(|until| row.seq <= until) {
                let position = Position { time: activity.created_at, id: activity.id.to_string() };
                found.push((position, columns::row(select.columns, row, record)));
            }
        })?;
        match select.order {
            Order::Arrival => {}
            Order::Oldest => found.sort_by(|a, b| a.0.cmp(&b.0)),
            Order::Newest => found.sort_by(|a, b| b.0.cmp(&a.0)),
        }
        found.truncate(select.limit.map_or(usize::MAX, |limit| limit as usize));
        let values: Vec<Value> = found.into_iter().map(|(_, value)| value).collect();
        Ok(columns::rows(columns::schema(select.columns), &values))
    }

    async fn count_by(&self, count: &CountBy) -> Result<Vec<(String, u64)>> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        known(&count.column)?;
        self.each(&count.filter, count.window, &mut |row, record| {
            for value in values_of(&count.column, row, record).into_iter().flatten() {
                *counts.entry(value).or_default() += 1;
            }
        })?;
        let mut list: Vec<(String, u64)> = counts.into_iter().collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        list.truncate(count.limit as usize);
        Ok(list)
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>> {
        let width = histogram.width.as_secs() as i64;
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        self.each(&histogram.filter, histogram.window, &mut |_, record| {
            *counts.entry(record.activity.created_at.as_second().div_euclid(width)).or_default() += 1;
        })?;
        let bucket = |(at, count)| Bucket { start: Timestamp::from_second(at * width).unwrap(), count };
        Ok(counts.into_iter().map(bucket).collect())
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        self.check()?;
        let at = "2026-04-10T08:09:10Z".parse().unwrap();
        let row = |seq| LedgerRow {
            seq,
            entry: Some(0),
            late: 0,
            source: query.source.clone().unwrap_or("main".to_owned()),
            at,
            kind: "page".to_owned(),
            new: 1,
            known: 0,
            detail: serde_json::json!({"request_id": "req_1"}),
        };
        Ok((1..=query.limit.unwrap_or(2)).rev().map(row).collect())
    }

    async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        self.check()?;
        let at = "2026-04-10T08:09:10Z".parse().unwrap();
        let row = |value: u64| DriftRow {
            source: query.source.clone().unwrap_or("main".to_owned()),
            kind: DriftKind::Value,
            event_name: "claude_chat_created".to_owned(),
            name: "mood".to_owned(),
            value: value.to_string(),
            first_seen: at,
            last_seen: at,
            count: 1,
            example: "activity_1".to_owned(),
        };
        Ok((1..=query.limit.unwrap_or(2)).map(row).collect())
    }
}

#[async_trait]
impl Recall for Fake {
    async fn fingerprints(&self, _window: Window) -> Result<Vec<Fingerprint>> {
        Ok(Vec::new())
    }

    async fn raw_logs(&self, _ids: &[String]) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn requests(&self, _source: &str, _limit: usize) -> Result<Vec<(String, Timestamp)>> {
        Ok(Vec::new())
    }
}

/// The values that a record is counted under.
fn values_of(column: &str, row: &Row, record: &Record) -> Vec<Option<String>> {
    let json = match column {
        "category" => return vec![Some(record.category.to_owned())],
        "outcome" => return vec![Some(record.outcome.to_owned())],
        "guessed" => return vec![Some(record.guessed.to_string())],
        "target" => return vec![record.target.as_deref().map(str::to_owned)],
        "resource" => return record.resources.iter().map(|id| Some(id.to_string())).collect(),
        "actorLabel" => columns::row(Columns::Summary, row, record)["actor"].clone(),
        _ => match column.strip_prefix("raw.") {
            Some(path) => {
                let whole: Value = serde_json::from_str(&row.raw).unwrap();
                whole.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default()
            }
            None => columns::row(Columns::Unified, row, record)[column].clone(),
        },
    };
    vec![match json {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }]
}

fn known(column: &str) -> Result<()> {
    let is_known = !["client", "srcASCountryCode", "srcCity", "nonsense"].contains(&column);
    is_known.then_some(()).ok_or_else(|| StoreError::Statement(format!("there is no counting by {column}")))
}

#[async_trait]
impl Insight for Fake {
    async fn tally(&self, tally: &Tally) -> Result<Vec<Group>> {
        let mut groups: BTreeMap<(i64, Vec<Option<String>>), Group> = BTreeMap::new();
        tally.by.iter().try_for_each(|column| known(column))?;
        self.each(&tally.filter, tally.window, &mut |row, record| {
            let time = record.activity.created_at;
            let start = tally
                .width
                .map_or(0, |width| time.as_second().div_euclid(width.as_secs() as i64) * width.as_secs() as i64);
            let mut keys = vec![Vec::new()];
            for column in &tally.by {
                let values = values_of(column, row, record);
                keys = keys
                    .iter()
                    .flat_map(|key| values.iter().map(|value| [key.clone(), vec![value.clone()]].concat()))
                    .collect();
            }
            for values in keys {
                let group = groups.entry((start, values.clone())).or_default();
                group.start = tally.width.and_then(|_| Timestamp::from_second(start).ok());
                group.values = values;
                group.count += 1;
                group.first = Some(group.first.map_or(time, |first| first.min(time)));
                group.last = Some(group.last.map_or(time, |last| last.max(time)));
            }
        })?;
        let mut list: Vec<Group> = groups.into_values().collect();
        if tally.width.is_none() {
            list.sort_by_key(|group| std::cmp::Reverse(group.count));
        }
        if tally.by.is_empty() && tally.width.is_none() && list.is_empty() {
            list.push(Group::default());
        }
        list.truncate(tally.limit as usize);
        Ok(list)
    }

    async fn facets(&self, facets: &Facets) -> Result<Vec<Vec<(String, u64)>>> {
        let mut lists = Vec::new();
        for column in &facets.columns {
            let Facets { filter, window, limit, .. } = facets.clone();
            lists.push(self.count_by(&CountBy { column: column.clone(), filter, window, limit }).await?);
        }
        Ok(lists)
    }

    async fn latest(&self, latest: &Latest) -> Result<Rows> {
        let mut seen: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        let mut found: Vec<(Position, (String, Option<String>), Value)> = Vec::new();
        self.each(&latest.filter, latest.window, &mut |row, record| {
            let activity = record.activity;
            let position = Position { time: activity.created_at, id: activity.id.to_string() };
            let group = (activity.kind.to_string(), activity.organization_id.as_deref().map(str::to_owned));
            found.push((position, group, columns::row(Columns::Raw, row, record)));
        })?;
        found.sort_by(|a, b| b.0.cmp(&a.0));
        found.retain(|(_, group, _)| {
            let count = seen.entry(group.clone()).or_default();
            *count += 1;
            *count <= latest.each
        });
        found.truncate(latest.limit as usize);
        let values: Vec<Value> = found.into_iter().map(|(_, _, value)| value).collect();
        Ok(columns::rows(columns::schema(Columns::Raw), &values))
    }
}

#[async_trait]
impl FeedReader for Fake {
    async fn feed_page(&self, _query: &FeedQuery) -> Result<FeedPage> {
        Ok(FeedPage::default())
    }

    async fn locate(&self, id: &str) -> Result<Option<Position>> {
        let mut found = None;
        self.each(&Filter::All, Window::default(), &mut |_, record| {
            if record.activity.id == id {
                found = Some(Position { time: record.activity.created_at, id: id.to_owned() });
            }
        })?;
        Ok(found)
    }
}

/// Tells when it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl Sql for Fake {
    async fn sql(&self, query: SqlQuery) -> Result<Rows> {
        self.check()?;
        *self.asked.lock().unwrap() = Some(query.clone());
        let (schema, batch) = columns::sample();
        let one = batch.clone();
        let guard = Guard(self.dropped.clone());
        let batches = match query.text.as_str() {
            "wrong" => return Err(StoreError::Statement("no such table: \"x\"".to_owned())),
            "late" => stream::iter([Ok(one), Err(StoreError::Statement("too late".to_owned()))]).boxed(),
            "hostile" => return Ok(self.echo()),
            "twice" => return Ok(columns::twice()),
            "numbered" => return Ok(columns::numbered()),
            "empty" => stream::empty().boxed(),
            "limit" => {
                let error = StoreError::Limit { message: "too many rows".to_owned(), hint: "ask for fewer".to_owned() };
                stream::iter([Err(error)]).boxed()
            }
            // One batch, and then silence for as long as somebody listens.
            "endless" => stream::once(async { Ok(one) })
                .chain(stream::once(async move {
                    let _guard = guard;
                    std::future::pending().await
                }))
                .boxed(),
            _ => stream::iter([Ok(one), Ok(batch)]).boxed(),
        };
        Ok(Rows { schema, batches })
    }
}
