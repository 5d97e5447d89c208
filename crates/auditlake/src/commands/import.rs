//! `auditlake import`: activities that somebody already has.

use std::{
    io::IsTerminal,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use collect::import::{self, ImportOptions, Input, Progress};
use futures::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::AsyncReadExt;

use crate::{
    cli::{Import, ListFormat, QueryFormat},
    config::{Config, RESERVED},
    enriching,
    lake::{Here, Lake},
    log, misused, output,
    remote::Remote,
    served::OWN_SOURCE,
    service::Summary,
};

pub async fn run(config: &Config, words: &Import) -> Result<ExitCode> {
    check_name(&words.source)?;
    let summary = match Lake::open(config, "import").await? {
        Lake::Here(here) => here_in(config, words, &here).await?,
        Lake::There(remote) => over(words, &remote).await?,
    };
    tell(&summary, words.format)?;
    Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether activities may be imported under a name: it is a part of a file's name, and not our own.
pub fn check_name(source: &str) -> Result<()> {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
    if source.is_empty() || source.len() > 64 || !source.chars().all(is_plain) {
        return Err(misused(
            format!("--source: {source:?} is no name of a source"),
            "use 1 to 64 letters, digits, `-`, `_` or `.`",
        ));
    }
    if source == OWN_SOURCE {
        return Err(misused(format!("--source: {source}: {RESERVED}"), "use another name, such as `import`"));
    }
    Ok(())
}

/// Into the store of this process.
async fn here_in(config: &Config, words: &Import, here: &Here) -> Result<Summary> {
    let data = config.data_dir()?;
    let inputs =
        words.files.iter().map(|path| if path == Path::new("-") { Input::stdin() } else { Input::Path(path.clone()) });
    let bar = bar();
    let shown = bar.clone();
    let mut options = ImportOptions::new(config.import_source(&words.source), data.path());
    options.enricher = Some(enriching::open(config, &data));
    let report = import::import(&here.store, &options, inputs.collect(), move |now| show(&shown, now)).await?;
    bar.finish_and_clear();
    here.store.checkpoint().await?;
    Ok(report.into())
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}  {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn show(bar: &ProgressBar, now: Progress) {
    if let Some(total) = now.total_bytes {
        bar.set_length(total);
    }
    bar.set_position(now.bytes);
    bar.set_message(format!("{} activities", now.rows));
}

/// Through the service that has the store.
async fn over(words: &Import, remote: &Remote) -> Result<Summary> {
    let mut all = Summary::default();
    for path in &words.files {
        if let Err(failure) = import::check_packed(path) {
            all.failures.push((failure.to_string(), failure.hint));
            continue;
        }
        match body(path).await {
            Ok(body) => {
                let name =
                    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
                let query = [("source", words.source.clone()), ("name", name)];
                let request = remote.ask(reqwest::Method::POST, "/api/v1/import", &query)?.body(body);
                all.add(remote.send(request).await?.json::<Summary>().await?);
            }
            Err(error) => {
                let hint = "name a file, or `-` for standard input".to_owned();
                all.failures.push((format!("{}: {error}", path.display()), hint));
            }
        }
    }
    Ok(all)
}

async fn body(path: &PathBuf) -> std::io::Result<reqwest::Body> {
    let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> = if path == Path::new("-") {
        Box::new(tokio::fs::File::from_std(std::io::stdin().as_fd().try_clone_to_owned()?.into()))
    } else {
        if tokio::fs::metadata(path).await?.is_dir() {
            return Err(std::io::Error::other("is a directory"));
        }
        Box::new(tokio::fs::File::open(path).await?)
    };
    let chunks = futures::stream::try_unfold(reader, async |mut reader| {
        let mut chunk = bytes::BytesMut::with_capacity(256 << 10);
        let count = reader.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (chunk.freeze(), reader)))
    });
    Ok(reqwest::Body::wrap_stream(chunks.map_err(|error| error)))
}

/// Counts on stdout; what went wrong on stderr.
fn tell(summary: &Summary, format: Option<ListFormat>) -> Result<()> {
    for line in &summary.rejects {
        log::say(format!("rejected {line}"));
    }
    if summary.rejected > 0 {
        let more = summary.rejected - summary.rejects.len() as u64;
        if more > 0 {
            log::say(format!("… and {more} more"));
        }
        let kept = format!("the rejected records are kept, each with its reason, in {}", summary.reject_file);
        log::hint(&format!("{} records were rejected", summary.rejected), &kept);
    }
    if summary.read == 0 && summary.rejected == 0 && summary.failures.is_empty() {
        log::say("nothing was read: what was given holds no activity");
    }
    for (message, hint) in &summary.failures {
        log::fail(message, Some(hint));
    }
    match output::choose(format.map(Into::into), None) {
        QueryFormat::Table => {
            println!(
                "read {}, new {}, already there {}, rejected {}",
                summary.read, summary.new, summary.already_there, summary.rejected
            );
            Ok(())
        }
        _ => output::write_list(
            &[serde_json::json!({
                "read": summary.read,
                "new": summary.new,
                "already_there": summary.already_there,
                "rejected": summary.rejected,
                "bytes": summary.bytes,
                "seconds": summary.seconds,
                "reject_file": (summary.rejected > 0).then_some(&summary.reject_file),
            })],
            &["read", "new", "already_there", "rejected"],
            format,
        ),
    }
}
