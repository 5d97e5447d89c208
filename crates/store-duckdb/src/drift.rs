//! Drift in its table: what is known already is counted up, what is new gets a row, what is too much gets none of its own.

use std::collections::{BTreeMap, HashMap, HashSet};

use auditlake_store::{Drift, DriftKind, DriftQuery, DriftRow};
use duckdb::{Connection, params_from_iter, types::Value};

use crate::{
    bulk::{Bulk, quoted},
    reader::moment,
};

/// Kind, type, name, value.
type Key = (String, String, String, String);

/// The statement that adds to what is known of a source's drift; `None` if there is nothing to add.
pub(crate) fn statement(
    reader: &Connection,
    bulk: &Bulk,
    source: &str,
    drift: Vec<Drift>,
) -> duckdb::Result<Option<String>> {
    if drift.is_empty() {
        return Ok(None);
    }
    let table = bulk.table("drift_state");
    let mut known = known(reader, source)?;
    let mut per_kind: HashMap<String, usize> = HashMap::new();
    let mut per_type: HashMap<(String, String), usize> = HashMap::new();
    for (kind, event_name, ..) in &known {
        *per_kind.entry(kind.clone()).or_default() += 1;
        *per_type.entry((kind.clone(), event_name.clone())).or_default() += 1;
    }
    // Each key once, as one statement cannot count a row up twice.
    let mut together: BTreeMap<Key, (Drift, bool)> = BTreeMap::new();
    for mut one in drift {
        let kind = one.kind.as_str().to_owned();
        let mut key = (kind.clone(), one.event_name.clone(), one.name.clone(), one.value.clone());
        let is_known = known.contains(&key) || together.contains_key(&key);
        let in_kind = per_kind.entry(kind.clone()).or_default();
        let in_type = per_type.entry((kind.clone(), one.event_name.clone())).or_default();
        if !is_known && (*in_kind >= DriftKind::MAX_PER_KIND || *in_type >= DriftKind::MAX_PER_TYPE) {
            key = (kind, String::new(), String::new(), String::new());
            (one.event_name, one.name, one.value) = Default::default();
        } else if !is_known {
            *in_kind += 1;
            *in_type += 1;
        }
        match together.get_mut(&key) {
            None => {
                let is_new = known.insert(key.clone());
                together.insert(key, (one, is_new));
            }
            Some((sum, _)) => {
                sum.count += one.count;
                sum.first_seen = sum.first_seen.min(one.first_seen);
                sum.last_seen = sum.last_seen.max(one.last_seen);
            }
        }
    }
    let (fresh, more): (Vec<_>, Vec<_>) = together.into_values().partition(|(_, is_new)| *is_new);
    let values =
        |list: &[(Drift, bool)]| list.iter().map(|(drift, _)| row(source, drift)).collect::<Vec<_>>().join(", ");
    let mut statements = Vec::new();
    if !fresh.is_empty() {
        statements.push(format!("INSERT INTO {table} VALUES {}", values(&fresh)));
    }
    if !more.is_empty() {
        statements.push(format!(
            "UPDATE {table} AS d SET first_seen = least(d.first_seen, v.first_seen), last_seen = greatest(d.last_seen, v.last_seen), \
             times = d.times + v.times FROM (VALUES {}) AS v(source_id, kind, event_name, name, value, first_seen, last_seen, times, example) \
             WHERE d.source_id = v.source_id AND d.kind = v.kind AND d.event_name = v.event_name AND d.name = v.name AND d.value = v.value",
            values(&more)
        ));
    }
    Ok(Some(statements.join("; ")))
}

fn row(source: &str, drift: &Drift) -> String {
    format!(
        "({}, '{}', {}, {}, {}, make_timestamp({}), make_timestamp({}), {}::UBIGINT, {})",
        quoted(source),
        drift.kind.as_str(),
        quoted(&drift.event_name),
        quoted(&drift.name),
        quoted(&drift.value),
        drift.first_seen.as_microsecond(),
        drift.last_seen.as_microsecond(),
        drift.count,
        quoted(&drift.example)
    )
}

fn known(reader: &Connection, source: &str) -> duckdb::Result<HashSet<Key>> {
    let mut statement = reader.prepare("SELECT kind, event_name, name, value FROM drift_state WHERE source_id = ?")?;
    let rows = statement.query_map([source], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    rows.collect()
}

/// What was seen last first.
pub(crate) fn read(connection: &Connection, query: &DriftQuery) -> duckdb::Result<Vec<DriftRow>> {
    let mut conditions = vec!["true"];
    let mut values = Vec::new();
    if let Some(source) = &query.source {
        conditions.push("source_id = ?");
        values.push(Value::Text(source.clone()));
    }
    if let Some(since) = query.since {
        conditions.push("last_seen >= make_timestamp(?)");
        values.push(Value::BigInt(since.as_microsecond()));
    }
    let limit = query.limit.map(|limit| format!("LIMIT {limit}")).unwrap_or_default();
    let mut statement = connection.prepare(&format!(
        "SELECT source_id, kind, event_name, name, value, epoch_us(first_seen), epoch_us(last_seen), times, example \
         FROM drift_state WHERE {} ORDER BY last_seen DESC, kind, event_name, name, value {limit}",
        conditions.join(" AND ")
    ))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let kind: String = row.get(1)?;
        // Only what this program or an older one wrote stands there.
        let kind = DriftKind::parse(&kind);
        let drift = |kind| -> duckdb::Result<DriftRow> {
            Ok(DriftRow {
                source: row.get(0)?,
                kind,
                event_name: row.get(2)?,
                name: row.get(3)?,
                value: row.get(4)?,
                first_seen: moment(row, 5)?.unwrap_or_default(),
                last_seen: moment(row, 6)?.unwrap_or_default(),
                count: row.get(7)?,
                example: row.get(8)?,
            })
        };
        kind.map(drift).transpose()
    })?;
    rows.filter_map(Result::transpose).collect()
}
