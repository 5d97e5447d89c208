//! Typed questions as SQL over table `activity`.

use activity::{AgentPart, PersonPart, PlacePart};
use arrow::array::RecordBatch;
use async_trait::async_trait;
use auditlake_store::{
    Bucket, Columns, CountBy, DriftQuery, DriftRow, Histogram, LedgerQuery, LedgerRow, Order, Reader, Result, Rows,
    Select, Seqs, SourceStatus, Status, StoreError, Window, filter::Filter,
};
use futures::{TryStreamExt, stream};

use crate::{
    ClickStore, Inner,
    client::Author,
    drift, error, filter,
    schema::{self, moment, quoted},
    shape::Shape,
    writer::NO_ENTRY,
};

#[async_trait]
impl Reader for ClickStore {
    async fn status(&self) -> Result<Status> {
        let inner = &self.inner;
        let seen = inner.seen();
        let doing = "reading what the store holds";
        let mut status = Status { seq: seen.seq, ..Status::default() };
        let text = format!(
            "SELECT CAST(source_id AS String), count(), toUnixTimestamp64Micro(min(event_time)), \
             toUnixTimestamp64Micro(max(event_time)), toUnixTimestamp64Micro(max(received_at)) FROM activity \
             WHERE {} GROUP BY source_id",
            seen.visible()
        );
        for row in inner.server.rows(doing, &text).await?.rows() {
            let activities = row.number(1).unwrap_or_default();
            let (oldest, newest) = (row.time(2), row.time(3));
            status.activities += activities;
            status.oldest = [status.oldest, oldest].into_iter().flatten().min();
            status.newest = status.newest.max(newest);
            status.sources.insert(row.string(0), SourceStatus { activities, newest, received: row.time(4) });
        }
        status.bytes = inner.bytes().await?;
        Ok(status)
    }

    async fn select(&self, select: &Select) -> Result<Rows> {
        for window in self.inner.steps(select).await? {
            let Rows { schema, batches } = self.inner.page(select, window).await?;
            let batches: Vec<RecordBatch> = batches.try_collect().await?;
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            if select.limit.is_some_and(|limit| rows as u64 >= limit) {
                return Ok(Rows { schema, batches: Box::pin(stream::iter(batches.into_iter().map(Ok))) });
            }
        }
        self.inner.page(select, select.window).await
    }

    async fn count_by(&self, count: &CountBy) -> Result<Vec<(String, u64)>> {
        let column = countable(&count.column)?;
        let condition = self.inner.condition(&count.filter, count.window, Seqs::default()).await?;
        let text = format!(
            "SELECT CAST({column} AS Nullable(String)) AS value, count() AS n FROM activity WHERE {condition} \
             GROUP BY value HAVING isNotNull(value) ORDER BY n DESC, value LIMIT {}",
            count.limit
        );
        let table = self.inner.server.rows("counting", &text).await?;
        Ok(table.rows().map(|row| (row.string(0), row.number(1).unwrap_or_default())).collect())
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>> {
        let condition = self.inner.condition(&histogram.filter, histogram.window, Seqs::default()).await?;
        let text = format!(
            "SELECT {} AS start, count() FROM activity WHERE {condition} GROUP BY start ORDER BY start",
            stretch(histogram.width)
        );
        let table = self.inner.server.rows("counting by time", &text).await?;
        let bucket = |row: crate::client::Row| Bucket {
            start: row.time(0).unwrap_or_default(),
            count: row.number(1).unwrap_or_default(),
        };
        Ok(table.rows().map(bucket).collect())
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        let mut condition = self.inner.seen().visible();
        if let Some(source) = &query.source {
            condition.push_str(&format!(" AND source_id = {}", quoted(source)));
        }
        if let Some(since) = query.since {
            condition.push_str(&format!(" AND happened_at >= {}", moment(since)));
        }
        if let Some(seq) = query.seq {
            condition.push_str(&format!(" AND seq = {seq}"));
        }
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        let text = format!(
            "SELECT {LEDGER} FROM ledger_entry WHERE {condition} \
             ORDER BY seq DESC, happened_at DESC, entry DESC {limit}"
        );
        let table = self.inner.server.rows("reading the ledger", &text).await?;
        Ok(table.rows().map(ledger_row).collect())
    }

    async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        drift::read(&self.inner.server, &self.inner.seen(), query).await
    }
}

/// The columns of [`ledger_row`].
pub(crate) const LEDGER: &str = "seq, CAST(source_id AS String), toUnixTimestamp64Micro(happened_at), CAST(kind AS String), new_rows, \
     known_rows, detail, toUInt64(entry), late_rows";

/// An entry of the ledger.
pub(crate) fn ledger_row(row: crate::client::Row) -> LedgerRow {
    let detail = row.string(6);
    LedgerRow {
        seq: row.number(0).unwrap_or_default(),
        entry: row.number(7).and_then(|entry| u32::try_from(entry).ok()).filter(|entry| *entry != NO_ENTRY),
        source: row.string(1),
        at: row.time(2).unwrap_or_default(),
        kind: row.string(3),
        new: row.number(4).unwrap_or_default(),
        known: row.number(5).unwrap_or_default(),
        late: row.number(8).unwrap_or_default(),
        detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
    }
}

/// The beginning of a row's stretch of time, in microseconds.
pub(crate) fn stretch(width: std::time::Duration) -> String {
    let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1);
    let time = "toUnixTimestamp64Micro(event_time)";
    format!("({time} - positiveModulo({time}, {width}))::Int64")
}

impl Inner {
    /// The rows of a selection within a window.
    async fn page(&self, select: &Select, window: Window) -> Result<Rows> {
        let columns = match select.columns {
            Columns::Unified => schema::stored(),
            Columns::Summary => schema::summary(),
            Columns::Raw => schema::raw(),
            Columns::Plain => schema::plain(),
        };
        let order = match select.order {
            Order::Newest => "activity.event_time DESC, activity.event_id DESC",
            Order::Oldest => "activity.event_time, activity.event_id",
            Order::Arrival => "activity.seq, activity.event_time, activity.event_id",
        };
        let condition = self.condition(&select.filter, window, select.seqs).await?;
        let limit = select.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        // Who looks for few rows among all reads no part in its order, which the server does a piece at a time and forgets.
        let settings = if filter::is_search(&select.filter) { " SETTINGS optimize_read_in_order = 0" } else { "" };
        let text = format!("SELECT {columns} FROM activity WHERE {condition} ORDER BY {order}{limit}{settings}");
        let shape = if select.columns == Columns::Unified { Shape::Record } else { Shape::Port };
        self.server.stream(&text, Author::Us, None, shape).await
    }

    /// A `WHERE` clause of rows that are seen.
    pub(crate) async fn condition(&self, wanted: &Filter, window: Window, seqs: Seqs) -> Result<String> {
        let base = self.base(window, seqs);
        if *wanted == Filter::All {
            return Ok(base);
        }
        let wanted = filter::compile(wanted).settled(&self.server, &base).await?;
        Ok(format!("{base} AND ({wanted})"))
    }

    /// The condition without a filter.
    pub(crate) fn base(&self, window: Window, seqs: Seqs) -> String {
        let mut text = self.seen().visible();
        for (bound, sign) in [(window.since, ">="), (window.until, "<")] {
            if let Some(time) = bound {
                text.push_str(&format!(" AND event_time {sign} {}", moment(time)));
            }
        }
        for (bound, sign) in [(seqs.after, ">"), (seqs.until, "<=")] {
            if let Some(seq) = bound {
                text.push_str(&format!(" AND seq {sign} {seq}"));
            }
        }
        text
    }

    /// The size of all tables on the server's disks; 0 where the account may not ask.
    async fn bytes(&self) -> Result<u64> {
        let name = quoted(&self.options.database);
        let text = match &self.options.cluster {
            Some(cluster) => format!(
                "SELECT toUInt64(sum(bytes_on_disk)) FROM cluster({}, system.parts) WHERE active AND database = {name}",
                quoted(cluster)
            ),
            None => format!("SELECT toUInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = {name}"),
        };
        match self.server.rows("reading sizes", &text).await {
            Ok(table) => Ok(table.first().and_then(|row| row.number(0)).unwrap_or_default()),
            // Asking all hosts takes grants of its own; without them everything else is told all the same.
            Err(error) if error::is_refused(&error) => {
                tracing::debug!(%error, "the size of the store is not known");
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

/// The expression of a column that can be counted by.
pub(crate) fn countable(name: &str) -> Result<String> {
    let expression = match name {
        "eventName" | "activityType" => "event_name",
        "category" => "category",
        "outcome" => "outcome",
        "serviceName" => "product",
        "sourceID" => "source_id",
        "workspaceID" => "workspace_id",
        "srcIP" => schema::SRC_IP,
        "actorIPAddress" => "actor_ip",
        "actorType" => "actor_type",
        "actorEmail" => "actor_email",
        "actorUserID" => "actor_user_id",
        "actorUserAgent" => "actor_user_agent",
        "actorAPIKeyID" => "actor_api_key_id",
        "actorAdminAPIKeyID" => "actor_admin_api_key_id",
        "actorLabel" => "actor_label",
        "organizationID" => "organization_id",
        "organizationUUID" => "organization_uuid",
        "readOnly" => "read_only",
        "guessed" => "guessed",
        "ipClass" => "ip_class",
        "target" => "target",
        "srcASCountryCode" => return Ok(schema::place(PlacePart::Country)),
        "srcASNumber" => return Ok(schema::place(PlacePart::Asn)),
        "srcASOrganization" => return Ok(schema::place(PlacePart::AsOrganization)),
        "srcCity" => return Ok(schema::place(PlacePart::City)),
        "srcConnectionType" => return Ok(schema::place(PlacePart::ConnectionType)),
        "srcISP" => return Ok(schema::place(PlacePart::Isp)),
        "srcUserType" => return Ok(schema::place(PlacePart::UserType)),
        "client" => return Ok(schema::agent(AgentPart::Client)),
        "browser" => return Ok(schema::agent(AgentPart::Browser)),
        "os" => return Ok(schema::agent(AgentPart::Os)),
        "device" => return Ok(schema::agent(AgentPart::Device)),
        "personName" => return Ok(schema::person(PersonPart::Name)),
        "department" => return Ok(schema::person(PersonPart::Department)),
        "manager" => return Ok(schema::person(PersonPart::Manager)),
        "isServiceAccount" => return Ok(schema::person(PersonPart::ServiceAccount)),
        "identity" => return Ok(schema::IDENTITY.clone()),
        _ => return Err(StoreError::Statement(format!("there is no counting by {name}"))),
    };
    Ok(expression.to_owned())
}
