//! Who is asking: from the text of a key to its identity. Where keys are kept is the owner's to know.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The scope that a key needs for the feed.
pub const SCOPE: &str = "read:compliance_activities";

/// What is known of a good key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIdentity {
    /// The key's id (never the key).
    pub id: String,
    /// What it may do; [`SCOPE`] for the feed.
    pub scopes: Vec<String>,
    /// Its own budget of requests a minute, within the shared one.
    pub requests_per_minute: Option<u32>,
}

impl KeyIdentity {
    /// A key that may read the feed, without a budget of its own.
    pub fn reader(id: impl Into<String>) -> KeyIdentity {
        KeyIdentity { id: id.into(), scopes: vec![SCOPE.into()], requests_per_minute: None }
    }
}

/// Why a key does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no such key.
    #[error("no such key")]
    Unknown,
    /// There was.
    #[error("the key {id} is revoked")]
    Revoked {
        /// The key's id: who still uses it is worth knowing.
        id: String,
    },
    /// It cannot be told now; the caller is answered 500. The owner logs the cause.
    #[error("keys cannot be looked up")]
    Unavailable,
}

/// Something that knows keys.
#[async_trait::async_trait]
pub trait Keys: Send + Sync + 'static {
    /// Whose key this is. Implementations compare in constant time ([`same_secret`]) or look up by hash.
    async fn identify(&self, key: &str) -> Result<KeyIdentity, KeyError>;
}

/// One fixed key, as of a simulator.
#[derive(Debug)]
pub struct OneKey {
    key: SecretString,
    identity: KeyIdentity,
}

impl OneKey {
    /// The key and who it is.
    pub fn new(key: SecretString, identity: KeyIdentity) -> OneKey {
        OneKey { key, identity }
    }
}

#[async_trait::async_trait]
impl Keys for OneKey {
    async fn identify(&self, key: &str) -> Result<KeyIdentity, KeyError> {
        if same_secret(key, self.key.expose_secret()) { Ok(self.identity.clone()) } else { Err(KeyError::Unknown) }
    }
}

/// Whether two secrets are the same, in a time that tells neither where they differ nor how long they are.
pub fn same_secret(a: &str, b: &str) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_whole_key_opens() {
        let keys = OneKey::new("sk-ant-api01-a".into(), KeyIdentity::reader("apikey_1"));
        assert_eq!(keys.identify("sk-ant-api01-a").await, Ok(KeyIdentity::reader("apikey_1")));
        for wrong in ["", "sk-ant-api01-", "sk-ant-api01-ab", "SK-ANT-API01-A"] {
            assert_eq!(keys.identify(wrong).await, Err(KeyError::Unknown));
        }
        assert!(!format!("{keys:?}").contains("sk-ant"));
    }
}
