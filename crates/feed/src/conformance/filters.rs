//! Filters by type, person and organization, alone and together.

use super::{
    sample::Truth,
    trial::{Row, Trial, Verdict, fail, same, skip},
};
use crate::{MAX_LIMIT, Order, Query, Window};
use jiff::Timestamp;

super::tasks! {
    "type-one" "activity_types[] gives only that type" type_one
    "type-two" "activity_types[] twice gives both types" type_two
    "type-encoded-brackets" "brackets may be percent-encoded or not" encoded_brackets
    "type-exclude" "exclude_activity_types[] gives all but that type" exclude_one
    "type-exclude-two" "exclude_activity_types[] twice leaves both out" exclude_two
    "type-complement" "a type and all but it are everything together" complement
    "type-unknown" "a type that does not exist is a 400" type_unknown
    "type-both-filters" "both type filters together are a 400" both_type_filters
    "actor-one" "actor_ids[] gives only that user's activities" actor_one
    "actor-alias" "user_ids[] is actor_ids[] by another name" actor_alias
    "actor-merged" "actor_ids[] and user_ids[] are merged" actor_merged
    "actor-unknown" "a user who did nothing gives an empty page" actor_unknown
    "organization-id" "organization_ids[] gives that organization and those without one" organization_id
    "organization-uuid" "organization_ids[] takes the UUID too" organization_uuid
    "organization-null" "activities without an organization pass every organization filter" organization_null
    "mixed-type-actor" "a type and a user must both hold" type_and_actor
    "mixed-exclude-actor" "all but a type, of a user" exclude_and_actor
    "mixed-exclude-organization" "all but a type, of an organization, oldest first" exclude_and_organization
    "mixed-type-window" "a type in a narrower window" type_and_window
    "mixed-everything" "type, users, organization and window together" everything
    "filtered-walk" "a filtered walk gives every activity once" filtered_walk
    "filtered-walk-back" "and so it does backwards, oldest first" filtered_walk_back
}

/// A value as it stands in a URL: ids and types are whatever the feed says they are.
fn escaped(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn types(truth: &Truth, count: usize) -> Verdict<Vec<String>> {
    truth.values("types", count, |row| Some(&row.kind))
}

fn users(truth: &Truth, count: usize) -> Verdict<Vec<String>> {
    truth.values("users", count, |row| row.actor.user_id.as_ref())
}

fn organization(truth: &Truth) -> Verdict<String> {
    Ok(truth.values("organizations", 1, |row| row.organization_id.as_ref())?.swap_remove(0))
}

fn is_of(row: &Row, organization: &str) -> bool {
    let named = |value: &Option<String>| value.as_deref() == Some(organization);
    named(&row.organization_id) || named(&row.organization_uuid) || is_without_organization(row)
}

fn is_without_organization(row: &Row) -> bool {
    row.organization_id.is_none() && row.organization_uuid.is_none()
}

fn by(row: &Row, user: &str) -> bool {
    row.actor.user_id.as_deref() == Some(user)
}

async fn type_one(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kind = types(truth, 2)?.swap_remove(0);
    let rows = truth.only(|row| row.kind == kind)?;
    trial.expect(&Query { activity_types: vec![kind.clone()], ..truth.query() }, &rows).await
}

async fn type_two(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kinds = types(truth, 3)?[..2].to_vec();
    let rows = truth.only(|row| kinds.contains(&row.kind))?;
    trial.expect(&Query { activity_types: kinds.clone(), ..truth.query() }, &rows).await
}

async fn encoded_brackets(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kind = types(truth, 2)?.swap_remove(0);
    let rows = truth.only(|row| row.kind == kind)?;
    let window = truth.query().encode();
    for name in ["activity_types[]", "activity_types%5B%5D", "activity_types%5b%5d"] {
        trial.expect_of(&format!("{window}&{name}={}&limit={MAX_LIMIT}", escaped(&kind)), &rows).await?;
    }
    Ok("the same in three spellings".into())
}

async fn exclude_one(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kind = types(truth, 2)?.swap_remove(0);
    let rows = truth.only(|row| row.kind != kind)?;
    trial.expect(&Query { exclude_activity_types: vec![kind.clone()], ..truth.query() }, &rows).await
}

async fn exclude_two(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kinds = types(truth, 3)?[..2].to_vec();
    let rows = truth.only(|row| !kinds.contains(&row.kind))?;
    trial.expect(&Query { exclude_activity_types: kinds.clone(), ..truth.query() }, &rows).await
}

async fn complement(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kinds = vec![types(truth, 2)?.swap_remove(0)];
    let query = Query { limit: MAX_LIMIT, ..truth.query() };
    let with = trial.page(&Query { activity_types: kinds.clone(), ..query.clone() }).await?;
    let without = trial.page(&Query { exclude_activity_types: kinds, ..query }).await?;
    let (counts, rows) = ((with.rows.len(), without.rows.len()), truth.rows(1)?);
    let mut merged: Vec<Row> = with.rows.into_iter().chain(without.rows).collect();
    let place = |id: &str| rows.iter().position(|row| row.id == id);
    merged.sort_by_key(|row| place(&row.id));
    same(&merged, &rows)?;
    Ok(format!("{} and {} are {}", counts.0, counts.1, rows.len()))
}

async fn type_unknown(trial: &mut Trial, _: &Truth) -> Verdict {
    trial.refused("activity_types[]=no_such_activity_type", 400).await
}

async fn both_type_filters(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kinds = types(truth, 2)?;
    let (one, other) = (escaped(&kinds[0]), escaped(&kinds[1]));
    trial.refused(&format!("activity_types[]={one}&exclude_activity_types[]={other}"), 400).await
}

async fn actor_one(trial: &mut Trial, truth: &Truth) -> Verdict {
    let user = users(truth, 1)?.swap_remove(0);
    let rows = truth.only(|row| by(row, &user))?;
    trial.expect(&Query { actor_ids: vec![user.clone()], ..truth.query() }, &rows).await
}

async fn actor_alias(trial: &mut Trial, truth: &Truth) -> Verdict {
    let user = users(truth, 1)?.swap_remove(0);
    let rows = truth.only(|row| by(row, &user))?;
    let query = format!("{}&user_ids[]={}&limit={MAX_LIMIT}", truth.query().encode(), escaped(&user));
    trial.expect_of(&query, &rows).await
}

async fn actor_merged(trial: &mut Trial, truth: &Truth) -> Verdict {
    let users = users(truth, 2)?;
    let rows = truth.only(|row| by(row, &users[0]) || by(row, &users[1]))?;
    let window = truth.query().encode();
    let (one, other) = (escaped(&users[0]), escaped(&users[1]));
    let query = format!("{window}&actor_ids[]={one}&user_ids[]={other}&limit={MAX_LIMIT}");
    trial.expect_of(&query, &rows).await
}

async fn actor_unknown(trial: &mut Trial, truth: &Truth) -> Verdict {
    truth.rows(1)?;
    trial.expect(&Query { actor_ids: vec!["user_000000000000000000000000".into()], ..truth.query() }, &[]).await
}

async fn organization_id(trial: &mut Trial, truth: &Truth) -> Verdict {
    let organization = organization(truth)?;
    let rows = truth.only(|row| is_of(row, &organization))?;
    trial.expect(&Query { organization_ids: vec![organization.clone()], ..truth.query() }, &rows).await
}

async fn organization_uuid(trial: &mut Trial, truth: &Truth) -> Verdict {
    let uuid = truth.values("organization UUIDs", 1, |row| row.organization_uuid.as_ref())?.swap_remove(0);
    let rows = truth.only(|row| is_of(row, &uuid))?;
    trial.expect(&Query { organization_ids: vec![uuid.clone()], ..truth.query() }, &rows).await
}

async fn organization_null(trial: &mut Trial, truth: &Truth) -> Verdict {
    let organization = organization(truth)?;
    let mut window = truth.query().created_at;
    let mut without: Vec<Row> = truth.only(is_without_organization)?.into_iter().cloned().collect();
    if without.is_empty() {
        // They are few in many feeds: the longest page finds them sooner than the sample does.
        window.gte = None;
        let further = trial.page(&Query { created_at: window, limit: MAX_LIMIT, ..Query::default() }).await?;
        window.gte = further.rows.last().map(|row| row.created_at);
        without = further.rows.into_iter().filter(is_without_organization).collect();
    }
    if without.is_empty() {
        return skip("every activity that was seen has an organization");
    }
    let query =
        Query { organization_ids: vec![organization], created_at: window, limit: MAX_LIMIT, ..Query::default() };
    let seen = trial.page(&query).await?;
    // Where the page ends before the window does, only what is newer than its end must be there.
    let until = seen.rows.last().filter(|_| seen.page.has_more).map_or(Timestamp::MIN, |row| row.created_at);
    let is_there = |row: &Row| row.created_at <= until || seen.rows.iter().any(|other| other.id == row.id);
    match without.iter().find(|row| !is_there(row)) {
        Some(row) => fail(format!("{} has no organization and is left out", row.id)),
        None => Ok(format!("{} without an organization are there", without.len())),
    }
}

/// The type and user of an activity in the middle, so that both together give something.
fn type_and_user(truth: &Truth) -> Verdict<(String, String)> {
    types(truth, 2)?;
    let rows = truth.only(|row| row.actor.user_id.is_some())?;
    match rows.get(rows.len() / 2) {
        Some(Row { kind, actor: super::trial::Actor { user_id: Some(user), .. }, .. }) => {
            Ok((kind.clone(), user.clone()))
        }
        _ => skip("no activity of the sample has a user"),
    }
}

async fn type_and_actor(trial: &mut Trial, truth: &Truth) -> Verdict {
    let (kind, user) = type_and_user(truth)?;
    let rows = truth.only(|row| row.kind == kind && by(row, &user))?;
    let query = Query { activity_types: vec![kind.clone()], actor_ids: vec![user.clone()], ..truth.query() };
    trial.expect(&query, &rows).await
}

async fn exclude_and_actor(trial: &mut Trial, truth: &Truth) -> Verdict {
    let (kind, user) = type_and_user(truth)?;
    let rows = truth.only(|row| row.kind != kind && by(row, &user))?;
    let query = Query { exclude_activity_types: vec![kind.clone()], actor_ids: vec![user.clone()], ..truth.query() };
    trial.expect(&query, &rows).await
}

async fn exclude_and_organization(trial: &mut Trial, truth: &Truth) -> Verdict {
    let (kind, organization) = (types(truth, 2)?.swap_remove(0), organization(truth)?);
    let mut rows = truth.only(|row| row.kind != kind && is_of(row, &organization))?;
    rows.reverse();
    let query = Query {
        exclude_activity_types: vec![kind.clone()],
        organization_ids: vec![organization.clone()],
        order: Order::Asc,
        ..truth.query()
    };
    trial.expect(&query, &rows).await
}

async fn type_and_window(trial: &mut Trial, truth: &Truth) -> Verdict {
    let (kind, middle) = (types(truth, 2)?.swap_remove(0), truth.middle()?);
    let created_at = Window { gte: Some(middle), ..truth.query().created_at };
    let rows = truth.only(|row| row.kind == kind && row.created_at >= middle)?;
    trial.expect(&Query { activity_types: vec![kind.clone()], created_at, ..Query::default() }, &rows).await
}

async fn everything(trial: &mut Trial, truth: &Truth) -> Verdict {
    let (kinds, people) = (types(truth, 3)?[..2].to_vec(), users(truth, 2)?[..2].to_vec());
    let (organization, middle) = (organization(truth)?, truth.middle()?);
    let created_at = Window { gt: Some(middle), ..truth.query().created_at };
    let rows = truth.only(|row| {
        kinds.contains(&row.kind)
            && people.iter().any(|user| by(row, user))
            && is_of(row, &organization)
            && row.created_at > middle
    })?;
    let query = Query {
        activity_types: kinds.clone(),
        actor_ids: people.clone(),
        organization_ids: vec![organization.clone()],
        created_at,
        ..Query::default()
    };
    trial.expect(&query, &rows).await
}

async fn filtered_walk(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kind = types(truth, 2)?.swap_remove(0);
    let rows = truth.only(|row| row.kind == kind)?;
    let query = Query { activity_types: vec![kind.clone()], ..truth.query_in_pages() };
    same(&trial.walk(&query, false).await?, &rows)
}

async fn filtered_walk_back(trial: &mut Trial, truth: &Truth) -> Verdict {
    let kind = types(truth, 2)?.swap_remove(0);
    let mut rows = truth.only(|row| row.kind != kind)?;
    rows.reverse();
    let query = Query { exclude_activity_types: vec![kind.clone()], order: Order::Asc, ..truth.query_in_pages() };
    let end = trial.page(&Query { limit: MAX_LIMIT, ..query.clone() }).await?;
    same(&super::walk::walk_back(trial, query, &end).await?, &rows)
}
