//! Each source, from the key on: what does not hold makes the rest pointless, so the first failure ends it.

use super::{Finding, Patient, Scene, feed, key, network};
use crate::config::SourceConfig;

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    if scene.config.sources.is_empty() {
        let todo =
            "set ANTHROPIC_COMPLIANCE_ACCESS_KEY, or name sources in auditlake.toml; `auditlake demo` needs no key";
        return vec![Finding::warn("source", "none is configured", todo)];
    }
    let all = futures::future::join_all(scene.sources.iter().map(|source| one(source))).await;
    all.into_iter().flatten().collect()
}

async fn one(source: &SourceConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(key) = key::check(source, &mut findings).await {
        match source.client(key) {
            Ok(client) => {
                let patient = Patient { source, client };
                network::check(&patient, &mut findings).await;
                feed::check(&patient, &mut findings).await;
            }
            Err(error) => findings.push(Finding::fail(
                "settings",
                super::chain(&error),
                "correct base_url, proxy or ca_file of this source",
            )),
        }
    }
    findings.into_iter().map(|finding| finding.of(&source.name)).collect()
}
