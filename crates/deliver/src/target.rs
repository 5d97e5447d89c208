//! The kinds of destinations, with their settings as they are when secrets have been read.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::{
    channel::Channel,
    email::{Email, Mail},
    failure::SettingError,
    file::{File, Output},
    http::Network,
    pagerduty::PagerDuty,
    slack::Slack,
    teams::{Teams, TeamsForm},
    webhook::Webhook,
};

/// A destination's settings.
#[derive(Debug, Clone)]
pub enum Target {
    /// An incoming webhook of Slack.
    Slack {
        /// Its address.
        url: SecretString,
    },
    /// A webhook of Microsoft Teams.
    Teams {
        /// Its address.
        url: SecretString,
        /// What it takes.
        form: TeamsForm,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// Where events go, if not to PagerDuty's own address.
        url: Option<SecretString>,
        /// The integration key.
        routing_key: SecretString,
    },
    /// A webhook of anybody's.
    Webhook {
        /// Its address.
        url: SecretString,
        /// What bodies are signed with.
        secret: Option<SecretString>,
        /// What stands in `Authorization: Bearer`.
        token: Option<SecretString>,
    },
    /// Mail.
    Email(Mail),
    /// A file that grows by a line of JSON for each notice.
    File {
        /// The file.
        path: PathBuf,
    },
    /// The same lines on standard output.
    Stdout,
}

impl Target {
    /// Checks the settings and makes the destination ready. Touches no network.
    ///
    /// # Errors
    /// Says what is wrong and what would be right; never shows a secret.
    pub fn open(&self, network: &Network) -> Result<Box<dyn Channel>, SettingError> {
        Ok(match self {
            Target::Slack { url } => Box::new(Slack::new(url, network)?),
            Target::Teams { url, form } => Box::new(Teams::new(url, *form, network)?),
            Target::PagerDuty { url, routing_key } => Box::new(PagerDuty::new(url.as_ref(), routing_key, network)?),
            Target::Webhook { url, secret, token } => {
                Box::new(Webhook::new(url, secret.as_ref(), token.as_ref(), network)?)
            }
            Target::Email(mail) => Box::new(Email::new(mail, network)?),
            Target::File { path } => Box::new(File::new(path)),
            Target::Stdout => Box::new(Output::stdout()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::MailSecurity;

    #[test]
    fn no_debug_shows_a_secret() {
        let secret = || SecretString::from("https://SECRET.example/SECRET");
        let mail = Mail {
            host: "mail.example".into(),
            port: None,
            security: MailSecurity::Tls,
            user: Some("u".into()),
            password: Some(secret()),
            from: "a@b.example".into(),
            to: Vec::new(),
        };
        for target in [
            Target::Slack { url: secret() },
            Target::Teams { url: secret(), form: TeamsForm::Workflow },
            Target::PagerDuty { url: Some(secret()), routing_key: secret() },
            Target::Webhook { url: secret(), secret: Some(secret()), token: Some(secret()) },
            Target::Email(mail),
        ] {
            let error = target.open(&Network::default()).err().map(|error| format!("{error:?}")).unwrap_or_default();
            let shown = format!("{target:?} {error}");
            assert!(!shown.contains("SECRET"), "{shown}");
        }
        let network = Network { proxy: Some(secret()), ..Network::default() };
        assert!(!format!("{network:?}").contains("SECRET"));
    }
}
