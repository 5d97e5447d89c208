//! Each source, from the key on: what does not hold makes the rest pointless, so the first failure ends it.

use std::sync::{Mutex, PoisonError};

use collect::Asked;

use super::{Finding, Patient, Scene, feed, key, network, own};
use crate::config::SourceConfig;

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    if scene.config.sources.is_empty() {
        let todo =
            "set ANTHROPIC_COMPLIANCE_ACCESS_KEY, or name sources in auditlake.toml; `auditlake demo` needs no key";
        return vec![Finding::warn("source", "none is configured", todo)];
    }
    let all = futures::future::join_all(scene.sources.iter().map(|source| one(source))).await;
    let (findings, asked): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    own::tell(scene, scene.sources.iter().copied().zip(asked)).await;
    findings.into_iter().flatten().collect()
}

/// What was found of a source, and what its feed was asked for that.
async fn one(source: &SourceConfig) -> (Vec<Finding>, Vec<Asked>) {
    let (mut findings, mut asked) = (Vec::new(), Vec::new());
    if let Some(key) = key::check(source, &mut findings).await {
        match source.client(key) {
            Ok(client) => {
                let patient = Patient { source, client, asked: Mutex::default() };
                network::check(&patient, &mut findings).await;
                feed::check(&patient, &mut findings).await;
                asked = patient.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
            }
            Err(error) => findings.push(Finding::fail(
                "settings",
                super::chain(&error),
                "correct base_url, proxy or ca_file of this source",
            )),
        }
    }
    (findings.into_iter().map(|finding| finding.of(&source.name)).collect(), asked)
}
