//! Asking a running service, as the data directory is its own.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use arrow::{array::RecordBatch, buffer::Buffer, ipc::reader::StreamDecoder};
use auditlake_store::{
    Columns, DriftQuery, DriftRow, Enriched, LedgerQuery, LedgerRow, Order, Rows, Select, SqlQuery, StoreError, Window,
    alert::{Act, Alert, AlertQuery},
    outbox::{Delivery, DeliveryQuery, Which},
};
use futures::{Stream, StreamExt, stream};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use crate::{datadir::Service, service::Retried, stop::Failure};

/// A running service.
pub struct Remote {
    http: reqwest::Client,
    service: Service,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorText,
}

#[derive(Deserialize)]
struct ErrorText {
    message: String,
    hint: Option<String>,
}

impl Remote {
    pub fn new(service: &Service) -> Result<Remote> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The service is on this machine: no proxy stands between.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Remote { http, service: service.clone() })
    }

    /// Whether it is there.
    pub async fn answers(&self) -> bool {
        let request = self.request(reqwest::Method::GET, "/api/v1/status").timeout(Duration::from_secs(10));
        matches!(request.send().await, Ok(response) if response.status() == StatusCode::OK)
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.service.url);
        self.http.request(method, url).bearer_auth(self.service.token.expose_secret())
    }

    /// As [`Remote::request`], with words behind the path.
    pub fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        words: &[(&str, String)],
    ) -> Result<reqwest::RequestBuilder> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.service.url), words)?;
        Ok(self.http.request(method, url).bearer_auth(self.service.token.expose_secret()))
    }

    /// Sends a request; an error answer becomes an error with its hint.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response> {
        let gone = || format!("cannot reach the service (process {}) at {}", self.service.pid, self.service.url);
        let response = request.send().await.map_err(|error| error.without_url()).with_context(gone)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(match serde_json::from_str::<ErrorBody>(&text) {
            Ok(body) => Failure { message: body.error.message, hint: body.error.hint, is_usage: false }.into(),
            Err(_) => anyhow!("the service answered {status}: {text}"),
        })
    }

    pub async fn sql(&self, query: &SqlQuery) -> Result<Rows> {
        let body = json!({
            "sql": query.text,
            "params": query.params,
            "timeout_ms": query.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            "max_rows": query.max_rows,
        });
        rows(self.send(self.request(reqwest::Method::POST, "/api/v1/sql").json(&body)).await?).await
    }

    pub async fn select(&self, select: &Select) -> Result<Rows> {
        let mut query: Vec<(&str, String)> = vec![("filter", select.filter.to_string())];
        let times = [("since", select.window.since), ("until", select.window.until)];
        query.extend(times.into_iter().filter_map(|(name, time)| Some((name, time?.to_string()))));
        let numbers = [("limit", select.limit), ("after_seq", select.seqs.after), ("until_seq", select.seqs.until)];
        query.extend(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
        let order = match select.order {
            Order::Newest => "newest",
            Order::Oldest => "oldest",
            Order::Arrival => "arrival",
        };
        let columns = match select.columns {
            Columns::Unified => "unified",
            Columns::Summary => "summary",
            Columns::Raw => "raw",
            Columns::Plain => "plain",
        };
        query.extend([("order", order.to_owned()), ("columns", columns.to_owned())]);
        rows(self.send(self.ask(reqwest::Method::GET, "/api/v1/select", &query)?).await?).await
    }

    pub async fn enrich(&self, window: Window) -> Result<Enriched> {
        let mut words: Vec<(&str, String)> = Vec::new();
        words.extend(window.since.map(|since| ("since", since.to_string())));
        words.extend(window.until.map(|until| ("until", until.to_string())));
        let response = self.send(self.ask(reqwest::Method::POST, "/api/v1/enrich", &words)?).await?;
        Ok(response.json().await?)
    }

    pub async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        let mut words: Vec<(&str, String)> = Vec::new();
        words.extend(query.destination.clone().map(|name| ("destination", name)));
        words.extend(query.state.map(|state| ("state", state.name().to_owned())));
        words.extend(query.alert.clone().map(|alert| ("alert", alert)));
        words.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        let response = self.send(self.ask(reqwest::Method::GET, "/api/v1/deliveries", &words)?).await?;
        Ok(response.json().await?)
    }

    pub async fn send_again(&self, which: &Which) -> Result<u64> {
        let request = self.request(reqwest::Method::POST, "/api/v1/deliveries/retry").json(which);
        let retried: Retried = self.send(request).await?.json().await?;
        Ok(retried.count)
    }

    pub async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        let mut words: Vec<(&str, String)> = Vec::new();
        words.extend(query.source.clone().map(|source| ("source", source)));
        words.extend(query.since.map(|since| ("since", since.to_string())));
        words.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        let response = self.send(self.ask(reqwest::Method::GET, "/api/v1/ledger", &words)?).await?;
        Ok(response.json().await?)
    }

    pub async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        let mut words: Vec<(&str, String)> = Vec::new();
        words.extend(query.source.clone().map(|source| ("source", source)));
        words.extend(query.since.map(|since| ("since", since.to_string())));
        words.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        let response = self.send(self.ask(reqwest::Method::GET, "/api/v1/drift", &words)?).await?;
        Ok(response.json().await?)
    }

    pub async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        let mut words: Vec<(&str, String)> = vec![("settled", "true".to_owned())];
        words.extend(query.rule.clone().map(|rule| ("rule", rule)));
        words.extend(query.severity.map(|severity| ("severity", severity.to_string())));
        words.extend(query.state.map(|state| ("state", state.to_string())));
        words.extend(query.window.since.map(|since| ("since", since.to_string())));
        words.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        Ok(self.send(self.ask(reqwest::Method::GET, "/api/v1/alerts", &words)?).await?.json().await?)
    }

    pub async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        let words = [("settled", "true".to_owned()), ("id", id.to_owned())];
        let list: Vec<Alert> =
            self.send(self.ask(reqwest::Method::GET, "/api/v1/alerts", &words)?).await?.json().await?;
        Ok(list.into_iter().next())
    }

    pub async fn act(&self, id: &str, act: &Act) -> Result<Option<Alert>> {
        let body = json!({ "id": id, "who": act.who, "what": act.what, "note": act.note });
        let request = self.request(reqwest::Method::POST, "/api/v1/alerts").json(&body);
        Ok(self.send(request).await?.json().await?)
    }

    /// The sequence numbers of commits as they come; ends when the service does.
    pub async fn commits(&self) -> Result<impl Stream<Item = u64> + use<>> {
        let response = self.send(self.request(reqwest::Method::GET, "/api/v1/commits")).await?;
        let mut text = String::new();
        Ok(response.bytes_stream().take_while(|chunk| futures::future::ready(chunk.is_ok())).flat_map(move |chunk| {
            text.push_str(&String::from_utf8_lossy(&chunk.unwrap_or_default()));
            let mut found = Vec::new();
            while let Some(end) = text.find('\n') {
                let line: String = text.drain(..=end).collect();
                found.extend(line.strip_prefix("data:").and_then(|number| number.trim().parse::<u64>().ok()));
            }
            stream::iter(found)
        }))
    }
}

/// An Arrow stream as rows, as it comes in.
async fn rows(response: Response) -> Result<Rows> {
    let mut reading = Reading {
        body: Box::pin(response.bytes_stream()),
        decoder: StreamDecoder::new(),
        rest: Buffer::default(),
        is_ended: false,
    };
    // The schema comes with the first message, before any row.
    let first = reading.next().await.transpose()?;
    let schema = match (&first, reading.decoder.schema()) {
        (Some(batch), _) => batch.schema(),
        (None, Some(schema)) => schema,
        (None, None) => return Err(anyhow!("the service broke its answer off")),
    };
    let rest = stream::unfold(reading, |mut reading| async move { reading.next().await.map(|next| (next, reading)) });
    Ok(Rows { schema, batches: Box::pin(stream::iter(first.map(Ok)).chain(rest)) })
}

struct Reading {
    body: std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    decoder: StreamDecoder,
    rest: Buffer,
    is_ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<auditlake_store::Result<RecordBatch>> {
        let broken = |message: String| StoreError::Engine { doing: "reading the service's answer", message };
        while !self.is_ended {
            match self.decoder.decode(&mut self.rest) {
                Ok(Some(batch)) => return Some(Ok(batch)),
                Ok(None) => {}
                Err(error) => {
                    self.is_ended = true;
                    return Some(Err(broken(error.to_string())));
                }
            }
            match self.body.next().await {
                Some(Ok(chunk)) => {
                    let mut bytes = self.rest.as_slice().to_vec();
                    bytes.extend_from_slice(&chunk);
                    self.rest = Buffer::from_vec(bytes);
                }
                Some(Err(_)) => {
                    self.is_ended = true;
                    return Some(Err(broken("it broke off; the service's log says why".to_owned())));
                }
                None => {
                    self.is_ended = true;
                    return self.decoder.finish().err().map(|error| Err(broken(error.to_string())));
                }
            }
        }
        None
    }
}
