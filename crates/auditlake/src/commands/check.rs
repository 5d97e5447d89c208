//! `auditlake check`: everything that can be found out before something goes wrong.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;

use crate::{
    FOUND,
    checks::{self, Finding, Scene, Verdict},
    cli::{Check, Cli, QueryFormat},
    hinted, output,
};

pub async fn run(cli: &Cli, words: &Check) -> Result<ExitCode> {
    let is_text = output::choose(words.format.map(Into::into), None) == QueryFormat::Table;
    let tell = |finding: &Finding| {
        if is_text {
            // Whoever reads no further wants no more of it either.
            let _ = writeln!(io::stdout(), "{}", line(finding));
        }
    };
    let (config, first) = checks::configuration(cli);
    tell(&first);
    let mut findings = vec![first];
    if let Some(config) = &config {
        let sources =
            config.sources.iter().filter(|source| words.source.as_ref().is_none_or(|name| *name == source.name));
        let sources: Vec<_> = sources.collect();
        if let (Some(name), true) = (&words.source, sources.is_empty()) {
            let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
            return Err(hinted(
                format!("no source is named {name:?}"),
                format!("configured are: {}", names.join(", ")),
            ));
        }
        let data = config.data_dir()?;
        findings.extend(checks::run(&Scene { config, data: &data, sources }, tell).await);
    }
    if !is_text {
        output::write_list(&findings, &["result", "check", "source", "saw", "todo"], words.format)?;
    }
    let has_failed = findings.iter().any(|finding| finding.result == Verdict::Fail);
    Ok(if has_failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// One line: the verdict, what of which source, what was seen, what to do.
fn line(finding: &Finding) -> String {
    let source = finding.source.as_ref().map(|source| format!("{source}: ")).unwrap_or_default();
    let todo = finding.todo.as_ref().map(|todo| format!(" -> {todo}")).unwrap_or_default();
    output::plain(&format!("{:4}  {source}{}: {}{todo}", finding.result, finding.check, finding.saw))
}
