//! Who may ask what: logins, sessions, roles, masks, and the record of who looked at what.
//!
//! Every request passes [`gate`] and nothing answers before it: it knows who asks, whether that may be asked, puts the data of
//! viewers behind a mask if the operator wants that, and hands what is looked up to whoever writes it down. Without
//! [`Access`] (on the loopback interface) whoever asks is an admin of this machine, and the rest holds as well.

mod cookie;
pub(crate) mod gate;
pub(crate) mod login;
mod lookups;
mod mask;
mod masked;
mod session;
mod throttle;
mod who;

use std::{sync::Arc, time::Duration};

use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;

pub use lookups::{Notebook, Scribe};
pub(crate) use mask::Mask;
pub(crate) use masked::{MaskedAlerts, MaskedEngine};
pub use session::{KeptSession, KeptSessions, SessionKeeper};
pub use who::{Role, Who};

use session::Sessions;
use throttle::Throttle;

/// The users of a deployment. Both questions may take a moment.
pub trait Users: Send + Sync + 'static {
    /// The user with this name and this password. Takes as long for a name that nobody has.
    fn check(&self, name: &str, password: &SecretString) -> Option<User>;

    /// The user with this name as it is now.
    fn find(&self, name: &str) -> Option<User>;
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Another one after each change of the password: sessions with an older mark end.
    pub mark: String,
}

/// How people get in.
#[derive(Clone)]
pub struct Access {
    users: Arc<dyn Users>,
    sessions: Arc<Sessions>,
    throttle: Arc<Throttle>,
    metrics_token: Option<SecretString>,
    is_proxied: bool,
    is_secure: bool,
    viewers_export: bool,
}

/// How long sessions last, what stands before the service, and what viewers may.
#[derive(Clone, Default)]
pub struct AccessOptions {
    /// A session that nobody uses ends after so long.
    pub idle: Duration,
    /// Every session ends after so long.
    pub longest: Duration,
    /// Whether a reverse proxy with TLS stands before the service: cookies are for TLS alone then, and the proxy's word for
    /// who asks is taken.
    pub is_proxied: bool,
    /// Whether the service itself speaks TLS: cookies are for TLS alone then.
    pub is_secure: bool,
    /// Whether viewers may save what they see, and ask the API for records.
    pub viewers_export: bool,
    /// Who sends it may read `/metrics`, and nothing else.
    pub metrics_token: Option<SecretString>,
    /// Keeps sessions beyond the end of the program.
    pub keeper: Option<Arc<dyn SessionKeeper>>,
}

impl Access {
    /// Whether viewers may save what they see.
    pub(crate) fn viewers_export(&self) -> bool {
        self.viewers_export
    }

    /// Lets these users in.
    pub fn new(users: Arc<dyn Users>, options: AccessOptions) -> Access {
        Access {
            users,
            sessions: Arc::new(Sessions::new(options.idle, options.longest, options.keeper)),
            throttle: Arc::default(),
            metrics_token: options.metrics_token,
            is_proxied: options.is_proxied,
            is_secure: options.is_secure || options.is_proxied,
            viewers_export: options.viewers_export,
        }
    }

    /// Keeps when sessions were last used, at the end of the program.
    pub async fn finish(&self, patience: Duration) {
        self.sessions.finish(patience).await;
    }
}

/// 256 random bits. `None` if the system has none to give.
pub(crate) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
