//! `auditlake conformance`: any feed against the contract.

use std::process::ExitCode;

use anyhow::Result;
use feed::conformance::{self, Outcome};

use crate::{
    FOUND,
    cli::{Cli, Conformance},
    config::{Config, SourceConfig},
    hinted, output,
};

/// The environment's keys, the first one first.
const KEYS: [&str; 2] = ["ANTHROPIC_COMPLIANCE_ACCESS_KEY", "ANTHROPIC_ADMIN_KEY"];

pub async fn run(cli: &Cli, words: &Conformance) -> Result<ExitCode> {
    let source = match &words.source {
        Some(name) => configured(&Config::load(cli)?, name)?,
        None => named(words, |variable| std::env::var(variable).ok().filter(|key| !key.trim().is_empty()))?,
    };
    // Whatever kind of key it is: that a feed refuses the wrong ones is what is to be seen.
    let client = source.client(source.find_key().await?)?;
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

/// The source of this name.
fn configured(config: &Config, name: &str) -> Result<SourceConfig> {
    let found = config.sources.iter().find(|source| source.name == name);
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        hinted(format!("no source is named {name:?}"), format!("configured are: {}", names.join(", ")))
    })
}

/// A source such as the words describe it, called by its address.
fn named(words: &Conformance, variable: impl Fn(&str) -> Option<String>) -> Result<SourceConfig> {
    let key = match &words.key_file {
        Some(_) => None,
        None => words.key.clone().or_else(|| KEYS.into_iter().find_map(variable)),
    };
    if key.is_none() && words.key_file.is_none() {
        return Err(hinted(
            "no key is given",
            format!("name one with --key or --key-file, or in {}", KEYS.join(" or ")),
        ));
    }
    Ok(SourceConfig {
        name: words.url.clone().unwrap_or_default(),
        base_url: words.url.clone(),
        key: key.map(Into::into),
        key_file: words.key_file.clone(),
        proxy: words.proxy.clone().map(Into::into),
        ca_file: words.ca_file.clone(),
        ..SourceConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::cli::Command;

    fn words(words: &[&str]) -> Conformance {
        let all = ["auditlake", "conformance"].iter().chain(words);
        let Command::Conformance(found) = Cli::try_parse_from(all).unwrap().command else { panic!("another command") };
        found
    }

    #[test]
    fn the_first_key_that_is_there_is_taken() {
        let key = |given: &[&str], variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let source = named(&words(&[&["--url", "http://127.0.0.1:1"][..], given].concat()), variable)?;
            Ok::<_, anyhow::Error>(source.key.map(|key| key.expose_secret().to_owned()))
        };
        let both = [(KEYS[1], "admin"), (KEYS[0], "access")];
        assert_eq!(key(&["--key", "given"], &both).unwrap().as_deref(), Some("given"));
        assert_eq!(key(&[], &both).unwrap().as_deref(), Some("access"));
        assert_eq!(key(&[], &both[..1]).unwrap().as_deref(), Some("admin"));
        assert_eq!(key(&["--key-file", "/k"], &both).unwrap(), None, "the file has it");
        assert_eq!(key(&[], &[]).unwrap_err().to_string(), "no key is given");
    }

    #[test]
    fn a_feed_is_named_in_one_way() {
        let all = words(&["--url", "https://feed", "--key", "k", "--proxy", "http://p:1", "--ca-file", "/ca.pem"]);
        let source = named(&all, |_| None).unwrap();
        assert_eq!((source.name.as_str(), source.base_url.as_deref()), ("https://feed", Some("https://feed")));
        assert!(source.proxy.is_some() && source.ca_file.is_some());
        for wrong in [
            &[][..],
            &["--source", "main", "--url", "https://feed"],
            &["--source", "main", "--key", "k"],
            &["--url", "https://feed", "--key", "k", "--key-file", "/k"],
        ] {
            assert!(Cli::try_parse_from(["auditlake", "conformance"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
        let mut config = Config::default();
        config.sources.push(SourceConfig { name: "main".into(), ..SourceConfig::default() });
        assert_eq!(configured(&config, "main").unwrap().name, "main");
        assert!(configured(&config, "other").unwrap_err().to_string().contains("no source is named"));
    }
}
