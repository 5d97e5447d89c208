//! The list of all settings, and the page that is made of it.

use std::fmt::Write;

use anyhow::Result;
use toml::Value;

use crate::hinted;

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Whole,
    Number,
    List,
    Switch,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its table in the file; empty at the top, `source` for each `[[source]]`.
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    /// What holds if it is not set, in words.
    pub default: &'static str,
    pub example: &'static str,
    pub about: &'static str,
}

const fn setting(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting { section, name, kind, default, example, about }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting(
        "",
        "data",
        Kind::Text,
        "the platform's data directory",
        "/var/lib/auditlake",
        "the data directory; `--data` counts more",
    ),
    setting("", "workspace", Kind::Text, "default", "security", "the deployment's workspace, column `workspaceID`"),
    setting(
        "server",
        "listen",
        Kind::Text,
        "127.0.0.1:8420",
        "127.0.0.1:8420",
        "where page and API answer; other machines than this one need a login ([access.md](access.md))",
    ),
    setting(
        "server",
        "hosts",
        Kind::List,
        "none",
        "lake.example.com",
        "names under which the page may be asked for, beside those of this machine; requests under any other are refused",
    ),
    setting(
        "server",
        "behind_proxy",
        Kind::Switch,
        "false",
        "true",
        "a reverse proxy with TLS stands before it: a login is needed, cookies are for TLS alone, and its `X-Forwarded-For` is believed",
    ),
    setting(
        "server",
        "tls_cert",
        Kind::Text,
        "none: no TLS",
        "/etc/ssl/lake.crt",
        "the certificate with its chain, as PEM; with it, the page is served by TLS alone",
    ),
    setting("server", "tls_key", Kind::Text, "none", "/etc/ssl/lake.key", "the certificate's key, as PEM"),
    setting(
        "access",
        "require_login",
        Kind::Switch,
        "false",
        "true",
        "ask for a login on the loopback interface, too: for a reverse proxy on this machine",
    ),
    setting(
        "access",
        "mask_for_viewers",
        Kind::Switch,
        "false",
        "true",
        "viewers see names in the place of e-mail addresses and IP addresses, and no titles",
    ),
    setting(
        "access",
        "viewers_may_export",
        Kind::Switch,
        "false",
        "true",
        "viewers may save what they see as CSV and JSON lines, and ask the API for records",
    ),
    setting("access", "idle_minutes", Kind::Whole, "120", "30", "a session that nobody uses ends after so long"),
    setting("access", "session_hours", Kind::Whole, "24", "12", "every session ends after so long"),
    setting(
        "access",
        "lookups_days",
        Kind::Whole,
        "400",
        "90",
        "who looked up what is forgotten after so many days; 0 keeps it for ever",
    ),
    setting(
        "access",
        "metrics_token",
        Kind::Text,
        "none",
        "…",
        "who sends it as `Authorization: Bearer` may read `/metrics` and nothing else, better in the environment than in the file",
    ),
    setting("access", "metrics_token_file", Kind::Text, "none", "/run/secrets/metrics", "a file that holds it"),
    setting("store", "memory_mb", Kind::Whole, "1024", "4096", "memory for the engine, in MiB"),
    setting(
        "store",
        "spill_mb",
        Kind::Whole,
        "20480",
        "51200",
        "disk for queries that need more than their memory, in MiB",
    ),
    setting("store", "threads", Kind::Whole, "the number of cores", "4", "threads for queries"),
    setting(
        "store",
        "url",
        Kind::Text,
        "the embedded engine",
        "clickhouse+https://auditlake@db.example.com:8443/auditlake",
        "a ClickHouse server that holds the data instead; `--store` counts more. [operations/scale.md](operations/scale.md) tells of it",
    ),
    setting(
        "store",
        "password",
        Kind::Text,
        "none",
        "…",
        "the account's password, better in the environment than in the file",
    ),
    setting("store", "password_file", Kind::Text, "none", "/run/secrets/clickhouse", "a file that holds the password"),
    setting(
        "store",
        "cluster",
        Kind::Text,
        "none",
        "main",
        "the cluster on whose hosts the tables are made, by its name in the server's configuration",
    ),
    setting("query", "timeout_seconds", Kind::Number, "300", "60", "time after which a query is cancelled, in seconds"),
    setting("query", "max_rows", Kind::Whole, "10000000", "1000000", "rows after which a query ends with an error"),
    setting(
        "feed",
        "requests_per_minute",
        Kind::Whole,
        "6000",
        "600",
        "the budget of the served feed, all its keys together; upstream's own is 600",
    ),
    setting("feed", "serve_own_reads", Kind::Switch, "false", "true", "whether the served feed shows who read it, too"),
    setting(
        "detect",
        "rules",
        Kind::Text,
        "none",
        "/etc/auditlake/rules",
        "a directory of rules, exceptions and overrides beside those that are compiled in (docs/rules.md)",
    ),
    setting(
        "detect",
        "silent_hours",
        Kind::Whole,
        "24",
        "8",
        "hours without any activity from a source that make an alert; 0: none do",
    ),
    setting(
        "detect",
        "stalled_minutes",
        Kind::Whole,
        "60",
        "15",
        "minutes without an answer of the feed that make an alert; 0: none do",
    ),
    setting(
        "enrich",
        "databases",
        Kind::List,
        "none",
        "/var/lib/GeoIP/GeoLite2-City.mmdb",
        "location databases in MaxMind's format, the one that counts most first; `documentation-ranges` is the built-in one of \
         the simulator's networks",
    ),
    setting(
        "enrich",
        "directory",
        Kind::Text,
        "none",
        "/etc/auditlake/people.csv",
        "a CSV file of people and service accounts, with a header; taken up when it changes",
    ),
    setting("enrich", "user_agents", Kind::Switch, "true", "false", "whether user agents are taken apart"),
    setting(
        "enrich",
        "check_seconds",
        Kind::Whole,
        "60",
        "600",
        "how often the service looks whether these files have changed",
    ),
    setting(
        "enrich",
        "update_urls",
        Kind::List,
        "DB-IP City Lite and ASN Lite",
        "https://mirror.example.com/dbip-city-lite-{month}.mmdb.gz",
        "what `auditlake enrich update` fetches; `{month}` is the month such as `2026-04`",
    ),
    setting(
        "source",
        "name",
        Kind::Text,
        "required",
        "main",
        "the source's id, column `sourceID`; keep it, as records are known by it",
    ),
    setting(
        "source",
        "base_url",
        Kind::Text,
        "https://api.anthropic.com",
        "https://api.anthropic.com",
        "the feed's address",
    ),
    setting(
        "source",
        "key",
        Kind::Text,
        "none",
        "sk-ant-api01-…",
        "the access key itself; a file or a command is better",
    ),
    setting(
        "source",
        "key_file",
        Kind::Text,
        "none",
        "/run/secrets/anthropic",
        "a file that holds the key; read again when it changes",
    ),
    setting(
        "source",
        "key_command",
        Kind::Text,
        "none",
        "vault kv get -field=key secret/claude",
        "a shell command that prints the key",
    ),
    setting(
        "source",
        "proxy",
        Kind::Text,
        "`HTTPS_PROXY` and `NO_PROXY` of the environment",
        "http://proxy.example:3128",
        "the proxy that requests go through: `http://`, `https://` or `socks5://`, with user and password if it wants them",
    ),
    setting(
        "source",
        "ca_file",
        Kind::Text,
        "only the platform's certificates",
        "/etc/ssl/company.pem",
        "certificates (PEM) to trust besides the platform's, as of a proxy that opens TLS",
    ),
    setting(
        "source",
        "organization_ids",
        Kind::List,
        "all that the key may read",
        "[\"org_01…\"]",
        "only these organizations, by id or UUID",
    ),
    setting(
        "source",
        "backfill_from",
        Kind::Text,
        "90d",
        "2025-01-01",
        "how far back the first run reads: a date, a time, or an age",
    ),
    setting(
        "source",
        "interval_seconds",
        Kind::Whole,
        "60",
        "60",
        "how often new activities are asked for, at least 5",
    ),
    setting(
        "source",
        "overlap_seconds",
        Kind::Whole,
        "300",
        "600",
        "how much of the time before is read again each time, for late arrivals",
    ),
    setting("source", "retention_days", Kind::Whole, "2190", "2190", "the retention, column `sourceTTL`"),
    setting("source", "requests_per_minute", Kind::Whole, "600", "600", "the feed's budget for the whole company"),
    setting(
        "source",
        "leave_percent",
        Kind::Whole,
        "20",
        "20",
        "the share of that budget left to the company's other tools",
    ),
    setting(
        "source",
        "budget_group",
        Kind::Text,
        "by address and organization",
        "acme",
        "sources with the same name here share one budget, as the feed counts by organization and not by key; unless set, those with the same `base_url` share one, except where their `organization_ids` have none in common. The smallest `requests_per_minute` and the largest `leave_percent` of them count",
    ),
    setting(
        "source",
        "reconcile",
        Kind::List,
        "[\"1h:24h\", \"24h:7d\"]",
        "[\"1h:24h\", \"7d:90d\"]",
        "when older windows are read again and compared, as `every:span`: hourly the last day and daily the last week; `[]` for never",
    ),
    setting(
        "source",
        "stalled_minutes",
        Kind::Whole,
        "30",
        "60",
        "after so long without our own requests in a feed that has shown them before, the source is called stalled",
    ),
    setting(
        "alerts",
        "link",
        Kind::Text,
        "the address that the service listens on",
        "https://auditlake.example.com",
        "the page's address as people reach it, for links in notices",
    ),
    setting(
        "destination",
        "name",
        Kind::Text,
        "the kind, from the environment; else required",
        "soc",
        "what it is called in lists; keep it, as what waits is known by it",
    ),
    setting(
        "destination",
        "kind",
        Kind::Text,
        "required",
        "slack",
        "`slack`, `teams`, `pagerduty`, `webhook`, `email`, `file` or `stdout`",
    ),
    setting(
        "destination",
        "severity",
        Kind::Text,
        "medium",
        "high",
        "the mildest severity that it is told of: `informational`, `low`, `medium`, `high`, `critical`",
    ),
    setting(
        "destination",
        "rules",
        Kind::List,
        "all",
        "[\"sso_*\", \"-sso_test\"]",
        "rule ids, `*` for any text; with `-` in front: not these",
    ),
    setting(
        "destination",
        "max_age_days",
        Kind::Whole,
        "7",
        "30",
        "an alert whose last activity is older when it is raised is not told",
    ),
    setting(
        "destination",
        "give_up_hours",
        Kind::Whole,
        "24",
        "72",
        "after so long a notice that cannot be delivered becomes a dead letter",
    ),
    setting("destination", "timeout_seconds", Kind::Number, "15", "30", "how long one attempt may take"),
    setting(
        "destination",
        "proxy",
        Kind::Text,
        "the system's",
        "http://proxy.internal:3128",
        "the proxy, or `direct`; mail goes through none",
    ),
    setting(
        "destination",
        "ca_file",
        Kind::Text,
        "none",
        "/etc/ssl/internal.pem",
        "certificates that are trusted besides the system's",
    ),
    setting(
        "destination",
        "url",
        Kind::Text,
        "none",
        "https://hooks.slack.com/services/…",
        "slack, teams, webhook: the address, which is a secret; pagerduty: only for the European service",
    ),
    setting("destination", "url_file", Kind::Text, "none", "/run/secrets/slack", "a file that holds it"),
    setting(
        "destination",
        "url_command",
        Kind::Text,
        "none",
        "vault kv get -field=url secret/slack",
        "a shell command that prints it",
    ),
    setting(
        "destination",
        "form",
        Kind::Text,
        "workflow",
        "connector",
        "teams: what the address takes, `workflow` or the old `connector`",
    ),
    setting(
        "destination",
        "key",
        Kind::Text,
        "none",
        "0123…",
        "pagerduty: the integration key of an Events API v2 integration",
    ),
    setting("destination", "key_file", Kind::Text, "none", "/run/secrets/pagerduty", "a file that holds it"),
    setting(
        "destination",
        "key_command",
        Kind::Text,
        "none",
        "vault kv get -field=key secret/pagerduty",
        "a shell command that prints it",
    ),
    setting("destination", "secret", Kind::Text, "none: not signed", "whsec_…", "webhook: what bodies are signed with"),
    setting("destination", "secret_file", Kind::Text, "none", "/run/secrets/webhook", "a file that holds it"),
    setting(
        "destination",
        "secret_command",
        Kind::Text,
        "none",
        "vault kv get -field=secret secret/webhook",
        "a shell command that prints it",
    ),
    setting("destination", "token", Kind::Text, "none", "…", "webhook: sent as `Authorization: Bearer`"),
    setting("destination", "token_file", Kind::Text, "none", "/run/secrets/token", "a file that holds it"),
    setting(
        "destination",
        "token_command",
        Kind::Text,
        "none",
        "vault kv get -field=token secret/webhook",
        "a shell command that prints it",
    ),
    setting("destination", "host", Kind::Text, "none", "mail.example.com", "email: the server"),
    setting("destination", "port", Kind::Whole, "587, 465 or 25, by `security`", "2525", "email: its port"),
    setting(
        "destination",
        "security",
        Kind::Text,
        "starttls",
        "tls",
        "email: `starttls`, `tls`, or `none` for a relay on this machine",
    ),
    setting("destination", "user", Kind::Text, "none", "auditlake", "email: the user"),
    setting("destination", "password", Kind::Text, "none", "…", "email: the password"),
    setting("destination", "password_file", Kind::Text, "none", "/run/secrets/mail", "a file that holds it"),
    setting(
        "destination",
        "password_command",
        Kind::Text,
        "none",
        "vault kv get -field=password secret/mail",
        "a shell command that prints it",
    ),
    setting("destination", "from", Kind::Text, "none", "Auditlake <auditlake@example.com>", "email: the sender"),
    setting("destination", "to", Kind::List, "none", "[\"soc@example.com\"]", "email: the recipients"),
    setting(
        "destination",
        "path",
        Kind::Text,
        "none",
        "/var/log/auditlake/alerts.jsonl",
        "file: where a line of JSON is added for each notice",
    ),
];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Whole => "a whole number",
            Kind::Number => "a number",
            Kind::List => "a list of texts",
            Kind::Switch => "true or false",
        }
    }

    pub fn parse(self, text: &str) -> Option<Value> {
        Some(match self {
            Kind::Text => Value::String(text.to_owned()),
            Kind::Whole => Value::Integer(text.trim().parse().ok()?),
            Kind::Number => Value::Float(text.trim().parse().ok()?),
            Kind::Switch => Value::Boolean(text.trim().parse().ok()?),
            Kind::List => Value::Array(text.split(',').map(|item| Value::String(item.trim().to_owned())).collect()),
        })
    }
}

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        match self.section {
            "" => format!("AUDITLAKE_{}", self.name.to_uppercase()),
            section => format!("AUDITLAKE_{}_{}", section.to_uppercase(), self.name.to_uppercase()),
        }
    }

    /// Its value in the environment, if it is there.
    ///
    /// # Errors
    /// Says which variable holds what it must not.
    pub fn read(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Value>> {
        let name = self.variable();
        let Some(text) = variable(&name) else { return Ok(None) };
        let value = self.kind.parse(&text);
        let wrong = || {
            hinted(format!("{name}: {text:?} is not {}", self.kind.name()), format!("{}: {}", self.path(), self.about))
        };
        value.map(Some).ok_or_else(wrong)
    }

    /// Where it stands in the file.
    pub fn path(&self) -> String {
        match self.section {
            "" => self.name.to_owned(),
            section => format!("{section}.{}", self.name),
        }
    }
}

/// The reference page.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for (section, about) in [
        ("", "At the top of the file."),
        ("server", "`[server]`"),
        ("access", "`[access]`: who may look. [access.md](access.md) tells of it."),
        ("store", "`[store]`: the embedded engine, of which the first three are, or a ClickHouse server."),
        ("query", "`[query]`: what one query may take."),
        ("feed", "`[feed]`: the Activity Feed that this deployment serves."),
        ("detect", "`[detect]`: rules and alerts."),
        (
            "enrich",
            "`[enrich]`: what is looked up of each activity. [operations.md](operations.md#enrichment) tells of it.",
        ),
        ("source", "`[[source]]`: one for each feed, each with a key of its own."),
        ("alerts", "`[alerts]`"),
        (
            "destination",
            "`[[destination]]`: one for each place that is told of alerts. [alerts.md](alerts.md) shows one of each kind.",
        ),
    ] {
        let _ = writeln!(page, "\n## {}\n\n{about}\n", if section.is_empty() { "General" } else { section });
        page.push_str("| Setting | Variable | Default | Meaning | Example |\n| --- | --- | --- | --- | --- |\n");
        for setting in SETTINGS.iter().filter(|setting| setting.section == section) {
            let Setting { name, default, about, example, .. } = setting;
            let _ = writeln!(page, "| `{name}` | `{}` | {default} | {about} | `{example}` |", setting.variable());
        }
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "# Configuration

<!-- Generated by `auditlake docs configuration`: change crates/auditlake/src/config/reference.rs, not this page. -->

`auditlake` reads `auditlake.toml` in the working directory, else in the platform's configuration directory
(`~/.config/auditlake` on Linux), or the file that `--config` names. Environment variables count more than the file, the
command line more than both. Unknown settings are errors.

Without any configuration, one source named `anthropic` is collected if `ANTHROPIC_COMPLIANCE_ACCESS_KEY` or
`ANTHROPIC_ADMIN_KEY` holds a key; `ANTHROPIC_BASE_URL` is the feed's address then, and the variables `AUDITLAKE_SOURCE_…` below
set that source up. With `[[source]]` tables in the file, those variables fill in what a table leaves out. Where the file has no
`[[destination]]`, the variables `AUDITLAKE_DESTINATION_…` set one up, if `AUDITLAKE_DESTINATION_KIND` is among them.
";

const TAIL: &str = "
## Example

```toml
workspace = \"security\"

[[source]]
name = \"main\"
key_file = \"/run/secrets/anthropic\"
backfill_from = \"2y\"
```
";
