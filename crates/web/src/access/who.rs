//! Who asks: set once for each request, and known to everything that answers it.

use serde::{Deserialize, Serialize};

/// What somebody may do; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Deals with alerts, asks with SQL, tries rules.
    Analyst,
    /// Switches rules, sees the settings and who looked at what.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Analyst, Role::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Analyst => "analyst",
            Role::Admin => "admin",
        }
    }

    /// Whether alerts may be dealt with, and SQL asked.
    pub fn may_act(self) -> bool {
        self >= Role::Analyst
    }

    /// Whether rules may be switched and settings seen.
    pub fn may_rule(self) -> bool {
        self == Role::Admin
    }
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The name that stands beside what they do.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What each form of theirs has to carry.
    pub csrf: String,
    /// Whether they have logged in, and so can log out.
    pub has_session: bool,
}

tokio::task_local! {
    static WHO: Who;
}

impl Who {
    /// Whoever asks from this machine, where no login is asked for.
    pub fn here(csrf: String) -> Who {
        Who { name: "this machine".to_owned(), role: Role::Admin, csrf, has_session: false }
    }

    /// Whoever asks without having logged in, for what anybody may see.
    pub(crate) fn nobody() -> Who {
        Who { name: String::new(), role: Role::Viewer, csrf: String::new(), has_session: false }
    }

    /// Whether it is known who asks.
    pub(crate) fn is_known(&self) -> bool {
        !self.name.is_empty()
    }

    /// Who made the request that is being answered.
    pub fn current() -> Who {
        WHO.try_with(Who::clone).unwrap_or_else(|_| Who::here(String::new()))
    }

    /// Answers as asked by this one.
    pub async fn scope<F: Future>(self, answer: F) -> F::Output {
        WHO.scope(self, answer).await
    }
}
