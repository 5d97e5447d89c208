//! The store and the alerts behind the mask: everything that comes out of them passes it, and nothing goes in.
//!
//! The pages of viewers are the same pages over this store. So no page can forget to hide something.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StringArray, StructArray},
    datatypes::DataType,
};
use async_trait::async_trait;
use auditlake_store::{
    Bucket, Commit, Committed, CountBy, DriftQuery, DriftRow, Engine, Facets, FeedPage, FeedQuery, FeedReader,
    Fingerprint, Group, Histogram, Insight, Latest, LedgerQuery, LedgerRow, Position, Reader, Recall, Result, Rows,
    Select, Sql, SqlQuery, Status, StoreError, Tally, Window, Writer,
    alert::{Act, Alert, AlertLine, AlertQuery, Alerts, Detected},
    filter::Filter,
};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    Mask,
    mask::{HIDDEN, is_done_to_title, is_hidden_path, is_id, is_title, is_title_column, refusal},
};

/// A store behind the mask.
pub struct MaskedEngine {
    pub engine: Arc<dyn Engine>,
    pub mask: Arc<Mask>,
}

/// Alerts behind the mask.
pub struct MaskedAlerts {
    pub alerts: Arc<dyn Alerts>,
    pub mask: Arc<Mask>,
}

fn not_for_viewers<T>() -> Result<T> {
    Err(StoreError::Statement("that is not for viewers".to_owned()))
}

impl MaskedEngine {
    fn filter(&self, filter: &Filter) -> Result<Filter> {
        match refusal(filter) {
            Some(why) => Err(StoreError::Statement(why)),
            None => Ok(self.mask.real_filter(filter)),
        }
    }

    /// The value of a column.
    fn value(&self, column: &str, value: &str) -> String {
        let shown = self.mask.text(value);
        // Of a count alone, nobody can tell the type that would say what the target is.
        let is_named = is_title_column(column) || (column == "target" && *shown == *value && !is_id(value));
        if is_named && !value.is_empty() { HIDDEN.to_owned() } else { shown.into_owned() }
    }

    fn rows(&self, rows: Rows) -> Rows {
        let mask = self.mask.clone();
        let Rows { schema, batches } = rows;
        let batches = batches.map(move |batch| batch.and_then(|batch| masked(&mask, &batch))).boxed();
        Rows { schema, batches }
    }
}

/// A batch whose texts passed the mask.
fn masked(mask: &Mask, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let kinds = batch.column_by_name("eventName").and_then(|column| column.as_string_opt::<i32>());
    let fields = schema.fields().iter().zip(batch.columns());
    let columns: Vec<ArrayRef> = fields
        .map(|(field, column)| match (field.name().as_str(), kinds, column.as_string_opt::<i32>()) {
            ("target", Some(kinds), Some(targets)) => hide_targets(mask, kinds, targets),
            (name, ..) => hide(mask, name, column),
        })
        .collect();
    RecordBatch::try_new(schema, columns)
        .map_err(|error| StoreError::Engine { doing: "hiding addresses", message: error.to_string() })
}

/// What activities were done to, hidden where the type says that it is a name.
fn hide_targets(mask: &Mask, kinds: &StringArray, targets: &StringArray) -> ArrayRef {
    let shown = |(kind, target): (Option<&str>, Option<&str>)| {
        let is_named = kind.is_some_and(is_done_to_title);
        target.map(|target| if is_named { HIDDEN.to_owned() } else { mask.text(target).into_owned() })
    };
    Arc::new(kinds.iter().zip(targets).map(shown).collect::<StringArray>())
}

fn hide(mask: &Mask, name: &str, column: &ArrayRef) -> ArrayRef {
    let texts = |each: &dyn Fn(&str) -> String| -> ArrayRef {
        let column = column.as_string::<i32>();
        Arc::new(column.iter().map(|text| text.map(each)).collect::<StringArray>())
    };
    match column.data_type() {
        DataType::Utf8 if name == "rawLog" => texts(&|raw| mask.raw(raw)),
        // The directory's word on a person, and the names of people and things.
        DataType::Utf8 if matches!(name, "person" | "personName" | "actorName" | "name" | "manager") => {
            texts(&|_| HIDDEN.to_owned())
        }
        DataType::Utf8 => texts(&|text| mask.text(text).into_owned()),
        DataType::Map(field, is_sorted) => {
            let map = column.as_map();
            let (keys, values) = (map.keys(), map.values());
            if keys.data_type() != &DataType::Utf8 || values.data_type() != &DataType::Utf8 {
                return column.clone();
            }
            let pairs = keys.as_string::<i32>().iter().zip(values.as_string::<i32>().iter());
            let hidden: StringArray = pairs
                .map(|(key, value)| {
                    let value = value?;
                    let is_title = key.is_some_and(|key| is_title(key) || key == "manager");
                    Some(if is_title { HIDDEN.to_owned() } else { mask.text(value).into_owned() })
                })
                .collect();
            let entries = map.entries();
            let parts = vec![entries.column(0).clone(), Arc::new(hidden) as ArrayRef];
            let entries = StructArray::try_new(entries.fields().clone(), parts, entries.nulls().cloned());
            let rebuilt = entries.and_then(|entries| {
                MapArray::try_new(field.clone(), map.offsets().clone(), entries, map.nulls().cloned(), *is_sorted)
            });
            rebuilt.map_or_else(|_| nothing(column), |map| Arc::new(map))
        }
        DataType::List(field) => {
            let list = column.as_list::<i32>();
            // Their elements have a name of their own only as a member of a structure.
            let values = hide(mask, "", list.values());
            let rebuilt = ListArray::try_new(field.clone(), list.offsets().clone(), values, list.nulls().cloned());
            rebuilt.map_or_else(|_| nothing(column), |list| Arc::new(list))
        }
        DataType::Struct(fields) => {
            let whole = column.as_struct();
            let parts = fields.iter().zip(whole.columns()).map(|(field, part)| match field.name().as_str() {
                // The name of an enrichment, not of a person.
                "name" => hide(mask, "", part),
                name => hide(mask, name, part),
            });
            let rebuilt = StructArray::try_new(fields.clone(), parts.collect(), whole.nulls().cloned());
            rebuilt.map_or_else(|_| nothing(column), |whole| Arc::new(whole))
        }
        DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::Dictionary(..) => nothing(column),
        _ => column.clone(),
    }
}

/// Nothing, in the place of what cannot be hidden in parts.
fn nothing(column: &ArrayRef) -> ArrayRef {
    arrow::array::new_null_array(column.data_type(), column.len())
}

#[async_trait]
impl Reader for MaskedEngine {
    async fn status(&self) -> Result<Status> {
        self.engine.status().await
    }

    async fn select(&self, select: &Select) -> Result<Rows> {
        let select = Select { filter: self.filter(&select.filter)?, ..select.clone() };
        Ok(self.rows(self.engine.select(&select).await?))
    }

    async fn count_by(&self, count: &CountBy) -> Result<Vec<(String, u64)>> {
        let count = CountBy { filter: self.filter(&count.filter)?, ..count.clone() };
        let counts = self.engine.count_by(&count).await?;
        Ok(counts.into_iter().map(|(value, number)| (self.value(&count.column, &value), number)).collect())
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>> {
        let histogram = Histogram { filter: self.filter(&histogram.filter)?, ..histogram.clone() };
        self.engine.histogram(&histogram).await
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        let rows = self.engine.ledger(query).await?;
        Ok(rows.into_iter().map(|row| LedgerRow { detail: self.mask.value(row.detail.clone()), ..row }).collect())
    }

    async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        let hide = |row: DriftRow| {
            let value = match is_hidden_path(row.name.split(['.', '[', ']'])) && !row.value.is_empty() {
                true => HIDDEN.to_owned(),
                false => self.mask.text(&row.value).into_owned(),
            };
            DriftRow { value, ..row }
        };
        Ok(self.engine.drift(query).await?.into_iter().map(hide).collect())
    }
}

#[async_trait]
impl Insight for MaskedEngine {
    async fn tally(&self, tally: &Tally) -> Result<Vec<Group>> {
        let tally = Tally { filter: self.filter(&tally.filter)?, ..tally.clone() };
        let mut groups = self.engine.tally(&tally).await?;
        for group in &mut groups {
            for (column, value) in tally.by.iter().zip(&mut group.values) {
                *value = value.take().map(|value| self.value(column, &value));
            }
        }
        Ok(groups)
    }

    async fn facets(&self, facets: &Facets) -> Result<Vec<Vec<(String, u64)>>> {
        let facets = Facets { filter: self.filter(&facets.filter)?, ..facets.clone() };
        let lists = self.engine.facets(&facets).await?;
        let lists = lists.into_iter().zip(&facets.columns);
        Ok(lists
            .map(|(list, column)| {
                list.into_iter().map(|(value, number)| (self.value(column, &value), number)).collect()
            })
            .collect())
    }

    async fn latest(&self, latest: &Latest) -> Result<Rows> {
        let latest = Latest { filter: self.filter(&latest.filter)?, ..latest.clone() };
        Ok(self.rows(self.engine.latest(&latest).await?))
    }
}

#[async_trait]
impl FeedReader for MaskedEngine {
    async fn feed_page(&self, _query: &FeedQuery) -> Result<FeedPage> {
        not_for_viewers()
    }

    async fn locate(&self, id: &str) -> Result<Option<Position>> {
        self.engine.locate(id).await
    }
}

#[async_trait]
impl Sql for MaskedEngine {
    async fn sql(&self, _query: SqlQuery) -> Result<Rows> {
        not_for_viewers()
    }
}

#[async_trait]
impl Recall for MaskedEngine {
    async fn fingerprints(&self, _window: Window) -> Result<Vec<Fingerprint>> {
        not_for_viewers()
    }

    async fn raw_logs(&self, ids: &[String]) -> Result<Vec<(String, String)>> {
        let logs = self.engine.raw_logs(ids).await?;
        Ok(logs.into_iter().map(|(id, raw)| (id, self.mask.raw(&raw))).collect())
    }

    async fn requests(&self, source: &str, limit: usize) -> Result<Vec<(String, Timestamp)>> {
        self.engine.requests(source, limit).await
    }
}

#[async_trait]
impl Writer for MaskedEngine {
    async fn commit(&self, _commit: Commit) -> Result<Committed> {
        not_for_viewers()
    }

    async fn checkpoints(&self, source: &str) -> Result<BTreeMap<String, Value>> {
        self.engine.checkpoints(source).await
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.engine.commits()
    }
}

impl MaskedAlerts {
    fn alert(&self, mut alert: Alert) -> Alert {
        let finding = &mut alert.finding;
        // A title and a step may name a chat, a file, a project.
        finding.title.clone_from(&finding.rule_title);
        for text in [&mut finding.entity, &mut finding.summary] {
            *text = self.mask.text(text).into_owned();
        }
        for step in &mut finding.next_steps {
            step.text = self.mask.text(&step.text).into_owned();
            step.search = step.search.as_deref().map(|search| self.mask.text(search).into_owned());
        }
        for change in &mut alert.history {
            change.note = change.note.as_deref().map(|note| self.mask.text(note).into_owned());
            change.who = self.mask.text(&change.who).into_owned();
        }
        alert
    }
}

#[async_trait]
impl Alerts for MaskedAlerts {
    async fn position(&self, subscriber: &str) -> Result<u64> {
        self.alerts.position(subscriber).await
    }

    async fn detected(&self, _detected: Detected) -> Result<Vec<Alert>> {
        not_for_viewers()
    }

    async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let query =
            AlertQuery { entity: query.entity.as_deref().map(|entity| self.mask.real(entity)), ..query.clone() };
        Ok(self.alerts.alerts(&query).await?.into_iter().map(|alert| self.alert(alert)).collect())
    }

    async fn lines(&self) -> Result<Vec<AlertLine>> {
        let hide = |line: AlertLine| AlertLine {
            // The line has no other title; the rule's name says what it is about.
            title: line.rule.replace('-', " "),
            entity: self.mask.text(&line.entity).into_owned(),
            ..line
        };
        Ok(self.alerts.lines().await?.into_iter().map(hide).collect())
    }

    async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        Ok(self.alerts.alert(id).await?.map(|alert| self.alert(alert)))
    }

    async fn act(&self, _id: &str, _act: Act) -> Result<Option<Alert>> {
        not_for_viewers()
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.alerts.news()
    }
}
