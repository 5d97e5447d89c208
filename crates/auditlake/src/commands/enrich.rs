//! `auditlake enrich`: looking up again what is stored, and the files that are asked.

mod update;

use std::process::ExitCode;

use activity::{AddressClass, PlacePart};
use anyhow::Result;
use auditlake_store::{Enriched, Enriching, LateEnrichment, Window};
use serde_json::json;

use super::time;
use crate::{
    cli::{Enrich, EnrichCommand, ListFormat, QueryFormat},
    config::Config,
    enriching, hinted,
    lake::Lake,
    misused, output,
};

pub async fn run(config: &Config, words: &Enrich) -> Result<ExitCode> {
    match &words.command {
        Some(EnrichCommand::Update) => update::run(config).await,
        Some(EnrichCommand::Status { format }) => status(config, *format),
        Some(EnrichCommand::Lookup { address, format }) => look_up(config, address, *format),
        None => late(config, words).await,
    }
}

async fn late(config: &Config, words: &Enrich) -> Result<ExitCode> {
    let window =
        Window { since: time("since", words.since.as_deref())?, until: time("until", words.until.as_deref())? };
    let done = match Lake::find(config, "enrich").await? {
        Lake::Here(here) => {
            let enricher = enriching::open(config, &config.data_dir()?);
            if enricher.is_idle() {
                return Err(hinted("there is nothing to ask", NOTHING));
            }
            let with = std::sync::Arc::new(move |record: &activity::Record| enricher.of(record));
            let done = here.store.enrich(LateEnrichment { window, with }).await?;
            here.store.checkpoint().await?;
            done
        }
        Lake::There(remote) => remote.enrich(window).await?,
    };
    let Enriched { asked, places, agents, people } = done;
    match output::choose(words.format.map(Into::into), None) {
        QueryFormat::Table => {
            println!("looked at {asked}, changed: places {places}, clients {agents}, people {people}");
        }
        _ => output::write_list(&[done], &["asked", "places", "agents", "people"], words.format)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What to do where there is nothing to ask.
pub const NOTHING: &str =
    "name files below [enrich] in auditlake.toml, or fetch free ones with `auditlake enrich update`";

fn status(config: &Config, format: Option<ListFormat>) -> Result<ExitCode> {
    let reports = ::enrich::inspect(&enriching::options(config, &config.data_dir()?));
    let is_bad = reports.iter().any(|report| report.trouble.is_some());
    let rows: Vec<_> = reports
        .into_iter()
        .map(|report| {
            let state = match (&report.trouble, report.is_old) {
                (Some(_), _) => "broken",
                (None, true) => "old",
                (None, false) => "ok",
            };
            let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
            json!({
                "file": report.path.display().to_string(),
                "state": state,
                "what": report.what,
                "made": report.made.map(|made| made.to_string()),
                "trouble": report.trouble.or_else(|| (!problems.is_empty()).then(|| problems.join("; "))),
            })
        })
        .collect();
    if rows.is_empty() {
        eprintln!("no file is named\nhint: {NOTHING}");
    }
    output::write_list(&rows, &["file", "state", "what", "made", "trouble"], format)?;
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look_up(config: &Config, address: &str, format: Option<ListFormat>) -> Result<ExitCode> {
    let class = AddressClass::of(address);
    if class == AddressClass::Invalid {
        return Err(misused(format!("{address:?} is no IP address"), "write one such as 192.0.2.7 or 2001:db8::1"));
    }
    let enricher = enriching::open(config, &config.data_dir()?);
    let place = enricher.place(address);
    let part = |part: PlacePart| place.as_deref().and_then(|place| part.of(place));
    let row = json!({
        "address": address,
        "class": class.as_str(),
        "country": part(PlacePart::Country),
        "city": part(PlacePart::City),
        "asn": part(PlacePart::Asn),
        "asOrganization": part(PlacePart::AsOrganization),
        "isp": part(PlacePart::Isp),
        "connectionType": part(PlacePart::ConnectionType),
        "userType": part(PlacePart::UserType),
        "latitude": part(PlacePart::Latitude),
        "longitude": part(PlacePart::Longitude),
        "database": part(PlacePart::Database),
    });
    let columns = ["address", "class", "country", "city", "asn", "asOrganization", "userType", "database"];
    output::write_list(&[row], &columns, format)?;
    Ok(ExitCode::SUCCESS)
}
