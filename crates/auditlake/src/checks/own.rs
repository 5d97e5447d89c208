//! What the checks themselves have asked a feed: it shows these requests, too, and they are this deployment's own. So they are
//! entered in the ledger, by the service if there is one. Where there is no store yet, none is made for that.

use std::time::Duration;

use anyhow::{Context, Result};
use auditlake_store::{Commit, SourceInfo, Writer};
use collect::Asked;
use store_duckdb::schema;

use super::Scene;
use crate::{config::SourceConfig, datadir::Service, lake::Here, remote::Remote, service::Checked};

/// A service that has more to do keeps nobody waiting longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells of requests, where somebody can be told. Whether that goes well is none of the findings.
pub async fn tell<'s>(scene: &Scene<'_>, asked: impl Iterator<Item = (&'s SourceConfig, Vec<Asked>)>) {
    let asked: Vec<_> = asked.filter(|(_, asked)| !asked.is_empty()).collect();
    if asked.is_empty() {
        return;
    }
    let told = match scene.data.service() {
        Some(service) => there(&service, asked).await,
        None => here(scene, asked).await,
    };
    if let Err(error) = told {
        tracing::debug!("the requests of this check are not known as our own: {error:#}");
    }
}

/// To the service.
async fn there(service: &Service, asked: Vec<(&SourceConfig, Vec<Asked>)>) -> Result<()> {
    let remote = Remote::new(service)?;
    for (source, requests) in asked {
        let checked = Checked { source: source.name.clone(), requests };
        let request = remote.request(reqwest::Method::POST, "/api/v1/asked").json(&checked).timeout(PATIENCE);
        remote.send(request).await?;
    }
    Ok(())
}

/// Into the ledger of the embedded engine, if it is there and nothing of it has to be changed for that.
async fn here(scene: &Scene<'_>, asked: Vec<(&SourceConfig, Vec<Asked>)>) -> Result<()> {
    let (config, data) = (scene.config, scene.data);
    if config.store.url.is_some() || !data.has_store() {
        return Ok(());
    }
    let Ok(owner) = data.own("check")? else { return Ok(()) };
    let path = data.path().join("lake.duckdb");
    let version = tokio::task::spawn_blocking(move || store_duckdb::schema_version(&path)).await??;
    if version != schema::VERSION {
        return Ok(());
    }
    let here = Here::open(config, data, owner).await?;
    for (source, requests) in asked {
        let (id, workspace, ttl_days) = (source.name.clone(), config.workspace.clone(), source.retention_days);
        let mut commit = Commit::new(SourceInfo { id, workspace, ttl_days });
        commit.ledger = requests.into_iter().map(Asked::entry).collect();
        here.store.commit(commit).await.context("the ledger")?;
    }
    Ok(here.store.checkpoint().await?)
}
