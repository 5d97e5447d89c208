//! `auditlake run`: the service.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    cli::Run,
    config::Config,
    hinted, log,
    service::{self, Running},
};

pub async fn run(config: &Config, words: &Run) -> Result<ExitCode> {
    let sources = &config.sources;
    let data = config.data_dir()?;
    if sources.is_empty() && !config.has_store(&data) {
        return Err(hinted(
            "there is nothing to collect and nothing collected",
            "set ANTHROPIC_COMPLIANCE_ACCESS_KEY, or name sources in auditlake.toml (docs/configuration.md); `auditlake demo` needs no key",
        ));
    }
    let prepared = service::prepare_all(config, &data).await?;
    let owner = data.own_alone("run")?;
    let mut listen = config.server.listen;
    if let Some(port) = words.port {
        listen.set_port(port);
    }
    let mut running = Running::start(config, &data, owner, listen, None).await?;
    for source in prepared {
        running.collect(source);
    }
    println!("{}", running.page);
    log::say(format!("auditlake: the page is at {}, the data in {}", running.page, data.path().display()));
    if sources.is_empty() {
        log::say("no source is configured: serving what is there");
    }
    running.until_asked().await?;
    Ok(ExitCode::SUCCESS)
}
