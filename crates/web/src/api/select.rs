//! `GET /api/v1/select`: records that pass a filter.

use std::sync::Arc;

use auditlake_store::{Columns, Order, Select, Seqs, Window, filter};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::time;
use crate::{
    ApiError, Site,
    answer::{Form, respond},
};

/// The question, as it stands in the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    #[serde(default)]
    filter: String,
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    order: OrderName,
    limit: Option<u64>,
    #[serde(default)]
    columns: ColumnsName,
    after_seq: Option<u64>,
    until_seq: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum OrderName {
    #[default]
    Newest,
    Oldest,
    Arrival,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum ColumnsName {
    #[default]
    Unified,
    Summary,
    Raw,
    Plain,
}

pub async fn select(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(question) = question?;
    let select = question.into_select()?;
    respond(site.engine.select(&select).await?, Form::of(&headers)).await
}

impl Question {
    fn into_select(self) -> Result<Select, ApiError> {
        Ok(Select {
            filter: filter::parse(&self.filter)?,
            window: Window {
                since: time("since", self.since.as_deref())?,
                until: time("until", self.until.as_deref())?,
            },
            seqs: Seqs { after: self.after_seq, until: self.until_seq },
            order: match self.order {
                OrderName::Newest => Order::Newest,
                OrderName::Oldest => Order::Oldest,
                OrderName::Arrival => Order::Arrival,
            },
            limit: self.limit,
            columns: match self.columns {
                ColumnsName::Unified => Columns::Unified,
                ColumnsName::Summary => Columns::Summary,
                ColumnsName::Raw => Columns::Raw,
                ColumnsName::Plain => Columns::Plain,
            },
        })
    }
}
