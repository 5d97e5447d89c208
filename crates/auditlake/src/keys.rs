//! Keys of this deployment: made, listed and revoked by the command line, asked for by the served feed.
//!
//! They lie in `keys.json` in the data directory, which only the same user can read, and which is always replaced whole.
//! A key itself is kept nowhere: only its SHA-256. That is enough, and a slow hash would not be better, because a key
//! is no password: its 244 random bits cannot be guessed, however fast the guesses are. A running service looks at the
//! file whenever it is shown a key, so a key is good, or no longer, from the next request on.

mod ring;

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::{Timestamp, Unit};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{datadir::DataDir, hinted};

pub use ring::KeyRing;

/// What a key begins with: clients that look take it for a Compliance Access Key, people see whose it is.
pub const PREFIX: &str = "sk-ant-api01-lake-";
pub const FILE: &str = "keys.json";
const VERSION: u32 = 1;
/// How much of a key's end is kept, so that a person can tell keys apart.
const ENDING: usize = 4;

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// `apikey_01…`
    pub id: String,
    /// What a person calls it.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its own budget, within that of all.
    pub requests_per_minute: Option<u32>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Its last characters.
    pub ending: String,
    /// Of the whole key, in hexadecimal digits.
    pub sha256: String,
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub requests_per_minute: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyFile {
    version: u32,
    keys: Vec<Key>,
}

/// The keys of a data directory, to be read and changed.
pub struct KeyStore {
    data: DataDir,
}

impl KeyStore {
    pub fn new(data: &DataDir) -> KeyStore {
        KeyStore { data: data.clone() }
    }

    /// All keys, the oldest first.
    pub fn list(&self) -> Result<Vec<Key>> {
        read(&path(&self.data))
    }

    /// Makes a key. Only now can it be read.
    pub fn create(&self, new: NewKey) -> Result<(Key, SecretString)> {
        let text = format!("{PREFIX}{}{}", short_id(Uuid::new_v4()), short_id(Uuid::new_v4()));
        let key = Key {
            id: format!("apikey_01{}", short_id(Uuid::now_v7())),
            name: new.name,
            scopes: new.scopes,
            requests_per_minute: new.requests_per_minute,
            created_at: now(),
            revoked_at: None,
            ending: text[text.len() - ENDING..].to_owned(),
            sha256: hash(&text),
        };
        self.change(|keys| {
            keys.push(key.clone());
            Ok(())
        })?;
        Ok((key, text.into()))
    }

    /// Revokes a key for good; a revoked one stays as it is.
    pub fn revoke(&self, id: &str) -> Result<Key> {
        self.change(|keys| {
            let key = keys.iter_mut().find(|key| key.id == id);
            let key = key.ok_or_else(|| hinted(format!("there is no key {id}"), "`auditlake keys list` shows all"))?;
            key.revoked_at.get_or_insert_with(now);
            Ok(key.clone())
        })
    }

    /// Changes the file, one process after the other.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Key>) -> Result<T>) -> Result<T> {
        self.data.make()?;
        let _lock = self.lock()?;
        let mut keys = self.list()?;
        let done = change(&mut keys)?;
        let mut text = serde_json::to_string_pretty(&KeyFile { version: VERSION, keys })?;
        text.push('\n');
        self.data.replace(FILE, &text)?;
        Ok(done)
    }

    fn lock(&self) -> Result<File> {
        let path = self.data.path().join("keys.lock");
        let open = || -> std::io::Result<File> {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().with_context(|| format!("cannot lock {}", path.display()))
    }
}

fn path(data: &DataDir) -> PathBuf {
    data.path().join(FILE)
}

/// The keys in a file; none if it is not there.
fn read(path: &Path) -> Result<Vec<Key>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let damaged = |what: String| {
        hinted(format!("{}: {what}", path.display()), "restore it from a backup, or remove it and make new keys")
    };
    let file: KeyFile = serde_json::from_str(&text).map_err(|error| damaged(format!("not a list of keys: {error}")))?;
    match file.version {
        VERSION => Ok(file.keys),
        version => Err(damaged(format!("version {version}, of which this program knows nothing"))),
    }
}

/// To the second: no list of keys needs more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

fn hash(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An id's text form as upstream writes it: 22 letters and digits, none of which looks like another.
pub fn short_id(id: Uuid) -> String {
    const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = id.as_u128();
    let mut digits = ['1'; 22];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(DIGITS[(number % 58) as usize]);
        number /= 58;
    }
    digits.iter().collect()
}

/// A key as text, for the one moment in which it is shown.
pub fn shown(key: &SecretString) -> &str {
    key.expose_secret()
}

#[cfg(test)]
mod tests;
