//! The keys as the served feed asks for them: by hash, from the file as it is at this moment.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use feed::server::{KeyError, KeyIdentity, Keys};

use super::{Key, hash, path, read};
use crate::datadir::DataDir;

/// The keys of a running service.
pub struct KeyRing {
    path: PathBuf,
    held: Mutex<Held>,
}

/// The keys by the hash of their text, as the file held them when it looked like `stamp`.
#[derive(Default)]
struct Held {
    stamp: Option<Stamp>,
    keys: HashMap<String, Key>,
    /// The file is there and cannot be read: nobody can be let in, and nobody told that the key is wrong.
    is_broken: bool,
}

/// By what a replaced file is told from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyRing {
    pub fn new(data: &DataDir) -> KeyRing {
        KeyRing { path: path(data), held: Mutex::default() }
    }

    fn stamp(&self) -> Option<Stamp> {
        let data = std::fs::metadata(&self.path).ok()?;
        Some(Stamp {
            inode: data.ino(),
            bytes: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }

    /// Looks at the file, some microseconds, and reads it if it is another one.
    fn refresh(&self, held: &mut Held) {
        let stamp = self.stamp();
        if stamp == held.stamp {
            return;
        }
        held.stamp = stamp;
        match read(&self.path) {
            Ok(keys) => {
                held.keys = keys.into_iter().map(|key| (key.sha256.clone(), key)).collect();
                held.is_broken = false;
            }
            Err(error) => {
                tracing::error!("no key of the feed can be told: {error:#}");
                held.keys.clear();
                held.is_broken = true;
            }
        }
    }
}

#[async_trait::async_trait]
impl Keys for KeyRing {
    async fn identify(&self, key: &str) -> Result<KeyIdentity, KeyError> {
        // A look-up by hash tells an attacker's clock nothing of the keys: what it compares is not what he sends.
        let hash = hash(key);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut held);
        match held.keys.get(&hash) {
            _ if held.is_broken => Err(KeyError::Unavailable),
            None => Err(KeyError::Unknown),
            Some(key) if key.revoked_at.is_some() => Err(KeyError::Revoked { id: key.id.clone() }),
            Some(key) => Ok(KeyIdentity {
                id: key.id.clone(),
                scopes: key.scopes.clone(),
                requests_per_minute: key.requests_per_minute,
            }),
        }
    }
}
