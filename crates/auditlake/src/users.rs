//! Users of the pages: made, listed and removed by the command line, asked for by the login.
//!
//! They lie in `users.json` in the data directory, which only the same user of the system can read, and which is always replaced
//! whole. Of a password only its argon2id hash is kept. A running service looks at the file whenever somebody asks, so a user who
//! is removed, or has another password or role, is so from the next request on.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use argon2::{
    Argon2, PasswordHash, PasswordVerifier,
    password_hash::{PasswordHasher, SaltString},
};
use jiff::{Timestamp, Unit};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use web::{Role, User, Users};

use crate::{datadir::DataDir, hinted};

pub const FILE: &str = "users.json";
const VERSION: u32 = 1;
/// Shorter passwords are refused, and longer ones than this, which nobody types.
pub const SHORTEST: usize = 12;
const LONGEST: usize = 1_024;

/// What is kept of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub password_changed_at: Timestamp,
    /// The argon2id hash, in its standard form.
    pub password: String,
}

#[derive(Serialize, Deserialize)]
struct UserFile {
    version: u32,
    users: Vec<Account>,
}

/// The users of a data directory, to be read and changed.
pub struct UserStore {
    data: DataDir,
}

impl UserStore {
    pub fn new(data: &DataDir) -> UserStore {
        UserStore { data: data.clone() }
    }

    /// All users, by name.
    pub fn list(&self) -> Result<Vec<Account>> {
        read(&path(&self.data))
    }

    pub fn add(&self, name: &str, role: Role, password: &SecretString) -> Result<()> {
        check_name(name)?;
        let password = hash(password)?;
        self.change(|users| {
            if users.iter().any(|user| user.name == name) {
                let hint = "`auditlake users passwd` gives a new password, `auditlake users role` another role";
                return Err(hinted(format!("there is a user {name} already"), hint));
            }
            let now = now();
            users.push(Account { name: name.to_owned(), role, created_at: now, password_changed_at: now, password });
            users.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        })
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|users| {
            let before = users.len();
            users.retain(|user| user.name != name);
            if users.len() == before { Err(unknown(name)) } else { Ok(()) }
        })
    }

    pub fn set_password(&self, name: &str, password: &SecretString) -> Result<()> {
        let password = hash(password)?;
        self.edit(name, |user| {
            user.password = password;
            user.password_changed_at = now();
        })
    }

    pub fn set_role(&self, name: &str, role: Role) -> Result<()> {
        self.edit(name, |user| user.role = role)
    }

    /// Whether there is a user of this name.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.list()?.iter().any(|user| user.name == name))
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Account)) -> Result<()> {
        self.change(|users| {
            let user = users.iter_mut().find(|user| user.name == name).ok_or_else(|| unknown(name))?;
            change(user);
            Ok(())
        })
    }

    /// Changes the file, one process after the other.
    fn change(&self, change: impl FnOnce(&mut Vec<Account>) -> Result<()>) -> Result<()> {
        self.data.make()?;
        let _lock = self.lock()?;
        let mut users = self.list()?;
        change(&mut users)?;
        let text = serde_json::to_string_pretty(&UserFile { version: VERSION, users })? + "\n";
        self.data.replace(FILE, &text)
    }

    fn lock(&self) -> Result<File> {
        let path = self.data.path().join("users.lock");
        let open = || -> std::io::Result<File> {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().with_context(|| format!("cannot lock {}", path.display()))
    }
}

fn unknown(name: &str) -> anyhow::Error {
    hinted(format!("there is no user {name}"), "`auditlake users list` shows all")
}

fn check_name(name: &str) -> Result<()> {
    let is_fine = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_' | '@' | '+');
    // What these names stand for beside what was done is no user.
    let is_taken = matches!(name, "auditlake" | "detection");
    match (1..=64).contains(&name.len()) && name.chars().all(is_fine) && !is_taken {
        true => Ok(()),
        false => Err(hinted(
            format!("{name:?} cannot be a user's name"),
            "up to 64 letters, digits, and . - _ @ +, such as ann or ann@example.com",
        )),
    }
}

fn hash(password: &SecretString) -> Result<String> {
    let length = password.expose_secret().chars().count();
    if length < SHORTEST {
        return Err(hinted(format!("the password has {length} characters"), format!("{SHORTEST} are the least")));
    }
    if length > LONGEST {
        return Err(hinted(format!("the password has {length} characters"), format!("{LONGEST} are the most")));
    }
    let salt = SaltString::encode_b64(uuid::Uuid::new_v4().as_bytes())
        .map_err(|error| anyhow::anyhow!("cannot make a salt: {error}"))?;
    let hash = Argon2::default().hash_password(password.expose_secret().as_bytes(), &salt);
    Ok(hash.map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?.to_string())
}

/// To the second: no list of users needs more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

fn path(data: &DataDir) -> PathBuf {
    data.path().join(FILE)
}

/// The users in a file; none if it is not there.
fn read(path: &Path) -> Result<Vec<Account>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let damaged = |what: String| {
        hinted(format!("{}: {what}", path.display()), "restore it from a backup, or remove it and make new users")
    };
    let file: UserFile =
        serde_json::from_str(&text).map_err(|error| damaged(format!("not a list of users: {error}")))?;
    match file.version {
        VERSION => Ok(file.users),
        version => Err(damaged(format!("version {version}, of which this program knows nothing"))),
    }
}

/// The users of a running service, as the file is at this moment.
pub struct UserRing {
    path: PathBuf,
    held: Mutex<(Option<Stamp>, Vec<Account>)>,
}

/// By what a replaced file is told from the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

/// What the password of nobody is compared with, so that an unknown name takes as long as a known one.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash(&SecretString::from(uuid::Uuid::new_v4().to_string())).unwrap_or_default());

impl UserRing {
    pub fn new(data: &DataDir) -> UserRing {
        UserRing { path: path(data), held: Mutex::default() }
    }

    fn account(&self, name: &str) -> Option<Account> {
        let stamp = std::fs::metadata(&self.path)
            .ok()
            .map(|data| Stamp(data.ino(), data.size(), data.mtime(), data.mtime_nsec()));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != stamp {
            let users = read(&self.path).unwrap_or_else(|error| {
                tracing::error!("nobody can log in: {error:#}");
                Vec::new()
            });
            *held = (stamp, users);
        }
        held.1.iter().find(|user| user.name == name).cloned()
    }
}

fn told(account: Account) -> User {
    // A session ends with the password that it began with.
    User { name: account.name, role: account.role, mark: account.password }
}

impl Users for UserRing {
    fn check(&self, name: &str, password: &SecretString) -> Option<User> {
        let account = self.account(name);
        let stored = account.as_ref().map_or(NOBODY.as_str(), |account| &account.password);
        let parsed = PasswordHash::new(stored).ok()?;
        let is_right = password.expose_secret().chars().count() <= LONGEST
            && Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok();
        account.filter(|_| is_right).map(told)
    }

    fn find(&self, name: &str) -> Option<User> {
        self.account(name).map(told)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn come_and_go_while_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path().join("data"));
        let (store, ring) = (UserStore::new(&data), UserRing::new(&data));
        assert_eq!(ring.check("ann", &secret("correct horse battery")), None);
        store.add("ann", Role::Analyst, &secret("correct horse battery")).unwrap();
        let ann = ring.check("ann", &secret("correct horse battery")).unwrap();
        assert_eq!((ann.name.as_str(), ann.role), ("ann", Role::Analyst));
        for (name, password) in [("ann", "correct horse batterx"), ("ann", ""), ("bob", "correct horse battery")] {
            assert_eq!(ring.check(name, &secret(password)), None, "{name} {password}");
        }
        let text = std::fs::read_to_string(data.path().join(FILE)).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("correct horse"), "{text}");
        assert_eq!(std::fs::metadata(data.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        store.set_password("ann", &secret("another password")).unwrap();
        assert_ne!(ring.find("ann").unwrap().mark, ann.mark, "old sessions end");
        store.set_role("ann", Role::Admin).unwrap();
        assert_eq!(ring.find("ann").unwrap().role, Role::Admin);
        store.remove("ann").unwrap();
        assert_eq!(ring.find("ann"), None);
        assert!(store.remove("ann").is_err());
        assert!(store.add("ann", Role::Viewer, &secret("short")).is_err());
        for name in ["", "a b", "<script>", "auditlake", "ann\n"] {
            assert!(store.add(name, Role::Viewer, &secret("correct horse battery")).is_err(), "{name}");
        }
    }
}
