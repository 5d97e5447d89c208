//! The tables and views, and how an older database becomes a newer one.
//!
//! `activity` holds the rows, each with the number of its commit. `state` holds everything that changes: one insert into it is
//! a commit's last step, with its checkpoints, so that both are there or neither. Rows of newer versions replace older ones
//! when they are read, by area and key.
//!
//! The server has no transactions over definitions: each statement may be run twice, and the version is written last, so a
//! migration that was broken off is done again from its beginning. Views have a revision of their own that only grows: of two programs the
//! older one leaves what the newer one made, and an account that may not define views reads by the older ones.

use auditlake_store::{Result, StoreError, schema::UNIFIED};

use super::{list, literal, quoted, whole};
use crate::{Options, client::Server, error, writer::NO_ENTRY};

/// The version that this program writes.
pub const VERSION: u32 = 3;
/// The revision of the views that this program makes. A test says when it has to grow.
pub(crate) const VIEWS: u32 = 3;
/// The oldest version of the server that the tests have run on. 24.8 has neither a setting that the tables need nor a retention by
/// times of microseconds.
const MINIMUM: (u32, u32) = (25, 8);

/// Where statements of definition go, and what kind of tables they make.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// The database.
    pub database: String,
    /// The cluster, if there is one.
    pub cluster: Option<String>,
}

impl Layout {
    fn on_cluster(&self) -> String {
        self.cluster.as_ref().map(|name| format!(" ON CLUSTER {}", quoted_name(name))).unwrap_or_default()
    }

    /// The table that holds the rows: on a cluster, each host's part.
    fn local(&self, table: &str) -> String {
        match self.cluster {
            Some(_) => format!("{table}_local"),
            None => table.to_owned(),
        }
    }

    fn engine(&self) -> &'static str {
        match self.cluster {
            Some(_) => "ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')",
            None => "MergeTree",
        }
    }

    fn settings(&self) -> &'static str {
        match self.cluster {
            Some(_) => "replicated_deduplication_window = 10000",
            None => "non_replicated_deduplication_window = 10000",
        }
    }

    /// The statements that make a table, and the one over all shards where there is a cluster.
    fn table(&self, name: &str, columns: &str, order: &str, more: &str, shard_by: &str) -> Vec<String> {
        let (local, on) = (self.local(name), self.on_cluster());
        let (engine, settings) = (self.engine(), self.settings());
        let mut made = vec![format!(
            "CREATE TABLE IF NOT EXISTS {local}{on} ({columns}) ENGINE = {engine} {order} SETTINGS {settings}{more}"
        )];
        if let Some(cluster) = &self.cluster {
            made.push(format!(
                "CREATE TABLE IF NOT EXISTS {name}{on} AS {local} ENGINE = Distributed({}, {}, {}, {shard_by})",
                quoted(cluster),
                quoted(&self.database),
                quoted(&local)
            ));
        }
        made
    }

    /// The statements of version 1.
    pub(crate) fn version_1(&self) -> Vec<String> {
        let mut all = self.table("schema_version", SCHEMA_VERSION, "ORDER BY version", "", "0");
        all.extend(self.table(
            "activity",
            &format!("{ACTIVITY}, {}, {INDEXES}, {}, {PROJECTION}", label(), by_resource()),
            &format!("PARTITION BY toYYYYMM(event_time) ORDER BY (event_time, event_id) TTL {}", ttl()),
            ", deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild', \
             ttl_only_drop_parts = 0",
            "id_hash",
        ));
        // What is small and must be there as a whole stands on one shard.
        all.extend(self.table("ledger_entry", LEDGER, "ORDER BY (seq, entry)", "", "0"));
        all.extend(self.table("lookup", LOOKUP, "ORDER BY happened_at", "", "0"));
        all.extend(self.table("state", STATE, "ORDER BY (area, key, version)", "", "0"));
        all
    }

    /// The statements that make version 2 of version 1: the end of a row's retention was to the microsecond, and unbounded.
    pub(crate) fn version_2(&self) -> Vec<String> {
        vec![format!(
            "ALTER TABLE {}{} MODIFY TTL {} SETTINGS materialize_ttl_after_modify = 0",
            self.local("activity"),
            self.on_cluster(),
            ttl()
        )]
    }

    /// The statements that make version 3 of version 2: numbers and times are packed so that they are read sooner, what names the actor best
    /// is a column, resources have an index, and people none. What is stored already is written so when the server merges it.
    pub(crate) fn version_3(&self) -> Vec<String> {
        let (table, on) = (self.local("activity"), self.on_cluster());
        let mut steps: Vec<String> = NUMBERS.iter().map(|name| format!("MODIFY COLUMN {name} {PACKED}")).collect();
        steps.push(format!("ADD COLUMN IF NOT EXISTS {}", label()));
        steps.push(format!("ADD {}", by_resource().replacen("INDEX", "INDEX IF NOT EXISTS", 1)));
        // No question of ours could use these: names are compared in small letters, and most granules have most people.
        steps.extend(["by_email", "by_user"].map(|index| format!("DROP INDEX IF EXISTS {index}")));
        let mut made = vec![format!("ALTER TABLE {table}{on} {}", steps.join(", "))];
        if self.cluster.is_some() {
            made.push(format!("ALTER TABLE activity{on} ADD COLUMN IF NOT EXISTS {}", label()));
        }
        made
    }

    /// The statements that make the views.
    pub(crate) fn views(&self) -> Vec<String> {
        let on = self.on_cluster();
        let (unified, activities) = (list(&literal()), list(&whole()));
        // Written down, as `DateTime` is what the original has: a conversion would bring a time zone along.
        let types: Vec<String> = UNIFIED.iter().map(|(name, kind)| format!("`{name}` {kind}")).collect();
        let typed = |name: &str, types: &str, text: &str| {
            format!("CREATE OR REPLACE VIEW {name}{on}{types} AS {}", self.global(text))
        };
        let view = |name: &str, text: &str| typed(name, "", text);
        vec![
            view("committed", COMMITTED),
            view("own_reads", &format!("SELECT {OWN_READS} FROM state WHERE area = 'own_read' AND {NOT_ABORTED}")),
            typed(
                "anthropic_logs",
                &format!(" ({})", types.join(", ")),
                &format!("SELECT {unified} FROM activity WHERE {VISIBLE}"),
            ),
            view("activities", &format!("SELECT {activities} FROM activity WHERE {VISIBLE}")),
            view("observed", &format!("SELECT {} FROM activity WHERE {VISIBLE}", super::observed())),
            view("commits", &format!("SELECT seq, {COMMITS} FROM state WHERE area = 'commit' AND {NOT_ABORTED}")),
            view(
                "ledger",
                &format!("SELECT * REPLACE (nullIf(entry, {NO_ENTRY}) AS entry) FROM ledger_entry WHERE {VISIBLE}"),
            ),
            view("checkpoint_state", &format!("SELECT {CHECKPOINTS} FROM ({}) AS now", latest("checkpoint"))),
            view("drift", &format!("SELECT {DRIFT} FROM ({}) AS now", latest("drift"))),
            view("alerts", &format!("SELECT {ALERTS} FROM ({}) AS now", latest("alert"))),
            view("alert_activities", &format!("SELECT {ALERT_ACTIVITIES} FROM ({}) AS now", latest("alert"))),
        ]
    }
}

impl Layout {
    /// A view asks for lists of its own. Over the tables of a cluster each is made once, and not by every host of what it has itself.
    fn global(&self, text: &str) -> String {
        match self.cluster {
            Some(_) => text
                .replace(" NOT IN (SELECT", " NOT\u{1}IN (SELECT")
                .replace(" IN (SELECT", " GLOBAL IN (SELECT")
                .replace(" NOT\u{1}IN (SELECT", " GLOBAL NOT IN (SELECT"),
            None => text.to_owned(),
        }
    }
}

/// When the server deletes a row. The type of the answer has been allowed longest, and ends in the year 2106; 1970 itself would mean never.
fn ttl() -> String {
    "toDateTime(least(greatest(event_time + toIntervalDay(least(source_ttl, 100000)), \
     toDateTime64('1970-01-02 00:00:00', 6, 'UTC')), toDateTime64('2106-02-07 00:00:00', 6, 'UTC')), 'UTC')"
        .to_owned()
}

/// The column of what names the actor best: made by the server, as it follows from the others. To make it of each row takes ten times as long as
/// to read it.
fn label() -> String {
    format!("actor_label LowCardinality(Nullable(String)) MATERIALIZED {}", super::actor_label())
}

/// Where a resource is named: each granule knows which ids it can have. Ids are rare, unlike people, of whom most granules have all.
fn by_resource() -> String {
    format!("INDEX by_resource {} TYPE bloom_filter(0.01) GRANULARITY 1", super::RESOURCE_IDS)
}

/// A name of a database, cluster or column as SQL writes it.
pub(crate) fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// The rows of commits that are whole.
pub(crate) const VISIBLE: &str =
    "seq <= (SELECT last FROM committed) AND seq NOT IN (SELECT version FROM state WHERE area = 'aborted')";
const NOT_ABORTED: &str = "seq NOT IN (SELECT version FROM state WHERE area = 'aborted')";
const COMMITTED: &str = "SELECT max(seq) AS last FROM state WHERE area = 'commit' \
     AND seq NOT IN (SELECT version FROM state WHERE area = 'aborted')";

/// What an area of `state` says now: `key`, `value`.
pub(crate) fn latest(area: &str) -> String {
    format!(
        "SELECT key, argMax(state.value, state.version) AS value, argMax(state.seq, state.version) AS commit_seq, argMax(state.deleted, state.version) AS gone FROM state \
         WHERE area = '{area}' AND {NOT_ABORTED} GROUP BY key HAVING NOT gone"
    )
}

const SCHEMA_VERSION: &str = "version UInt32, views String, at DateTime64(6, 'UTC') DEFAULT now64(6)";

/// The columns that most questions read, and how they are packed. `T64` leaves out the bits that are the same in 64 numbers. Beside `Delta` and
/// `DoubleDelta` with ZSTD: a histogram of a month takes 11 ms instead of 15, and less is stored. `Delta, T64` is shorter still, but 25.8
/// cannot write it.
const NUMBERS: [&str; 3] = ["seq", "received_at", "event_time"];
const PACKED: &str = "CODEC(T64, LZ4)";

const ACTIVITY: &str = "seq UInt64 CODEC(T64, LZ4), \
     received_at DateTime64(6, 'UTC') CODEC(T64, LZ4), \
     workspace_id LowCardinality(String), \
     source_id LowCardinality(String), \
     source_ttl UInt32 CODEC(ZSTD(1)), \
     id_hash UInt32 CODEC(NONE), \
     event_time DateTime64(6, 'UTC') CODEC(T64, LZ4), \
     event_name LowCardinality(String), \
     event_id String CODEC(ZSTD(1)), \
     organization_id LowCardinality(Nullable(String)), \
     organization_uuid LowCardinality(Nullable(String)), \
     actor_type LowCardinality(Nullable(String)), \
     actor_email LowCardinality(Nullable(String)), \
     actor_user_id LowCardinality(Nullable(String)), \
     actor_ip LowCardinality(Nullable(String)), \
     actor_user_agent LowCardinality(Nullable(String)), \
     actor_api_key_id LowCardinality(Nullable(String)), \
     actor_admin_api_key_id LowCardinality(Nullable(String)), \
     actor_other Map(LowCardinality(String), String) CODEC(ZSTD(1)), \
     ip_class LowCardinality(Nullable(String)), \
     category LowCardinality(String), \
     outcome LowCardinality(String), \
     product LowCardinality(String), \
     read_only Bool, \
     guessed Bool, \
     target Nullable(String) CODEC(ZSTD(1)), \
     resources Array(String) CODEC(ZSTD(1)), \
     raw_log String CODEC(ZSTD(3)), \
     place LowCardinality(Nullable(String)), \
     agent LowCardinality(Nullable(String)), \
     person LowCardinality(Nullable(String)), \
     entry Nullable(UInt32) CODEC(ZSTD(1)), \
     late Bool, \
     own_read Bool";

const INDEXES: &str = "INDEX by_seq seq TYPE minmax GRANULARITY 1, \
     INDEX by_type event_name TYPE set(64) GRANULARITY 1, \
     INDEX by_ip actor_ip TYPE bloom_filter(0.01) GRANULARITY 1";

const PROJECTION: &str = "PROJECTION by_id (SELECT id_hash, event_id, seq, event_time ORDER BY id_hash)";

const LEDGER: &str = "seq UInt64, source_id LowCardinality(String), happened_at DateTime64(6, 'UTC'), kind LowCardinality(String), \
     new_rows UInt64, known_rows UInt64, detail String CODEC(ZSTD(1)), entry UInt32, late_rows UInt64";

const LOOKUP: &str =
    "happened_at DateTime64(6, 'UTC'), who String, address Nullable(String), what String, detail String, link String";

const STATE: &str = "area LowCardinality(String), key String, version UInt64, seq UInt64, deleted Bool, \
     value String CODEC(ZSTD(1)), at DateTime64(6, 'UTC') DEFAULT now64(6)";

const OWN_READS: &str = "toUInt32(value) AS id_hash, key AS event_id";

const COMMITS: &str = "fromUnixTimestamp64Micro(JSONExtractInt(value, 'at'), 'UTC') AS committed_at, key AS source_id, \
     JSONExtractUInt(value, 'new') AS new_rows, JSONExtractUInt(value, 'known') AS known_rows";

/// The two parts of the key stand around a sign that neither has.
const CHECKPOINTS: &str = "splitByChar(char(1), now.key)[1] AS source_id, \
     substring(now.key, position(now.key, char(1)) + 1) AS name, now.value AS value, now.commit_seq AS seq";

const DRIFT: &str = "JSONExtractString(now.value, 'source') AS source_id, JSONExtractString(now.value, 'kind') AS kind, \
     JSONExtractString(now.value, 'type') AS type, JSONExtractString(now.value, 'name') AS name, \
     JSONExtractString(now.value, 'value') AS value, \
     fromUnixTimestamp64Micro(JSONExtractInt(now.value, 'first'), 'UTC') AS first_seen, \
     fromUnixTimestamp64Micro(JSONExtractInt(now.value, 'last'), 'UTC') AS last_seen, \
     JSONExtractUInt(now.value, 'count') AS count, JSONExtractString(now.value, 'example') AS example";

const ALERTS: &str = "now.key AS id, JSONExtractString(now.value, 'rule') AS rule, \
     JSONExtractString(now.value, 'severity') AS severity, JSONExtractString(now.value, 'state') AS state, \
     JSONExtractString(now.value, 'title') AS title, JSONExtractString(now.value, 'entity') AS entity, \
     JSONExtractUInt(now.value, 'count') AS count, \
     parseDateTime64BestEffortOrNull(JSONExtractString(now.value, 'first'), 6, 'UTC') AS first, \
     parseDateTime64BestEffortOrNull(JSONExtractString(now.value, 'last'), 6, 'UTC') AS last, \
     JSONExtractBool(now.value, 'historical') AS historical, \
     parseDateTime64BestEffortOrNull(JSONExtractString(now.value, 'raised_at'), 6, 'UTC') AS raisedAt, \
     parseDateTime64BestEffortOrNull(JSONExtractString(now.value, 'changed_at'), 6, 'UTC') AS changedAt, \
     JSONExtract(now.value, 'tags', 'Array(String)') AS tags, \
     nullIf(JSONExtractString(now.value, 'organization'), '') AS organizationID";

const ALERT_ACTIVITIES: &str = "now.key AS alertID, JSONExtractString(now.value, 'rule') AS rule, \
     arrayJoin(JSONExtract(now.value, 'activities', 'Array(String)')) AS eventID";

/// Makes the database what this program knows.
///
/// # Errors
/// [`StoreError::TooNew`] for what a newer program made; the server's words for the rest.
pub(crate) async fn migrate(server: &Server, options: &Options) -> Result<()> {
    let layout = Layout { database: options.database.clone(), cluster: options.cluster.clone() };
    let inside = server.of_database(&options.database);
    let found = version(&inside).await?;
    let (version, views) = found.unwrap_or_default();
    if version > VERSION {
        return Err(StoreError::TooNew { found: version, known: VERSION });
    }
    if version == VERSION && views >= VIEWS {
        return Ok(());
    }
    if found.is_none() {
        new_enough(&server_version(server).await?)?;
    }
    match define(server, &inside, &layout, version, views).await {
        // Whoever only reads asks the tables; people who do see older views until an account that may makes them anew.
        Err(error) if error::is_refused(&error) && version == VERSION => {
            tracing::debug!(%error, "the views are older than this program's");
            Ok(())
        }
        Err(error) if error::is_refused(&error) => Err(StoreError::Server {
            doing: DOING,
            message: format!(
                "the account may not define tables in database {}, which are not (or no longer) as this version needs them",
                options.database
            ),
            hint: "run a command once as an account that may: docs/operations/scale.md has the grants",
            is_away: false,
        }),
        done => done,
    }
}

const DOING: &str = "bringing the schema up to date";

async fn define(server: &Server, inside: &Server, layout: &Layout, version: u32, views: u32) -> Result<()> {
    if version < 1 {
        let name = quoted_name(&layout.database);
        server.execute(DOING, &format!("CREATE DATABASE IF NOT EXISTS {name}{}", layout.on_cluster())).await?;
        for text in layout.version_1() {
            inside.execute(DOING, &text).await?;
        }
    }
    let newer = [(2, layout.version_2()), (3, layout.version_3())];
    for text in newer.iter().filter(|(made, _)| version < *made).flat_map(|(_, statements)| statements) {
        inside.execute(DOING, text).await?;
    }
    // Of views that a newer program has made nothing is taken back.
    if views < VIEWS {
        for text in layout.views() {
            inside.execute(DOING, &text).await?;
        }
    }
    let views = views.max(VIEWS);
    inside
        .execute(DOING, &format!("INSERT INTO schema_version (version, views) VALUES ({VERSION}, 'revision {views}')"))
        .await
}

/// The version of the database and the revision of its views; `None` where nothing was made, or not to its end.
pub(crate) async fn version(server: &Server) -> Result<Option<(u32, u32)>> {
    let text = "SELECT toUInt64(max(version)), max(if(startsWith(views, 'revision '), toUInt64OrZero(substring(views, 10)), \
                toUInt64(1))) FROM schema_version";
    // The first question to a server: whoever has time to wait asks again.
    match server.rows_at_once("reading the version of the schema", text).await {
        Ok(table) => Ok(table.first().and_then(|row| {
            let version = u32::try_from(row.number(0)?).ok().filter(|version| *version > 0)?;
            Some((version, u32::try_from(row.number(1)?).ok()?))
        })),
        Err(error) if error::is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The server's own version.
pub(crate) async fn server_version(server: &Server) -> Result<String> {
    let table = server.rows_at_once("reading the server's version", "SELECT version()").await?;
    Ok(table.first().map(|row| row.string(0)).unwrap_or_default())
}

/// Whether a server of this version has what the definitions ask for. What is no version is let pass.
///
/// # Errors
/// Names the version that it has to be.
pub fn new_enough(version: &str) -> Result<()> {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    match parts.next().zip(parts.next()) {
        Some(found) if found < MINIMUM => Err(StoreError::Server {
            doing: "looking at the server",
            message: format!(
                "it is version {version} of ClickHouse, and has to be {}.{} or newer",
                MINIMUM.0, MINIMUM.1
            ),
            hint: "upgrade the server",
            is_away: false,
        }),
        _ => Ok(()),
    }
}
