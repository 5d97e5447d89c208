//! The data directory: who owns it, and where its owner answers.
//!
//! One process owns it at a time, by a lock on `auditlake.lock` that the system lets go of when the process ends, however
//! it ends. An owner that serves says where in `service.json`, which only the same user can read.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::hinted;

/// A data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

/// The ownership of a data directory; let go of when dropped.
#[derive(Debug)]
pub struct Owner {
    _lock: File,
}

/// Who holds the lock.
#[derive(Debug, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
}

/// Where a running service answers.
#[derive(Debug, Clone)]
pub struct Service {
    pub url: String,
    pub token: SecretString,
    pub pid: u32,
}

#[derive(Serialize, Deserialize)]
struct ServiceFile {
    url: String,
    token: String,
    pid: u32,
}

impl DataDir {
    pub fn new(path: PathBuf) -> Self {
        DataDir { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a store was ever made here.
    pub fn has_store(&self) -> bool {
        self.path.join("lake.duckdb").exists()
    }

    /// Makes the directory if it is not there, for nobody else to look into.
    pub fn make(&self) -> Result<()> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.with_context(|| format!("cannot use the data directory {}", self.path.display()))
    }

    /// Replaces a file that holds secrets, whole or not at all. Only this user can read it.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        let fresh = self.path.join(format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let _ = fs::remove_file(&fresh);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes ownership, or says who has it.
    ///
    /// # Errors
    /// If the directory cannot be made or written.
    pub fn own(&self, command: &str) -> Result<std::result::Result<Owner, Option<Holder>>> {
        let cannot = || format!("cannot use the data directory {}", self.path.display());
        if self.path.is_file() {
            return Err(hinted(
                format!("the data directory {} is a file", self.path.display()),
                "name a directory with --data",
            ));
        }
        self.make()?;
        let path = self.path.join("auditlake.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = lock.read_to_string(&mut text);
                return Ok(Err(serde_json::from_str(&text).ok()));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        // Whatever an owner before left behind is no longer true.
        let _ = fs::remove_file(self.path.join("service.json"));
        let holder = Holder { pid: std::process::id(), command: command.to_owned() };
        lock.set_len(0).with_context(cannot)?;
        lock.write_all(serde_json::to_string(&holder)?.as_bytes()).with_context(cannot)?;
        Ok(Ok(Owner { _lock: lock }))
    }

    /// Who has the directory at this moment, without taking it: `None` if nobody, an empty answer if it cannot be told.
    ///
    /// # Errors
    /// If the lock cannot be looked at.
    pub fn holder(&self) -> std::io::Result<Option<Option<Holder>>> {
        let mut lock = match File::open(self.path.join("auditlake.lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                lock.read_to_string(&mut text)?;
                Ok(Some(serde_json::from_str(&text).ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes ownership or fails with words that say who has it.
    pub fn own_alone(&self, command: &str) -> Result<Owner> {
        self.own(command)?.map_err(|holder| self.in_use(holder.as_ref()))
    }

    pub fn in_use(&self, holder: Option<&Holder>) -> anyhow::Error {
        let who = match holder {
            Some(holder) => format!("`auditlake {}` (process {})", holder.command, holder.pid),
            None => "another process".to_owned(),
        };
        hinted(
            format!("the data directory {} is in use by {who}", self.path.display()),
            "wait until it ends, stop it, or name another directory with --data",
        )
    }

    /// Says where this process answers.
    pub fn announce(&self, service: &Service) -> Result<()> {
        let text = serde_json::to_string(&ServiceFile {
            url: service.url.clone(),
            token: service.token.expose_secret().to_owned(),
            pid: service.pid,
        })?;
        self.replace("service.json", &text)
    }

    /// Takes the announcement back.
    pub fn retract(&self) {
        let _ = fs::remove_file(self.path.join("service.json"));
    }

    /// Where the owner answers, if it says so.
    pub fn service(&self) -> Option<Service> {
        let text = fs::read_to_string(self.path.join("service.json")).ok()?;
        let file: ServiceFile = serde_json::from_str(&text).ok()?;
        Some(Service { url: file.url, token: file.token.into(), pid: file.pid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path().join("deep/data"));
        let owner = data.own("import").unwrap().unwrap();
        let holder = data.own("query").unwrap().unwrap_err().unwrap();
        assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "import"));
        data.announce(&Service { url: "http://127.0.0.1:1".into(), token: "secret".to_owned().into(), pid: 1 })
            .unwrap();
        assert_eq!(data.service().unwrap().url, "http://127.0.0.1:1");
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(data.path().join("service.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{:?}", data.service()).contains("secret"));
        drop(owner);
        let _again = data.own_alone("run").unwrap();
        assert!(data.service().is_none(), "what the owner before said is gone");
    }
}
