//! What a page and an activity look like.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    sample::Truth,
    trial::{Trial, Verdict, fail, skip},
};
use crate::{Query, Window};

super::tasks! {
    "page-fields" "a page has data, has_more, first_id and last_id" page_fields
    "activity-envelope" "an activity has id, created_at with zone, type and an actor with a type" envelope
    "activity-organization" "organization_id and organization_uuid stand in every activity, null or text" organization
    "unique-ids" "no activity stands in a window twice" unique_ids
    "page-cursors" "a page with activities has both cursors" page_cursors
    "same-bytes" "asked again, an activity has the same bytes" same_bytes
    "empty-window" "a window without activities is an empty page: no data, no more, null cursors" empty_window
    "inverted-window" "a window that ends before it begins is empty, or a 400" inverted_window
}

async fn page_fields(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.get("limit=2").await?;
    let Ok(Value::Object(page)) = serde_json::from_slice(&reply.body) else {
        return fail("the body is no JSON object");
    };
    let text_or_null = |value: Option<&Value>| value.is_some_and(|value| value.is_string() || value.is_null());
    let wrong: Vec<&str> = [
        ("data", page.get("data").is_some_and(Value::is_array)),
        ("has_more", page.get("has_more").is_some_and(Value::is_boolean)),
        ("first_id", text_or_null(page.get("first_id"))),
        ("last_id", text_or_null(page.get("last_id"))),
    ]
    .into_iter()
    .filter_map(|(name, good)| (!good).then_some(name))
    .collect();
    if wrong.is_empty() {
        Ok("all four, of the right kinds".into())
    } else {
        fail(format!("missing or of the wrong kind: {wrong:?}"))
    }
}

async fn envelope(trial: &mut Trial, truth: &Truth) -> Verdict {
    // Reading the rows has checked id, type and actor; the zone is left. Without a sample, the newest are looked at.
    let seen = trial.page(&Query { limit: truth.limit(), ..truth.query() }).await?;
    for row in &seen.rows {
        let value: Value = serde_json::from_slice(&row.raw).unwrap_or_default();
        let created_at = value["created_at"].as_str().unwrap_or("");
        if crate::query::timestamp::parse(created_at).is_none() {
            return fail(format!("created_at {created_at:?} of {} is not RFC 3339 with a zone", row.id));
        }
        if row.id.is_empty() || row.kind.is_empty() {
            return fail("an id or type is empty");
        }
    }
    if seen.rows.is_empty() { skip("no activities") } else { Ok(format!("{} activities", seen.rows.len())) }
}

async fn organization(_: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(1)?;
    for row in &rows {
        let value: Value = serde_json::from_slice(&row.raw).unwrap_or_default();
        for field in ["organization_id", "organization_uuid"] {
            if !value.get(field).is_some_and(|value| value.is_null() || value.is_string()) {
                return fail(format!("{field} of {} is missing or no text", row.id));
            }
        }
    }
    Ok(format!("{} activities", rows.len()))
}

async fn unique_ids(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    let rows = trial.walk(&truth.query_in_pages(), false).await?;
    let mut ids = HashSet::new();
    match rows.iter().find(|row| !ids.insert(&row.id)) {
        Some(row) => fail(format!("{} stands there twice", row.id)),
        None => Ok(format!("{} ids", rows.len())),
    }
}

async fn page_cursors(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    for limit in [1, 10] {
        let page = trial.page(&Query { limit, ..truth.query() }).await?.page;
        if page.first_id.is_none() || page.last_id.is_none() {
            return fail(format!("first_id {:?}, last_id {:?}", page.first_id, page.last_id));
        }
    }
    Ok("both".into())
}

async fn same_bytes(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(1)?;
    let again = trial.page(&Query { limit: crate::MAX_LIMIT, ..truth.query() }).await?;
    for row in &rows {
        let Some(other) = again.rows.iter().find(|other| other.id == row.id) else {
            return fail(format!("{} has gone", row.id));
        };
        if other.raw != row.raw {
            return fail(format!("{} was {:?} and is {:?}", row.id, row.raw, other.raw));
        }
    }
    Ok(format!("{} activities", rows.len()))
}

async fn empty_window(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(1)?;
    let at = Some(rows[0].created_at);
    let page = trial
        .page(&Query { created_at: Window { gt: at, lt: at, ..Window::default() }, ..Query::default() })
        .await?
        .page;
    if page.data.is_empty() && !page.has_more && page.first_id.is_none() && page.last_id.is_none() {
        return Ok("empty, nothing more, null cursors".into());
    }
    fail(format!(
        "{} activities, has_more {}, cursors {:?} {:?}",
        page.data.len(),
        page.has_more,
        page.first_id,
        page.last_id
    ))
}

async fn inverted_window(trial: &mut Trial, truth: &Truth) -> Verdict {
    let rows = truth.rows(2)?;
    let created_at =
        Window { gt: Some(rows[0].created_at), lt: Some(rows[rows.len() - 1].created_at), ..Window::default() };
    let reply = trial.get(&Query { created_at, ..Query::default() }.encode()).await?;
    if reply.status == 400 {
        return trial.refusal(&reply, 400);
    }
    let seen = super::trial::read_page(&reply)?;
    if seen.rows.is_empty() && !seen.page.has_more {
        Ok("empty".into())
    } else {
        fail(format!("{} activities", seen.rows.len()))
    }
}
