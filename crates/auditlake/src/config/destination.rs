//! A destination's settings: which alerts it is told of, and where its secrets come from.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use auditlake_store::alert::Severity;
use deliver::{Channel, Mail, MailSecurity, Network, Open, Patience, Route, SettingError, Target, TeamsForm};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::{Table, Value};

use super::SETTINGS;

/// What alerts are delivered to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DestinationConfig {
    pub name: String,
    pub kind: Option<Kind>,
    pub severity: Option<Severity>,
    pub rules: Vec<String>,
    pub max_age_days: Option<u32>,
    pub give_up_hours: Option<u32>,
    pub timeout_seconds: Option<f64>,
    #[serde(deserialize_with = "super::source::secret")]
    pub proxy: Option<SecretString>,
    pub ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "super::source::secret")]
    pub url: Option<SecretString>,
    pub url_file: Option<PathBuf>,
    pub url_command: Option<String>,
    pub form: Option<Form>,
    #[serde(deserialize_with = "super::source::secret")]
    pub key: Option<SecretString>,
    pub key_file: Option<PathBuf>,
    pub key_command: Option<String>,
    #[serde(deserialize_with = "super::source::secret")]
    pub secret: Option<SecretString>,
    pub secret_file: Option<PathBuf>,
    pub secret_command: Option<String>,
    #[serde(deserialize_with = "super::source::secret")]
    pub token: Option<SecretString>,
    pub token_file: Option<PathBuf>,
    pub token_command: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub security: Option<Security>,
    pub user: Option<String>,
    #[serde(deserialize_with = "super::source::secret")]
    pub password: Option<SecretString>,
    pub password_file: Option<PathBuf>,
    pub password_command: Option<String>,
    pub from: Option<String>,
    pub to: Vec<String>,
    pub path: Option<PathBuf>,
}

/// What kind of destination it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Slack,
    Teams,
    Pagerduty,
    Webhook,
    Email,
    File,
    Stdout,
}

/// What an address of Teams takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Workflow,
    Connector,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    Starttls,
    Tls,
    None,
}

impl Kind {
    /// The settings that it must have, and those that it may have, besides those of every destination.
    fn settings(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Kind::Slack => (&["url"], &[]),
            Kind::Teams => (&["url"], &["form"]),
            Kind::Pagerduty => (&["key"], &["url"]),
            Kind::Webhook => (&["url"], &["secret", "token"]),
            Kind::Email => (&["host", "from", "to"], &["port", "security", "user", "password"]),
            Kind::File => (&["path"], &[]),
            Kind::Stdout => (&[], &[]),
        }
    }
}

/// Makes a destination of the environment's settings where the file names none.
pub fn overlay(table: &mut Table, variable: impl Fn(&str) -> Option<String> + Copy) -> Result<()> {
    if table.contains_key("destination") {
        return Ok(());
    }
    let mut destination = Table::new();
    for setting in SETTINGS.iter().filter(|setting| setting.section == "destination") {
        destination.extend(setting.read(variable)?.map(|value| (setting.name.to_owned(), value)));
    }
    if let Some(kind) = destination.get("kind").cloned() {
        destination.entry("name").or_insert(kind);
        table.insert("destination".to_owned(), Value::Array(vec![Value::Table(destination)]));
    }
    Ok(())
}

impl DestinationConfig {
    /// What is wrong with it, if anything. Reads no secret.
    pub fn check(&self) -> Result<()> {
        let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return Err(anyhow!("`name` must be 1 to 64 letters, digits, `-`, `_` or `.`"));
        }
        let Some(kind) = self.kind else {
            return Err(anyhow!("`kind` must be one of slack, teams, pagerduty, webhook, email, file, stdout"));
        };
        let (needed, allowed) = kind.settings();
        let set = self.set();
        if let Some(name) = needed.iter().find(|name| !set.contains(name)) {
            return Err(anyhow!("`{name}` is not set"));
        }
        if let Some(name) = set.iter().find(|name| !needed.contains(name) && !allowed.contains(name)) {
            return Err(anyhow!("`{name}` is no setting of this kind of destination"));
        }
        self.route().check().map_err(|error| anyhow!("{error}: {}", error.hint))
    }

    /// The settings of some kinds only that are set, a secret by its own name wherever it comes from.
    fn set(&self) -> Vec<&'static str> {
        let secret = |text: &Option<SecretString>, file: &Option<PathBuf>, command: &Option<String>| {
            text.is_some() || file.is_some() || command.is_some()
        };
        [
            ("url", secret(&self.url, &self.url_file, &self.url_command)),
            ("form", self.form.is_some()),
            ("key", secret(&self.key, &self.key_file, &self.key_command)),
            ("secret", secret(&self.secret, &self.secret_file, &self.secret_command)),
            ("token", secret(&self.token, &self.token_file, &self.token_command)),
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("security", self.security.is_some()),
            ("user", self.user.is_some()),
            ("password", secret(&self.password, &self.password_file, &self.password_command)),
            ("from", self.from.is_some()),
            ("to", !self.to.is_empty()),
            ("path", self.path.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect()
    }

    /// Which alerts it is told of.
    pub fn route(&self) -> Route {
        let usual = Route::default();
        Route {
            severity: self.severity.unwrap_or(usual.severity),
            rules: self.rules.clone(),
            max_age: self.max_age_days.map_or(usual.max_age, |days| SignedDuration::from_hours(i64::from(days) * 24)),
        }
    }

    /// How long is tried.
    pub fn patience(&self) -> Patience {
        let usual = Patience::default();
        let hours = self.give_up_hours.map(|hours| Duration::from_secs(u64::from(hours) * 3_600));
        Patience { give_up_after: hours.unwrap_or(usual.give_up_after), ..usual }
    }

    fn network(&self) -> Network {
        let is_direct = self.proxy.as_ref().is_some_and(|proxy| proxy.expose_secret() == "direct");
        Network {
            proxy: self.proxy.clone().filter(|_| !is_direct),
            is_direct,
            ca_file: self.ca_file.clone(),
            timeout: self.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(1.0)).ok()),
        }
    }

    /// The kind with its settings, secrets read from wherever they are configured.
    async fn target(&self) -> Result<Target, SettingError> {
        let url = async || read("url", &self.url, &self.url_file, &self.url_command).await;
        Ok(match self.kind {
            Some(Kind::Slack) => Target::Slack { url: some("url", url().await?)? },
            Some(Kind::Teams) => Target::Teams {
                url: some("url", url().await?)?,
                form: match self.form {
                    Some(Form::Connector) => TeamsForm::Connector,
                    _ => TeamsForm::Workflow,
                },
            },
            Some(Kind::Pagerduty) => Target::PagerDuty {
                url: url().await?,
                routing_key: some("key", read("key", &self.key, &self.key_file, &self.key_command).await?)?,
            },
            Some(Kind::Webhook) => Target::Webhook {
                url: some("url", url().await?)?,
                secret: read("secret", &self.secret, &self.secret_file, &self.secret_command).await?,
                token: read("token", &self.token, &self.token_file, &self.token_command).await?,
            },
            Some(Kind::Email) => Target::Email(Mail {
                host: self.host.clone().unwrap_or_default(),
                port: self.port,
                security: match self.security {
                    Some(Security::Tls) => MailSecurity::Tls,
                    Some(Security::None) => MailSecurity::None,
                    _ => MailSecurity::Starttls,
                },
                user: self.user.clone(),
                password: read("password", &self.password, &self.password_file, &self.password_command).await?,
                from: self.from.clone().unwrap_or_default(),
                to: self.to.clone(),
            }),
            Some(Kind::File) => Target::File { path: self.path.clone().unwrap_or_default() },
            Some(Kind::Stdout) => Target::Stdout,
            None => return Err(wrong("`kind` is not set", "docs/alerts.md shows one of each kind")),
        })
    }
}

#[async_trait]
impl Open for DestinationConfig {
    async fn open(&self) -> Result<Box<dyn Channel>, SettingError> {
        self.target().await?.open(&self.network())
    }
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> SettingError {
    SettingError { message: message.into(), hint: hint.into() }
}

fn some(name: &str, secret: Option<SecretString>) -> Result<SecretString, SettingError> {
    secret.ok_or_else(|| wrong(format!("`{name}` is not set"), format!("set {name}, {name}_file or {name}_command")))
}

/// A secret, from wherever it is configured. No error says what it is.
async fn read(
    name: &str,
    text: &Option<SecretString>,
    file: &Option<PathBuf>,
    command: &Option<String>,
) -> Result<Option<SecretString>, SettingError> {
    let found = if let Some(text) = text {
        text.expose_secret().trim().to_owned()
    } else if let Some(path) = file {
        let text = tokio::fs::read_to_string(path).await;
        let failed =
            |error| wrong(format!("cannot read {name}_file {}: {error}", path.display()), "look at its permissions");
        text.map_err(failed)?.trim().to_owned()
    } else if let Some(command) = command {
        ask(name, command).await?
    } else {
        return Ok(None);
    };
    match found.is_empty() {
        true => Err(wrong(format!("the {name} is empty"), format!("look at {name}, {name}_file or {name}_command"))),
        false => Ok(Some(found.into())),
    }
}

async fn ask(name: &str, command: &str) -> Result<String, SettingError> {
    let hint = "run it by hand, as the user of the service";
    let output = tokio::process::Command::new("sh").arg("-c").arg(command).kill_on_drop(true).output().await;
    let output = output.map_err(|error| wrong(format!("cannot run {name}_command: {error}"), hint))?;
    if !output.status.success() {
        return Err(wrong(format!("{name}_command ended with {}", output.status), hint));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| wrong(format!("{name}_command printed no text"), hint))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> DestinationConfig {
        toml::from_str(text).expect("a destination")
    }

    #[test]
    fn each_kind_says_what_it_lacks() {
        for (text, expected) in [
            ("name = 'a b'\nkind = 'stdout'", "`name` must be"),
            ("name = 'a'", "`kind` must be one of"),
            ("name = 'a'\nkind = 'slack'", "`url` is not set"),
            ("name = 'a'\nkind = 'email'\nhost = 'h'\nfrom = 'f'", "`to` is not set"),
            ("name = 'a'\nkind = 'slack'\nurl_file = '/u'\nsecret = 's'", "`secret` is no setting of this kind"),
            ("name = 'a'\nkind = 'stdout'\nrules = ['-']", "names no rule"),
        ] {
            let error = destination(text).check().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in [
            "name = 'a'\nkind = 'slack'\nurl_command = 'x'",
            "name = 'a'\nkind = 'pagerduty'\nkey = 'k'\nseverity = 'critical'",
            "name = 'a'\nkind = 'webhook'\nurl = 'u'\nsecret_file = '/s'\nproxy = 'direct'",
            "name = 'a'\nkind = 'email'\nhost = 'h'\nfrom = 'f'\nto = ['t']\nsecurity = 'tls'",
            "name = 'a'\nkind = 'file'\npath = '/p'\nrules = ['sso_*', '-sso_x']",
        ] {
            destination(text).check().expect(text);
        }
    }

    #[tokio::test]
    async fn secrets_come_from_text_file_or_command_and_are_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url");
        std::fs::write(&path, "https://hooks.example/SECRET\n").unwrap();
        let shown = path.display();
        for text in [
            "url = 'https://hooks.example/SECRET'".to_owned(),
            format!("url_file = '{shown}'"),
            format!("url_command = 'cat {shown}'"),
        ] {
            let config = destination(&format!("name = 'a'\nkind = 'slack'\n{text}"));
            let Target::Slack { url } = config.target().await.unwrap() else { panic!("{text}") };
            assert_eq!(url.expose_secret(), "https://hooks.example/SECRET");
            assert!(!format!("{config:?}").contains("SECRET"));
            config.open().await.map(drop).unwrap();
        }
        for text in ["url_file = '/missing'", "url_command = 'exit 3'", "url_command = 'true'"] {
            let config = destination(&format!("name = 'a'\nkind = 'slack'\n{text}"));
            assert!(config.open().await.is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_makes_one() {
        let variable = |name: &str| match name {
            "AUDITLAKE_DESTINATION_KIND" => Some("slack".to_owned()),
            "AUDITLAKE_DESTINATION_URL_FILE" => Some("/run/slack".to_owned()),
            _ => None,
        };
        let mut table = Table::new();
        overlay(&mut table, variable).unwrap();
        let made: Vec<DestinationConfig> = table["destination"].clone().try_into().unwrap();
        assert_eq!((made[0].name.as_str(), made[0].kind), ("slack", Some(Kind::Slack)));
        made[0].check().unwrap();
        let mut table = "[[destination]]\nname = 'a'\nkind = 'stdout'\n".parse::<Table>().unwrap();
        overlay(&mut table, variable).unwrap();
        assert_eq!(table["destination"].as_array().unwrap().len(), 1);
        let mut none = Table::new();
        overlay(&mut none, |_| None).unwrap();
        assert!(none.is_empty());
    }
}
