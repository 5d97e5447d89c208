//! Late enrichment: the columns `place`, `agent` and `person` of stored rows, from what their actors say.
//!
//! A piece of the table at a time, each in one transaction under the writer's lock, so that collecting goes on in between. The
//! questions are the distinct addresses, user agents and actors of the piece; the answers stand in a temporary table beside
//! them. Rows that hold the answer already are not touched, so doing it twice costs a look.

use activity::{Activity, Enrichment, Record};
use async_trait::async_trait;
use auditlake_store::{Enriched, Enriching, LateEnrichment, Result, Window};
use duckdb::{Connection, appender_params_from_iter, types::Value};
use serde_json::{Map, json};

use crate::{DuckStore, error};

/// Rows of a piece: two of those that the engine keeps together.
const PIECE_ROWS: i64 = 2 * 122_880;

/// A column that enrichment fills, and what it is asked by.
struct Subject {
    column: &'static str,
    /// The actor's members, and where they stand.
    keys: &'static [(&'static str, &'static str)],
    answer: fn(&Enrichment) -> Option<&str>,
}

const SUBJECTS: [Subject; 3] = [
    Subject { column: "place", keys: &[("ip_address", "actor_ip")], answer: |known| known.place.as_deref() },
    Subject { column: "agent", keys: &[("user_agent", "actor_user_agent")], answer: |known| known.agent.as_deref() },
    Subject {
        column: "person",
        keys: &[
            ("user_id", "actor_user_id"),
            ("email_address", "actor_email"),
            ("api_key_id", "actor_api_key_id"),
            ("admin_api_key_id", "actor_admin_api_key_id"),
            ("unauthenticated_email_address", "actor_other['unauthenticated_email_address']"),
            ("service_account_id", "actor_other['service_account_id']"),
        ],
        answer: |known| known.person.as_deref(),
    },
];

#[async_trait]
impl Enriching for DuckStore {
    async fn enrich(&self, late: LateEnrichment) -> Result<Enriched> {
        self.blocking(move |inner| {
            let database = inner.database();
            let connection = database.take()?;
            let window = of_window(late.window);
            let ends = format!("SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM activity WHERE {window}");
            let found: duckdb::Result<(i64, i64)> =
                connection.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
            let (first, last) = found.map_err(|error| error::translate("enriching", &error))?;
            database.give_back(connection);
            drop(database);
            let mut sum = Enriched::default();
            let mut from = first;
            while from <= last {
                let to = last.min(from + PIECE_ROWS - 1);
                let rows = format!("rowid BETWEEN {from} AND {to} AND {window}");
                let piece = inner.with_writer("enriching", |state| enrich_piece(state.reader()?, &rows, &late));
                let database = inner.database();
                database.cube.forget();
                database.hits.forget();
                let piece = piece?;
                sum.asked += piece.asked;
                sum.places += piece.places;
                sum.agents += piece.agents;
                sum.people += piece.people;
                from = to + 1;
            }
            Ok(sum)
        })
        .await
    }
}

fn of_window(window: Window) -> String {
    let mut text = "true".to_owned();
    for (bound, sign) in [(window.since, ">="), (window.until, "<")] {
        if let Some(time) = bound {
            text.push_str(&format!(" AND event_time {sign} make_timestamp({})", time.as_microsecond()));
        }
    }
    text
}

/// Asks about these rows and stores what is new.
fn enrich_piece(connection: &Connection, rows: &str, late: &LateEnrichment) -> duckdb::Result<Enriched> {
    let count = format!("SELECT count(*) FROM activity WHERE {rows}");
    let asked: u64 = connection.query_row(&count, [], |row| row.get(0))?;
    // A transaction writes to one database only: the answers first, each in a table of its own.
    for subject in &SUBJECTS {
        answers(connection, rows, subject, late)?;
    }
    connection.execute_batch("BEGIN TRANSACTION")?;
    let write = || -> duckdb::Result<[usize; 3]> {
        let mut changed = [0; 3];
        for (count, subject) in changed.iter_mut().zip(&SUBJECTS) {
            *count = update(connection, rows, subject)?;
        }
        connection.execute_batch("COMMIT")?;
        Ok(changed)
    };
    let [places, agents, people] = write()
        .inspect_err(|_| {
            // After a failed COMMIT there is nothing left to roll back; the first error is the one that tells.
            let _ = connection.execute_batch("ROLLBACK");
        })?
        .map(|count| count as u64);
    Ok(Enriched { asked, places, agents, people })
}

/// Puts what is said of each distinct question into a temporary table.
fn answers(connection: &Connection, rows: &str, subject: &Subject, late: &LateEnrichment) -> duckdb::Result<()> {
    let count = subject.keys.len();
    let columns: Vec<String> = (0..count).map(|at| format!("k{at} VARCHAR")).collect();
    let table = format!("late_{}", subject.column);
    connection
        .execute_batch(&format!("CREATE OR REPLACE TEMP TABLE {table} ({}, answer VARCHAR)", columns.join(", ")))?;
    let keys: Vec<&str> = subject.keys.iter().map(|(_, column)| *column).collect();
    let mut statement =
        connection.prepare(&format!("SELECT DISTINCT {} FROM activity WHERE {rows}", keys.join(", ")))?;
    let mut found = statement.query([])?;
    let mut appender = connection.appender_to_catalog_and_db(&table, "temp", "main")?;
    while let Some(row) = found.next()? {
        let values: Vec<Option<String>> = (0..count).map(|at| row.get(at)).collect::<duckdb::Result<_>>()?;
        if values.iter().all(Option::is_none) {
            continue;
        }
        let names = subject.keys.iter().map(|(name, _)| *name);
        let Some(answer) = answer(names.zip(&values), subject, late) else { continue };
        let cells = values.into_iter().chain([Some(answer)]).map(|text| text.map_or(Value::Null, Value::Text));
        appender.append_row(appender_params_from_iter(cells))?;
    }
    appender.flush()
}

/// What is said of an actor with these members.
fn answer<'k>(
    members: impl Iterator<Item = (&'static str, &'k Option<String>)>,
    subject: &Subject,
    late: &LateEnrichment,
) -> Option<String> {
    let actor: Map<String, serde_json::Value> =
        members.filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))).collect();
    let text = json!({ "id": "-", "created_at": "1970-01-01T00:00:00Z", "type": "-", "actor": actor }).to_string();
    let activity = Activity::parse_str(&text).ok()?;
    let known = (late.with)(&Record::of(&activity));
    (subject.answer)(&known).map(str::to_owned)
}

/// How many rows say something else now.
fn update(connection: &Connection, rows: &str, subject: &Subject) -> duckdb::Result<usize> {
    let column = subject.column;
    let same: Vec<String> = subject
        .keys
        .iter()
        .enumerate()
        .map(|(at, (_, key))| format!("{key} IS NOT DISTINCT FROM late.k{at}"))
        .collect();
    let rows = rows.replace("rowid", "activity.rowid");
    connection.execute(
        &format!(
            "UPDATE activity SET {column} = late.answer FROM temp.late_{column} AS late \
             WHERE {rows} AND {} AND activity.{column} IS DISTINCT FROM late.answer",
            same.join(" AND ")
        ),
        [],
    )
}
