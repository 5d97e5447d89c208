//! The words of the command line. What stands here keeps its name and meaning.

mod feed;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use self::feed::{Catalog, Conformance, CreateKey, Keys, Simulate};

/// Own your Claude compliance log: collect, keep, search and serve the activities of Anthropic's Compliance API.
#[derive(Debug, Parser)]
#[command(name = "auditlake", version, disable_help_subcommand = true, propagate_version = true)]
pub struct Cli {
    /// The configuration file [default: auditlake.toml here, then in the platform's configuration directory]
    #[arg(long, global = true, env = "AUDITLAKE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory, which holds every state of a deployment [default: the platform's data directory]
    #[arg(long, global = true, env = "AUDITLAKE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A ClickHouse server that holds the data, as clickhouse://USER@HOST:PORT/DATABASE or clickhouse+https://… [default: the
    /// embedded engine, in the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// The form of messages on stderr
    #[arg(long, global = true, env = "AUDITLAKE_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Say more; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything with no key: a simulated organisation, its feed, collection and the page
    Demo(Demo),
    /// The service: collect, store, serve the page and the API
    Run(Run),
    /// Key, scope, network, clock, disk, store: a line each with what to do; exit code 3 if something fails
    Check(Check),
    /// Import activities from JSON lines, JSON arrays or saved feed pages
    Import(Import),
    /// Read a span of the past, once; goes on where it was broken off
    Backfill(Span),
    /// Read a span once more and compare it with what is stored
    Reconcile(Span),
    /// Read-only SQL over `anthropic_logs` and the documented views
    Query(Query),
    /// Activities that pass a filter, the newest first
    Search(Search),
    /// Follow new activities
    Tail(Tail),
    /// The same records in the shape that another tool expects, the oldest first
    Export(Export),
    /// What was fetched when, with which cursors and request ids
    Ledger(Ledger),
    /// What the catalogue does not know, and what differs when it is read again
    Drift(Drift),
    /// Detection rules
    #[command(subcommand)]
    Rules(Rules),
    /// Alerts, and what people made of them
    #[command(subcommand)]
    Alerts(Alerts),
    /// A completeness statement for an auditor; exit code 3 if the span is not complete
    Attest(Attest),
    /// What is known of an activity type; all types without a name
    Catalog(Catalog),
    /// The feed of a simulated organisation alone
    Simulate(Simulate),
    /// Check any feed against the contract, reading only; exit code 3 if a check fails
    Conformance(Conformance),
    /// Look up again what is stored: places, clients, people; and the files that are asked
    Enrich(Enrich),
    /// Notices of alerts on their way to people, and dead letters
    #[command(subcommand)]
    Deliveries(Deliveries),
    /// Move a deployment from one store to another, of either kind
    #[command(subcommand)]
    Store(Store),
    /// Access keys for the feed that this deployment serves
    #[command(subcommand)]
    Keys(Keys),
    /// Who may log in to the pages, where a login is needed
    #[command(subcommand)]
    Users(Users),
    /// Write a generated page of the documentation to stdout
    #[command(hide = true)]
    Docs { page: DocsPage },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DocsPage {
    Catalog,
    Filter,
    Shapes,
    Configuration,
    Commands,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Enrich {
    #[command(subcommand)]
    pub command: Option<EnrichCommand>,
    /// Look up what happened since this time: RFC 3339, a date, or an age such as 15m, 24h, 7d, 6y
    #[arg(long, value_name = "T", required = true)]
    pub since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Subcommand)]
pub enum EnrichCommand {
    /// Fetch free location databases: DB-IP Lite (CC BY 4.0), or what is configured. Nothing else ever fetches them
    Update,
    /// The files that are asked, and how each of them is
    Status {
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// What the location databases say of an address
    Lookup {
        /// The address
        address: String,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
}

#[derive(Debug, Args)]
pub struct Organisation {
    /// The number of people
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub people: u32,
    /// Days of past
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
    /// What everything follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub organisation: Organisation,
    /// The port of the page; 0 takes any free one
    #[arg(long, value_name = "P")]
    pub port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    pub no_open: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    /// The port of the page and the API; 0 takes any free one
    #[arg(long, value_name = "P")]
    pub port: Option<u16>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Import {
    /// Files; `-` is standard input; gzip and zstd are unpacked
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The source that the activities are said to come from
    #[arg(long, value_name = "NAME", default_value = "import")]
    pub source: String,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Span {
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// The beginning [default: `backfill_from` of the source; a week ago to reconcile]
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// The end [default: now]
    #[arg(long, value_name = "T")]
    pub to: Option<String>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Query {
    /// One statement that reads
    pub sql: String,
    #[arg(long, value_enum)]
    pub format: Option<QueryFormat>,
    /// Write to a file instead of stdout, whole or not at all
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A value for `$k` in the statement
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    pub param: Vec<(String, String)>,
    /// Cancel after this time [default: as configured]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// End with an error after so many rows [default: as configured]
    #[arg(long, value_name = "N")]
    pub max_rows: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Search {
    /// What to find, such as `type:sso_login_failed ip:192.0.2.0/24`; everything if empty. `--` before one that begins with `-`
    #[arg(default_value = "")]
    pub filter: Vec<String>,
    /// Not before this time: RFC 3339, a date, or an age such as 15m, 24h, 7d, 6y
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Tail {
    /// What to find; everything if empty
    #[arg(default_value = "")]
    pub filter: Vec<String>,
    /// Begin with so many of the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: u64,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Export {
    /// What to export; everything if empty. `--` before one that begins with `-`
    #[arg(default_value = "")]
    pub filter: Vec<String>,
    /// What becomes of each record
    #[arg(long, value_enum)]
    pub shape: ShapeName,
    /// The form of the output [default: by the file's name, else jsonl]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Not before this time: RFC 3339, a date, or an age such as 15m, 24h, 7d, 6y
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Write to a file instead of stdout, whole or not at all; a name that ends in .gz or .zst packs it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The shape of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShapeName {
    /// As received, byte for byte
    Raw,
    /// The 46 columns of anthropic_logs
    Unified,
    /// Datadog logs
    Datadog,
    /// Open Cybersecurity Schema Framework 1.5
    Ocsf,
    /// Elastic Common Schema 8.11
    Ecs,
    /// Panther's log type Anthropic.Activity
    Panther,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Jsonl,
    Csv,
    Parquet,
}

#[derive(Debug, Args)]
pub struct Ledger {
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Not before this time
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Drift {
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only what was seen at or after this time
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// At most so much
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Subcommand)]
pub enum Rules {
    /// Every rule: those that are compiled in, and those of the configured directory
    List {
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// One rule: what it finds, why it matters, what to do; its text with --format json
    Show {
        /// Its name
        id: String,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Compare rules with the catalogue: what names a type, field or value that the feed never sends can never fire; exit code 3 if any is wrong
    Lint {
        /// A file or directory of rules [default: all that run here]
        dir: Option<PathBuf>,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Run the tests inside rules; exit code 3 if one fails
    Test {
        /// A file or directory of rules [default: all that run here]
        dir: Option<PathBuf>,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// What rules would have found in what is stored
    Backtest {
        /// One rule, also one that is switched off [default: all that run here]
        id: Option<String>,
        /// From this time: RFC 3339, a date, or an age such as 15m, 24h, 7d, 6y
        #[arg(long, value_name = "T")]
        since: String,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Alerts {
    /// Alerts, the newest first
    List(ListAlerts),
    /// One alert: what happened, what to do, who did what
    Show {
        /// Its id, `alert_…`
        id: String,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Say that somebody looks at it
    Ack {
        /// Its id, `alert_…`
        id: String,
        /// In your words
        #[arg(long)]
        note: Option<String>,
    },
    /// Say that it is done with; news opens it again
    Close {
        /// Its id, `alert_…`
        id: String,
        /// What it was
        #[arg(long)]
        note: String,
    },
}

#[derive(Debug, Args)]
pub struct ListAlerts {
    /// Only of this rule
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Only of at least this severity: informational, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<auditlake_store::alert::Severity>,
    /// Only in this state: open, acknowledged, closed
    #[arg(long, value_name = "STATE")]
    pub state: Option<auditlake_store::alert::State>,
    /// Only with activities at or after this time
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct Attest {
    /// From this event time on: RFC 3339, a date, or an age such as 7d
    #[arg(long, value_name = "T", required_unless_present = "verify")]
    pub from: Option<String>,
    /// Before this event time
    #[arg(long, value_name = "T", required_unless_present = "verify")]
    pub to: Option<String>,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Write to a file instead of stdout, whole or not at all; as JSON if it ends in `.json`
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// For people, or to be checked [default: text]
    #[arg(long, value_enum)]
    pub format: Option<AttestFormat>,
    /// Compute a statement (JSON) again and compare; exit code 3 if it differs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "source", "output", "format"])]
    pub verify: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AttestFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Deliveries {
    /// What waits, has arrived or was given up, the newest first
    List(ListDeliveries),
    /// Send dead letters again, under their old ids, and what waits at once
    Retry(RetryDeliveries),
}

#[derive(Debug, Args)]
pub struct ListDeliveries {
    /// Only to this destination
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,
    /// Only what is in this state
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "delivered", "dead", "overtaken"])]
    pub state: Option<String>,
    /// Only of this alert
    #[arg(long, value_name = "ID")]
    pub alert: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

#[derive(Debug, Args)]
pub struct RetryDeliveries {
    /// Their ids
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All to this destination
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub enum Store {
    /// Copy everything that a deployment holds to an empty place, and prove that both hold the same; goes on where it was broken off
    Copy(StoreCopy),
    /// Read two stores from end to end and compare; exit code 3 if they differ
    Compare {
        #[command(flatten)]
        sides: Sides,
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
}

#[derive(Debug, Args)]
pub struct StoreCopy {
    #[command(flatten)]
    pub sides: Sides,
    /// So many activities at once; a commit is never cut
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    pub rows: u64,
    #[arg(long, value_enum)]
    pub format: Option<ListFormat>,
}

/// Two stores.
#[derive(Debug, Args)]
pub struct Sides {
    /// A data directory, or clickhouse://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "PLACE")]
    pub from: String,
    /// The other one
    #[arg(long, value_name = "PLACE")]
    pub to: String,
    /// The file that holds the password of the server in --from [default: as configured]
    #[arg(long, value_name = "FILE")]
    pub from_password_file: Option<PathBuf>,
    /// The file that holds the password of the server in --to [default: as configured]
    #[arg(long, value_name = "FILE")]
    pub to_password_file: Option<PathBuf>,
    /// The cluster of the server in --from [default: as configured]
    #[arg(long, value_name = "NAME")]
    pub from_cluster: Option<String>,
    /// The cluster of the server in --to [default: as configured]
    #[arg(long, value_name = "NAME")]
    pub to_cluster: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Users {
    /// Add a user; the password is asked for on a terminal, or read as a line from standard input
    Add {
        /// What they log in with
        name: String,
        /// What they may do: viewers read; analysts deal with alerts and ask with SQL; admins switch rules, see settings and look-ups
        #[arg(long, value_parser = role, default_value = "viewer")]
        role: web::Role,
    },
    /// All users
    List {
        #[arg(long, value_enum)]
        format: Option<ListFormat>,
    },
    /// Remove a user, at once
    Remove {
        /// Their name
        name: String,
    },
    /// Give a user a new password; their sessions end
    Passwd {
        /// Their name
        name: String,
    },
    /// Give a user another role
    Role {
        /// Their name
        name: String,
        /// `viewer`, `analyst` or `admin`
        #[arg(value_parser = role)]
        role: web::Role,
    },
}

fn role(text: &str) -> Result<web::Role, String> {
    let all = web::Role::ALL;
    all.into_iter().find(|role| role.as_str() == text).ok_or_else(|| "it is `viewer`, `analyst` or `admin`".to_owned())
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
    Jsonl,
    Csv,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    Table,
    Csv,
    Json,
    Jsonl,
    Parquet,
}

impl From<ListFormat> for QueryFormat {
    fn from(format: ListFormat) -> Self {
        match format {
            ListFormat::Table => QueryFormat::Table,
            ListFormat::Json => QueryFormat::Json,
            ListFormat::Jsonl => QueryFormat::Jsonl,
            ListFormat::Csv => QueryFormat::Csv,
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_consistent() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
