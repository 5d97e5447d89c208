//! `auditlake conformance`: any feed against the contract.

use std::process::ExitCode;

use anyhow::Result;
use feed::{
    client::Client,
    conformance::{self, Outcome},
};

use crate::{FOUND, cli::Conformance, hinted, output};

pub async fn run(words: &Conformance) -> Result<ExitCode> {
    let Some(key) = &words.key else {
        return Err(hinted("no key is given", "name one with --key or in ANTHROPIC_COMPLIANCE_ACCESS_KEY"));
    };
    let client = Client::builder().base_url(&words.url).key(key.clone().into()).build()?;
    let report = conformance::run(&client, &conformance::Options::default(), |check| {
        println!("{:4}  {:34}  {}", check.outcome.to_string(), check.name, check.about);
        for asked in &check.asked {
            println!("      {}", output::plain(asked));
        }
        println!("      saw: {}", output::plain(&check.saw));
    })
    .await;
    println!(
        "{} passed, {} failed, {} skipped",
        report.count(Outcome::Pass),
        report.count(Outcome::Fail),
        report.count(Outcome::Skip)
    );
    Ok(if report.is_green() { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}
