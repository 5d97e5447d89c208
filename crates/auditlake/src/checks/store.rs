//! The store: whether it opens, and whether this program reads it.

use auditlake_store::StoreError;
use store_clickhouse::Options;
use store_duckdb::schema;

use super::{Finding, Scene, chain, size};
use crate::{config::is_open, lake::Lake};

const CHECK: &str = "store";

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let data = scene.data;
    if data.service().is_none() && scene.config.store.url.is_some() {
        return server(scene).await;
    }
    if !scene.config.has_store(data) {
        return vec![Finding::ok(CHECK, "empty yet")];
    }
    if let Some(service) = data.service() {
        return vec![match Lake::status_of(&service).await {
            Ok(status) => Finding::ok(
                CHECK,
                format!("answers, through the service: {} activities in {}", status.activities, size(status.bytes)),
            ),
            Err(error) => Finding::fail(
                CHECK,
                format!("the service (process {}) does not answer for it: {error:#}", service.pid),
                "look at the service's log, and start it again",
            ),
        }];
    }
    if matches!(data.holder(), Ok(Some(_))) {
        return vec![Finding::warn(
            CHECK,
            "another command has it open: not looked at",
            "check again when it has ended",
        )];
    }
    let path = data.path().join("lake.duckdb");
    let bytes = std::fs::metadata(&path).map_or(0, |data| data.len());
    let looked = tokio::task::spawn_blocking(move || store_duckdb::schema_version(&path)).await;
    vec![match looked {
        Ok(Ok(version)) if version > schema::VERSION => Finding::fail(
            CHECK,
            format!("schema version {version}; this program knows up to {}", schema::VERSION),
            "run the newer program, or restore the copy that was made before it",
        ),
        Ok(Ok(version)) if version < schema::VERSION => Finding::ok(
            CHECK,
            format!("opens ({}); schema version {version} becomes {} at the start", size(bytes), schema::VERSION),
        ),
        Ok(Ok(version)) => Finding::ok(CHECK, format!("opens ({}); schema version {version}", size(bytes))),
        Ok(Err(error)) => Finding::fail(
            CHECK,
            format!("lake.duckdb does not open: {}", chain(&error)),
            auditlake_store::StoreError::hint(&error)
                .unwrap_or("restore the last copy; what came later is collected again"),
        ),
        Err(error) => Finding::fail(CHECK, error.to_string(), "report this"),
    }]
}

/// Whether the server answers, is new enough, and holds what this program reads.
async fn server(scene: &Scene<'_>) -> Vec<Finding> {
    let options = match scene.config.store.server().await {
        Ok(Some(options)) => options,
        Ok(None) => return vec![Finding::ok(CHECK, "empty yet")],
        Err(error) => return vec![Finding::fail(CHECK, format!("{error:#}"), "look at the settings of the store")],
    };
    let place = format!("database {} of {}", options.database, options.url);
    let mut findings = vec![held(&options, &place).await.unwrap_or_else(|error| {
        let todo =
            error.hint().unwrap_or("look whether the server runs, and at store.url, user and password").to_owned();
        Finding::fail(CHECK, format!("{place}: {}", chain(&error)), todo)
    })];
    if is_open(&options) {
        let saw = format!("the password goes to {} without TLS, where others can read it", options.url);
        findings.push(Finding::warn(CHECK, saw, "use clickhouse+https://, or a server on this machine"));
    }
    findings
}

async fn held(options: &Options, place: &str) -> Result<Finding, StoreError> {
    let server = store_clickhouse::server_version(options).await?;
    store_clickhouse::new_enough(&server)?;
    Ok(match store_clickhouse::schema_version(options).await? {
        None => Finding::ok(CHECK, format!("{place} answers (version {server}); empty yet")),
        Some(version) if version > store_clickhouse::VERSION => Finding::fail(
            CHECK,
            format!("{place} has schema version {version}; this program knows up to {}", store_clickhouse::VERSION),
            "run the newer program",
        ),
        Some(version) if version < store_clickhouse::VERSION => Finding::ok(
            CHECK,
            format!(
                "{place} answers (version {server}); schema version {version} becomes {} at the start",
                store_clickhouse::VERSION
            ),
        ),
        Some(version) => Finding::ok(CHECK, format!("{place} answers (version {server}); schema version {version}")),
    })
}
