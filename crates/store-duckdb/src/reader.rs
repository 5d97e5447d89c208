//! Typed questions as SQL over table `activity`. What people write is bound, never written into the text.

use activity::{AgentPart, PersonPart, PlacePart};
use async_trait::async_trait;
use auditlake_store::{
    Bucket, Columns, CountBy, DriftQuery, DriftRow, Histogram, LedgerQuery, LedgerRow, Order, Reader, Result, Rows,
    Select, Seqs, SourceStatus, Status, StoreError, Window, filter::Filter,
};
use duckdb::{Connection, Row, params_from_iter, types::Value};
use jiff::Timestamp;

use crate::{
    DuckStore, assemble,
    cube::{self, Asked, From, Needs},
    drift, error, filter, hits,
    insight::count_text,
    schema, slices, stream,
};

#[async_trait]
impl Reader for DuckStore {
    async fn status(&self) -> Result<Status> {
        let seq = *self.inner.commits.borrow();
        let asked = Asked { is_covered: true, needs: Needs::Plain, filter: Filter::All, window: Window::default() };
        self.count("reading what the store holds", asked, move |connection, inner, from| {
            let mut status = Status { seq, ..Status::default() };
            let From { table, count, first, last, received, .. } = &from;
            let mut statement = connection.prepare(&format!(
                "SELECT source_id, {count}, epoch_us({first}), epoch_us({last}), epoch_us({received}) FROM {table} GROUP BY 1",
            ))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let activities: u64 = row.get(1)?;
                let (oldest, newest) = (moment(row, 2)?, moment(row, 3)?);
                status.activities += activities;
                status.oldest = [status.oldest, oldest].into_iter().flatten().min();
                status.newest = status.newest.max(newest);
                status.sources.insert(row.get(0)?, SourceStatus { activities, newest, received: moment(row, 4)? });
            }
            status.bytes = size_on_disk(&inner.options.path);
            Ok(status)
        })
        .await
    }

    async fn select(&self, select: &Select) -> Result<Rows> {
        let mut values = Vec::new();
        let columns = match select.columns {
            Columns::Unified => assemble::STORED.to_owned(),
            Columns::Summary => schema::summary(),
            Columns::Raw => schema::raw(),
            Columns::Plain => schema::plain(),
        };
        let is_stored = select.columns == Columns::Unified;
        let order = match select.order {
            Order::Newest => "event_time DESC, event_id DESC",
            Order::Oldest => "event_time, event_id",
            Order::Arrival => "seq, event_time, event_id",
        };
        // The row ids first, and only then the wide columns of the rows that are wanted. The columns of the answer are made
        // behind the sort: rows that lie far apart come out of the table a few at a time, and hundreds of expressions
        // over each few would take longer than everything else.
        let answer = move |rows: &str| {
            format!("SELECT {columns} FROM (SELECT * FROM activity WHERE {rows} ORDER BY {order}) AS activity")
        };
        let Some(limit) = select.limit else {
            let condition = condition(&select.filter, select.window, select.seqs, &mut values);
            return stream::run(self, stream::Query { is_stored, ..stream::Query::own(answer(&condition), values) })
                .await;
        };
        let asked =
            Asked { is_covered: false, needs: Needs::Plain, filter: select.filter.clone(), window: select.window };
        let from = match filter::is_slow(&select.filter) || cube::names_organization(&select.filter) {
            true => self.count("looking for rows", asked, |_, _, from| Ok(from)).await?,
            false => From::rows(asked.filter),
        };
        // Who reads on from a number must not miss what is committed between the two questions.
        let is_exact = from.is_hit() || select.seqs == Seqs::default();
        let from = if is_exact { from } else { From::rows(select.filter.clone()) };
        if !from.is_hit() && slices::are_for(select) {
            let (select, order) = (select.clone(), order.to_owned());
            let made = move |connection: &Connection| {
                let found = slices::find(connection, &select, &order, limit)?;
                let list: Vec<String> = found.iter().map(i64::to_string).collect();
                let rows = if list.is_empty() { "false".to_owned() } else { format!("rowid IN ({})", list.join(", ")) };
                Ok((answer(&rows), Vec::new()))
            };
            return stream::run(self, stream::Query { is_stored, ..stream::Query::of(Box::new(made)) }).await;
        }
        let condition = condition(&from.filter, select.window, select.seqs, &mut values);
        let (table, row) = (&from.table, if from.is_hit() { "row" } else { "rowid" });
        let text =
            answer(&format!("rowid IN (SELECT {row} FROM {table} WHERE {condition} ORDER BY {order} LIMIT {limit})"));
        let rows = stream::run(self, stream::Query { is_stored, ..stream::Query::own(text, values) }).await;
        // Until here the kept rows must not go.
        drop(from);
        rows
    }

    async fn count_by(&self, count: &CountBy) -> Result<Vec<(String, u64)>> {
        let column = countable(&count.column)?;
        let count = count.clone();
        let is_covered = cube::covers(&count.filter, count.window, None, &[&count.column]);
        let asked =
            Asked { is_covered, needs: needs(&count.column), filter: count.filter.clone(), window: count.window };
        self.count("counting", asked, move |connection, _, from| {
            let mut values = Vec::new();
            let text = count_text(&count.column, &column, &from, count.limit, || {
                condition(&from.filter, count.window, Seqs::default(), &mut values)
            });
            let mut statement = connection.prepare(&text)?;
            let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>> {
        let width = i64::try_from(histogram.width.as_micros()).unwrap_or(i64::MAX).max(1);
        let histogram = histogram.clone();
        let is_covered = cube::covers(&histogram.filter, histogram.window, Some(width), &[]);
        let asked =
            Asked { is_covered, needs: Needs::Plain, filter: histogram.filter.clone(), window: histogram.window };
        self.count("counting by time", asked, move |connection, _, from| {
            let mut values = Vec::new();
            let condition = condition(&from.filter, histogram.window, Seqs::default(), &mut values);
            let From { table, count, .. } = &from;
            let mut statement = connection.prepare(&format!(
                "SELECT CAST(floor(epoch_us(event_time) / {width}) AS BIGINT) * {width} AS start, {count} FROM {table} \
                 WHERE {condition} GROUP BY 1 ORDER BY 1"
            ))?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                Ok(Bucket { start: moment(row, 0)?.unwrap_or_default(), count: row.get(1)? })
            })?;
            rows.collect()
        })
        .await
    }

    async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        let mut conditions = vec!["true"];
        let mut values = Vec::new();
        if let Some(source) = &query.source {
            conditions.push("source_id = ?");
            values.push(Value::Text(source.clone()));
        }
        if let Some(since) = query.since {
            conditions.push("happened_at >= make_timestamp(?)");
            values.push(Value::BigInt(since.as_microsecond()));
        }
        if let Some(seq) = query.seq {
            conditions.push("seq = ?");
            values.push(Value::UBigInt(seq));
        }
        let condition = conditions.join(" AND ");
        let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
        self.read("reading the ledger", move |connection, _| {
            let mut statement = connection.prepare(&format!(
                "SELECT seq, source_id, epoch_us(happened_at), kind, new_rows, known_rows, detail, entry, coalesce(late_rows, 0) FROM ledger WHERE {condition} \
                 ORDER BY seq DESC, happened_at DESC, entry DESC {limit}"
            ))?;
            let rows = statement.query_map(params_from_iter(values), ledger_row)?;
            rows.collect()
        })
        .await
    }

    async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        let query = query.clone();
        self.read("reading the drift", move |connection, _| drift::read(connection, &query)).await
    }
}

impl DuckStore {
    /// Runs `work` on a connection of its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &crate::Inner) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |inner| {
            let database = inner.database();
            let connection = database.take()?;
            let done = work(&connection, inner).map_err(|error| error::translate(doing, &error));
            database.give_back(connection);
            done
        })
        .await
    }
}

impl DuckStore {
    /// As [`DuckStore::read`], with the place to count at.
    pub(crate) async fn count<T: Send + 'static>(
        &self,
        doing: &'static str,
        asked: Asked,
        work: impl FnOnce(&Connection, &crate::Inner, From) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |inner| {
            let database = inner.database();
            let connection = database.take()?;
            let place = asked.place(&connection, &database, *inner.commits.borrow());
            let done = place.and_then(|from| work(&connection, inner, from));
            let done = done.map_err(|error| error::translate(doing, &error));
            database.give_back(connection);
            done
        })
        .await
    }
}

/// A `WHERE` clause; its values are added in their order.
pub(crate) fn condition(filter: &Filter, window: Window, seqs: Seqs, values: &mut Vec<Value>) -> String {
    let mut conditions = Vec::new();
    for (bound, test) in
        [(window.since, "event_time >= make_timestamp(?)"), (window.until, "event_time < make_timestamp(?)")]
    {
        if let Some(time) = bound {
            conditions.push(test.to_owned());
            values.push(Value::BigInt(time.as_microsecond()));
        }
    }
    for (bound, test) in [(seqs.after, "seq > ?"), (seqs.until, "seq <= ?")] {
        if let Some(seq) = bound {
            conditions.push(test.to_owned());
            values.push(Value::UBigInt(seq));
        }
    }
    if *filter != Filter::All {
        conditions.push(filter::compile(filter, values));
    }
    match conditions.is_empty() {
        true => "true".to_owned(),
        false => conditions.join(" AND "),
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
        // Either kind of key: an activity has one of them at most.
        "actorKeyID" => "coalesce(actor_api_key_id, actor_admin_api_key_id)",
        "actorLabel" => schema::ACTOR_LABEL,
        "organizationID" => "organization_id",
        "organizationUUID" => "organization_uuid",
        "readOnly" => "read_only",
        "guessed" => "guessed",
        "ipClass" => "ip_class",
        "target" => return Ok(schema::target()),
        "srcASCountryCode" => return Ok(schema::place(PlacePart::Country)),
        "srcLatitude" => return Ok(schema::place(PlacePart::Latitude)),
        "srcLongitude" => return Ok(schema::place(PlacePart::Longitude)),
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

/// What is needed of rows to count by a column.
pub(crate) fn needs(column: &str) -> Needs {
    match column {
        _ if column.starts_with("raw.") => Needs::Raw,
        "resource" => Needs::All,
        _ if countable(column).is_ok_and(|text| hits::has(&text)) => Needs::Plain,
        _ => Needs::All,
    }
}

/// An entry of the ledger: number, source, time, kind, new, known, detail, entry, late.
pub(crate) fn ledger_row(row: &Row) -> duckdb::Result<LedgerRow> {
    let detail: String = row.get(6)?;
    Ok(LedgerRow {
        seq: row.get(0)?,
        entry: row.get(7)?,
        late: row.get(8)?,
        source: row.get(1)?,
        at: moment(row, 2)?.unwrap_or_default(),
        kind: row.get(3)?,
        new: row.get(4)?,
        known: row.get(5)?,
        detail: serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail)),
    })
}

/// Microseconds since 1970 as a time.
pub(crate) fn moment(row: &Row, at: usize) -> duckdb::Result<Option<Timestamp>> {
    let micros: Option<i64> = row.get(at)?;
    Ok(micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

fn size_on_disk(path: &std::path::Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push(".wal");
    let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |data| data.len());
    size(path) + size(log.as_ref())
}
