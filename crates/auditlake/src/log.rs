//! Everything that goes to stderr: the log of what the program does, lines for the people who started it, failures with
//! their hints. As text, or as a JSON object a line without any exception, so that one parser reads all of it. Data never
//! goes here.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, Write},
    sync::{LazyLock, OnceLock},
};

use indicatif::MultiProgress;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter, fmt as subscriber,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    registry::LookupSpan,
};

use crate::cli::{Cli, Command, LogFormat};

/// How lines are to be written, once the command line is read.
static STYLE: OnceLock<Style> = OnceLock::new();
/// Progress bars. Whatever is written meanwhile steps around them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

#[derive(Clone, Copy)]
struct Style {
    format: LogFormat,
    is_quiet: bool,
}

/// Sets the log up. `RUST_LOG` overrides what `-v` and `-q` say.
pub fn init(cli: &Cli) {
    let _ = STYLE.set(Style { format: cli.log_format, is_quiet: cli.quiet });
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        // These say themselves what is wrong, beside their progress.
        (false, 0) if matches!(cli.command, Command::Backfill(_) | Command::Reconcile(_)) => {
            "warn,auditlake=info,collect=error,feed=warn"
        }
        (false, 0) => "warn,auditlake=info,collect=info,feed=warn",
        (false, 1) => "info,auditlake=debug,collect=debug",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = subscriber().with_env_filter(filter).with_writer(Stderr);
    match cli.log_format {
        LogFormat::Text => builder.event_format(Lines).init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).init();
            std::panic::set_hook(Box::new(|panic| {
                write(Level::ERROR, &format!("a defect of this program: {panic}"), Some(DEFECT));
            }));
        }
    }
}

const DEFECT: &str = "please report it with this line; what was committed is safe";

/// A line for whoever started the program. Not with `-q`.
pub fn say(message: impl fmt::Display) {
    if !STYLE.get().is_some_and(|style| style.is_quiet) {
        write(Level::INFO, &message.to_string(), None);
    }
}

/// What to do about lines before; as JSON, `message` says again what it is about.
pub fn hint(message: &str, hint: &str) {
    match STYLE.get() {
        Some(Style { is_quiet: true, .. }) => {}
        Some(Style { format: LogFormat::Json, .. }) => write(Level::WARN, message, Some(hint)),
        _ => emit(&format!("hint: {hint}")),
    }
}

/// A failure and what to do about it.
pub fn fail(message: &str, hint: Option<&str>) {
    write(Level::ERROR, message, hint);
}

/// Wrong words on the command line, which is not read yet: its form has to be looked for.
pub fn misuse(error: &clap::Error, words: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
    let is_json = words.iter().any(|word| word == "--log-format=json")
        || words.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json")
        || std::env::var("AUDITLAKE_LOG_FORMAT").is_ok_and(|text| text == "json");
    if !is_json || !error.use_stderr() {
        let _ = error.print();
        return;
    }
    let text = error.render().to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    emit(&object(Level::ERROR, message, Some("see `auditlake --help`")).to_string());
}

/// The bars of this program.
pub fn bars() -> &'static MultiProgress {
    &BARS
}

fn write(level: Level, message: &str, hint: Option<&str>) {
    let format = STYLE.get().map_or(LogFormat::Text, |style| style.format);
    let hint_line = |hint: Option<&str>| hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    match (format, level) {
        (LogFormat::Json, _) => emit(&object(level, message, hint).to_string()),
        (LogFormat::Text, Level::ERROR) => emit(&format!("error: {message}{}", hint_line(hint))),
        (LogFormat::Text, _) => emit(&format!("{message}{}", hint_line(hint))),
    }
}

/// In the form of the log's own lines.
fn object(level: Level, message: &str, hint: Option<&str>) -> Value {
    let mut object =
        json!({"timestamp": format!("{:.6}", Timestamp::now()), "level": level.as_str(), "message": message});
    if let Some(hint) = hint {
        object["hint"] = hint.into();
    }
    object["target"] = "auditlake".into();
    object
}

fn emit(line: &str) {
    let _ = Stderr.write_all(format!("{line}\n").as_bytes());
}

/// The standard error, beside the bars.
#[derive(Clone, Copy)]
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Stderr;

    fn make_writer(&self) -> Stderr {
        *self
    }
}

/// Lines for people: time, level, source, message, the rest; the hint on a line of its own, as below an error.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        write!(out, "{:.3} {:5} ", Timestamp::now(), event.metadata().level())?;
        if let Some(source) = &parts.source {
            write!(out, "{source}: ")?;
        }
        writeln!(out, "{}{}", parts.message, parts.rest)?;
        parts.hint.map_or(Ok(()), |hint| writeln!(out, "hint: {hint}"))
    }
}

#[derive(Default)]
struct Parts {
    source: Option<String>,
    message: String,
    hint: Option<String>,
    rest: String,
}

impl tracing::field::Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), plain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), plain(&format!("{value:?}")));
    }
}

/// What strangers wrote may stand in an error: a terminal obeys none of it.
fn plain(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() && sign != '\n' { '\u{fffd}' } else { sign }).collect()
}

impl Parts {
    fn take(&mut self, name: &str, text: String) {
        match name {
            "source" => self.source = Some(text),
            "message" => self.message = text,
            "hint" => self.hint = Some(text),
            name if name.starts_with("log.") => {}
            name => self.rest.push_str(&format!(" {name}={text}")),
        }
    }
}
