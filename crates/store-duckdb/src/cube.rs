//! Counts kept in memory: how many rows there are of each half day and of each combination of the columns with few values.
//!
//! Most of what pages count is a matter of these columns alone, and some ten thousand groups stand for millions of rows. The
//! groups are a table of the database in memory, with the columns of table `activity` under their names, so that the same
//! conditions and expressions are asked of either. Made when somebody first asks, it takes in what was committed since
//! before each answer: an answer is what a scan of the rows would say, to the row. Of a stretch of time that parts half days,
//! the whole ones are counted here and the ends by their rows.
//!
//! Rows are never removed; whoever changes one of these columns in stored rows calls [`Cube::forget`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake_store::{
    Window,
    filter::{Field, Filter, Known, Test},
};
use duckdb::{Connection, params_from_iter};
use jiff::Timestamp;

use crate::{
    database::Database,
    filter,
    hits::{self, Hit},
};

/// The table.
const TABLE: &str = "staging.main.cube";
/// Rows of a half day stand together.
const GRAIN: i64 = 12 * 3_600 * 1_000_000;
/// With more groups than this, counting them is no quicker than counting rows, and they take memory.
const MOST_GROUPS: i64 = 250_000;
/// So many groups may stand there twice before they are put together.
const LEAST_EXCESS: i64 = 20_000;
/// What tells groups apart, beside the time.
const COLUMNS: [&str; 16] = [
    "event_name",
    "category",
    "outcome",
    "product",
    "read_only",
    "guessed",
    "ip_class",
    "organization_id",
    "organization_uuid",
    "actor_type",
    "source_id",
    "workspace_id",
    "actor_user_agent",
    "agent",
    "actor_api_key_id",
    "actor_admin_api_key_id",
];

/// Where rows are counted, by which expressions, and what is left to ask of them there.
#[derive(Clone)]
pub(crate) struct From {
    pub table: String,
    pub filter: Filter,
    pub count: &'static str,
    pub first: &'static str,
    pub last: &'static str,
    pub received: &'static str,
    /// The columns that these are made of.
    pub needs: &'static str,
    /// Rows that were found before, which stay as long as somebody holds them.
    hit: Option<Arc<Hit>>,
}

impl From {
    /// The rows themselves.
    pub(crate) fn rows(filter: Filter) -> From {
        From {
            table: "activity".to_owned(),
            filter,
            count: "count(*)",
            first: "min(event_time)",
            last: "max(event_time)",
            received: "max(received_at)",
            needs: "event_time",
            hit: None,
        }
    }

    fn groups(filter: Filter, window: Window) -> From {
        From {
            table: Stretch::of(window).table(),
            filter,
            count: "CAST(coalesce(sum(n), 0) AS BIGINT)",
            first: "min(first)",
            last: "max(last)",
            received: "max(received)",
            needs: "n, first, last",
            hit: None,
        }
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.hit.is_some()
    }
}

/// What is to be counted.
pub(crate) struct Asked {
    /// Whether the groups can answer.
    pub is_covered: bool,
    /// What is needed of the rows for more than finding them.
    pub needs: Needs,
    pub filter: Filter,
    pub window: Window,
}

/// What is needed of rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// Columns that are kept with found rows.
    Plain,
    /// All columns.
    All,
    /// Raw logs, too.
    Raw,
}

impl Asked {
    /// Where it is counted best.
    pub(crate) fn place(self, connection: &Connection, database: &Database, seq: u64) -> duckdb::Result<From> {
        if self.is_covered && database.cube.upto(connection, seq) {
            return Ok(From::groups(self.filter, self.window));
        }
        let filter = match names_organization(&self.filter) {
            true => database.cube.by_id(connection, seq, self.filter),
            false => self.filter,
        };
        if self.needs != Needs::Raw
            && let Some((hit, rest)) = database.hits.of(connection, database, seq, &filter, self.window)?
        {
            let is_kept =
                self.needs == Needs::Plain && hit.is_copied() && hits::has(&filter::compile(&rest, &mut Vec::new()));
            let table = if is_kept { hit.table.clone() } else { hit.whole() };
            return Ok(From { table, hit: Some(hit), ..From::rows(rest) });
        }
        Ok(From::rows(filter))
    }
}

/// The groups of an open database.
#[derive(Default)]
pub(crate) struct Cube(Mutex<State>);

#[derive(Default)]
struct State {
    /// The last commit whose rows are in it; `None` before it is made.
    seq: Option<u64>,
    /// Groups when they were last put together, and added since.
    groups: i64,
    added: i64,
    is_off: bool,
    /// The ids of organizations that were asked for, of the same commit.
    organizations: HashMap<String, Option<String>>,
}

/// Whether the groups can answer: a stretch with whole half days, counted by no shorter ones, and no column but theirs.
pub(crate) fn covers(filter: &Filter, window: Window, width: Option<i64>, columns: &[&str]) -> bool {
    Stretch::of(window).has_groups()
        && width.is_none_or(|micros| micros % GRAIN == 0)
        && columns.iter().all(|column| is_countable(column))
        && is_testable(filter)
}

/// A stretch of time, in microseconds: its ends, and between them the half days that lie in it whole.
struct Stretch {
    since: Option<i64>,
    first: Option<i64>,
    last: Option<i64>,
    until: Option<i64>,
}

impl Stretch {
    fn of(window: Window) -> Stretch {
        let micros = |time: Option<Timestamp>| time.map(Timestamp::as_microsecond);
        let (since, until) = (micros(window.since), micros(window.until));
        let first = since.map(|since| since + (-since).rem_euclid(GRAIN));
        Stretch { since, first, last: until.map(|until| until - until.rem_euclid(GRAIN)), until }
    }

    fn has_groups(&self) -> bool {
        self.first.zip(self.last).is_none_or(|(first, last)| first < last)
    }

    /// What stands for it in `FROM`.
    fn table(&self) -> String {
        let between = |since: Option<i64>, until: Option<i64>| {
            let bounds = [since.map(|since| (">=", since)), until.map(|until| ("<", until))];
            let tests = bounds.into_iter().flatten();
            tests.map(|(test, time)| format!("event_time {test} make_timestamp({time})")).collect::<Vec<_>>()
        };
        let ends = [(self.since, self.first), (self.last, self.until)];
        let ends: Vec<String> = ends
            .into_iter()
            .filter(|(begin, end)| begin != end)
            .map(|(begin, end)| between(begin, end).join(" AND "))
            .collect();
        if ends.is_empty() {
            return TABLE.to_owned();
        }
        let (columns, whole) = (COLUMNS.join(", "), between(self.first, self.last).join(" AND "));
        let rows = ends.iter().map(|end| {
            format!(
                " UNION ALL SELECT event_time, {columns}, 1 AS n, event_time AS first, event_time AS last, received_at AS received \
                 FROM activity WHERE {end}"
            )
        });
        format!(
            "(SELECT event_time, {columns}, n, first, last, received FROM {TABLE} WHERE {whole}{}) AS cube",
            rows.collect::<String>()
        )
    }
}

/// Whether a column of the port is made of the groups' columns.
fn is_countable(column: &str) -> bool {
    matches!(
        column,
        "eventName"
            | "activityType"
            | "category"
            | "outcome"
            | "serviceName"
            | "sourceID"
            | "workspaceID"
            | "actorType"
            | "actorUserAgent"
            | "actorAPIKeyID"
            | "actorAdminAPIKeyID"
            | "actorKeyID"
            | "organizationID"
            | "organizationUUID"
            | "readOnly"
            | "guessed"
            | "ipClass"
            | "client"
            | "browser"
            | "os"
            | "device"
    )
}

/// Whether a filter asks for nothing but the groups' columns.
fn is_testable(filter: &Filter) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(list) | Filter::Or(list) => list.iter().all(is_testable),
        Filter::Not(inner) => is_testable(inner),
        Filter::Word(_) => false,
        // Tags are made of the category, the outcome, the product and the agent.
        Filter::Test { field: Field::Tag(_), .. } => true,
        Filter::Test { field: Field::Raw(path), .. } => {
            filter::column_of_path(path).is_some_and(|column| COLUMNS.contains(&column))
        }
        Filter::Test { field: Field::Known(known), .. } => matches!(
            known,
            Known::Type
                | Known::Org
                | Known::OrganizationId
                | Known::OrganizationUuid
                | Known::ActorType
                | Known::Key
                | Known::ApiKey
                | Known::AdminApiKey
                | Known::IpClass
                | Known::UserAgent
                | Known::Category
                | Known::Outcome
                | Known::Product
                | Known::ReadOnly
                | Known::Guessed
                | Known::Tags
                | Known::Workspace
                | Known::Source
                | Known::SourceType
                | Known::Client
                | Known::ClientVersion
                | Known::Browser
                | Known::Os
                | Known::Device
        ),
    }
}

/// Whether a filter tests an organization by both of its ids.
pub(crate) fn names_organization(filter: &Filter) -> bool {
    match filter {
        Filter::And(list) | Filter::Or(list) => list.iter().any(names_organization),
        Filter::Not(inner) => names_organization(inner),
        Filter::Test { field: Field::Known(known), test } => *known == Known::Org && matches!(test, Test::Equals(_)),
        _ => false,
    }
}

impl Cube {
    /// Adds everything up to a commit. Whether there are groups to ask, and not too many.
    fn upto(&self, connection: &Connection, seq: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.is_off
            && let Err(error) = state.catch_up(connection, seq)
        {
            tracing::warn!("counts are not kept in memory: {error}");
            state.is_off = true;
        }
        !state.is_off
    }

    /// A filter with the same rows in which an organization is tested by its id alone, where the groups say that it has one: the engine
    /// applies a condition about one column while it scans, and looks at two row by row.
    fn by_id(&self, connection: &Connection, seq: u64, filter: Filter) -> Filter {
        match filter {
            Filter::And(list) => Filter::And(list.into_iter().map(|one| self.by_id(connection, seq, one)).collect()),
            Filter::Or(list) => Filter::Or(list.into_iter().map(|one| self.by_id(connection, seq, one)).collect()),
            Filter::Not(inner) => Filter::Not(Box::new(self.by_id(connection, seq, *inner))),
            Filter::Test { field: Field::Known(Known::Org), test: Test::Equals(name) } => {
                match self.organization(connection, seq, &name) {
                    Some(id) => Filter::test(Known::OrganizationId, Test::Equals(id)),
                    None => Filter::test(Known::Org, Test::Equals(name)),
                }
            }
            other => other,
        }
    }

    /// The one id that all rows of an organization have, and no others.
    fn organization(&self, connection: &Connection, seq: u64, name: &str) -> Option<String> {
        if !self.upto(connection, seq) {
            return None;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = state.organizations.get(name) {
            return known.clone();
        }
        let found = organization(connection, name).unwrap_or_default();
        state.organizations.insert(name.to_owned(), found.clone());
        found
    }

    /// Has it made anew: stored rows were changed.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seq = None;
    }
}

/// Asks the groups which ids rows of an organization have: `None` unless it is one, with which all rows are of that organization.
fn organization(connection: &Connection, name: &str) -> duckdb::Result<Option<String>> {
    let mut values = Vec::new();
    let test = Filter::test(Known::Org, Test::Equals(name.to_owned()));
    let test = filter::compile(&test, &mut values);
    let text = format!(
        "SELECT id, bool_and(is_own) FROM (SELECT DISTINCT lower(organization_id) AS id, organization_uuid, \
         coalesce({test}, false) AS is_own FROM {TABLE}) GROUP BY 1 HAVING bool_or(is_own) LIMIT 2"
    );
    let mut statement = connection.prepare(&text)?;
    let ids = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ids: Vec<(Option<String>, bool)> = ids.collect::<duckdb::Result<_>>()?;
    Ok(match ids.as_slice() {
        // Of others, there is more than one way to write them small.
        [(Some(id), true)] if id.is_ascii() => Some(id.clone()),
        _ => None,
    })
}

impl State {
    fn catch_up(&mut self, connection: &Connection, seq: u64) -> duckdb::Result<()> {
        let grouped = |condition: String| {
            let columns = COLUMNS.join(", ");
            format!(
                "SELECT make_timestamp(CAST(floor(epoch_us(event_time) / {GRAIN}) AS BIGINT) * {GRAIN}) AS event_time, {columns}, \
                 count(*) AS n, min(event_time) AS first, max(event_time) AS last, max(received_at) AS received \
                 FROM activity WHERE {condition} GROUP BY ALL"
            )
        };
        match self.seq {
            Some(known) if known >= seq => return Ok(()),
            Some(known) => {
                let rows = grouped(format!("seq > {known} AND seq <= {seq}"));
                let added = connection.execute(&format!("INSERT INTO {TABLE} {rows}"), [])?;
                self.added += i64::try_from(added).unwrap_or(i64::MAX);
            }
            None => {
                let rows = grouped(format!("seq <= {seq}"));
                self.make(connection, &rows)?;
            }
        }
        self.seq = Some(seq);
        self.organizations.clear();
        if self.added > self.groups.max(LEAST_EXCESS) {
            let columns = COLUMNS.join(", ");
            let together = format!(
                "SELECT event_time, {columns}, CAST(sum(n) AS BIGINT) AS n, min(first) AS first, max(last) AS last, \
                 max(received) AS received FROM {TABLE} GROUP BY ALL"
            );
            self.make(connection, &together)?;
        }
        Ok(())
    }

    fn make(&mut self, connection: &Connection, groups: &str) -> duckdb::Result<()> {
        connection.execute_batch(&format!("CREATE OR REPLACE TABLE {TABLE} AS {groups}"))?;
        self.groups = connection.query_row(&format!("SELECT count(*) FROM {TABLE}"), [], |row| row.get(0))?;
        self.added = 0;
        if self.groups > MOST_GROUPS {
            self.is_off = true;
            connection.execute_batch(&format!("DROP TABLE {TABLE}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
