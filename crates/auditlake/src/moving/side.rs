//! One side of a copy: a data directory, or a database of a server; and that nobody else writes to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use auditlake_store::moving::Movable;
use store_clickhouse::ClickStore;
use store_duckdb::DuckStore;
use tokio::task::JoinHandle;

use crate::{
    cli::Sides,
    config::{Config, server_at},
    datadir::{DataDir, Owner},
    engine::Store,
    hinted,
};

/// An open side.
pub struct Side {
    pub store: Store,
    /// The directory, if it is one.
    pub data: Option<DataDir>,
    /// Its name for people.
    pub place: String,
    role: Role,
    _owner: Option<Owner>,
    keeping: Option<JoinHandle<()>>,
}

/// What a side is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To be read, while nobody writes.
    Source,
    /// To be written.
    Target,
    /// To be read.
    Either,
}

/// What the command line says of a side.
pub struct Named<'w> {
    pub place: &'w str,
    pub password_file: Option<&'w PathBuf>,
    pub cluster: Option<&'w String>,
}

impl Sides {
    /// What is said of the source.
    pub fn source(&self) -> Named<'_> {
        Named {
            place: &self.from,
            password_file: self.from_password_file.as_ref(),
            cluster: self.from_cluster.as_ref(),
        }
    }

    /// What is said of the target.
    pub fn target(&self) -> Named<'_> {
        Named { place: &self.to, password_file: self.to_password_file.as_ref(), cluster: self.to_cluster.as_ref() }
    }
}

impl Side {
    /// Opens what must be there, to be read while nobody writes.
    pub async fn source(config: &Config, named: &Named<'_>, command: &str) -> Result<Side> {
        Self::open(config, named, command, Role::Source).await
    }

    /// Opens what must be there, to be looked at.
    pub async fn either(config: &Config, named: &Named<'_>, command: &str) -> Result<Side> {
        Self::open(config, named, command, Role::Either).await
    }

    /// Opens what may have to be made, to be written.
    pub async fn target(config: &Config, named: &Named<'_>, command: &str) -> Result<Side> {
        Self::open(config, named, command, Role::Target).await
    }

    async fn open(config: &Config, named: &Named<'_>, command: &str, role: Role) -> Result<Side> {
        let place = named.place.to_owned();
        if place.contains("://") {
            return Self::server(config, named, role).await;
        }
        let data = DataDir::new(PathBuf::from(&place));
        if role != Role::Target && !data.has_store() {
            return Err(hinted(
                format!("there is no store in {place}"),
                "name the data directory of a deployment, or clickhouse://user@host:8123/database",
            ));
        }
        let owner = data.own_alone(command)?;
        let store = DuckStore::open(config.store_options(&data)).with_context(|| cannot(&place))?;
        Ok(Side { store: Store::Duck(store), data: Some(data), place, role, _owner: Some(owner), keeping: None })
    }

    async fn server(config: &Config, named: &Named<'_>, role: Role) -> Result<Side> {
        let place = named.place.to_owned();
        let mut settings = config.store.clone();
        if let Some(path) = named.password_file {
            (settings.password, settings.password_file) = (None, Some(path.clone()));
        }
        let cluster = named.cluster.or(config.store.cluster.as_ref()).cloned();
        let options = server_at(&place, cluster, &settings).await?;
        if role != Role::Target
            && store_clickhouse::schema_version(&options).await.with_context(|| cannot(&place))?.is_none()
        {
            return Err(hinted(format!("there is no store in {place}"), "name the database that holds the deployment"));
        }
        let store = ClickStore::open(options).await.with_context(|| cannot(&place))?;
        Ok(Side { store: Store::Click(store), data: None, place, role, _owner: None, keeping: None })
    }

    /// Keeps others from writing to it, and looks whether it can be what it is opened for.
    pub async fn keep(&mut self) -> Result<()> {
        if self.role == Role::Source {
            whole(&self.store).await?;
        }
        let Store::Click(store) = &self.store else { return Ok(()) };
        let kept = match self.role {
            Role::Source => store.claim().await,
            Role::Target => store.claim_to_move().await,
            Role::Either => return Ok(()),
        };
        kept.with_context(|| format!("cannot keep others from writing to {}", self.place))?;
        self.keeping = self.store.attend();
        Ok(())
    }

    /// Whether both are the same, however they are spelt.
    pub async fn is(&self, other: &Side) -> Result<bool> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(match (&self.data, &other.data, &self.store, &other.store) {
            (Some(one), Some(other), ..) => real(one.path()) == real(other.path()),
            (_, _, Store::Click(one), Store::Click(other)) => one.identity().await? == other.identity().await?,
            _ => false,
        })
    }

    /// Lets go of it.
    pub async fn close(self) -> Result<()> {
        if let Some(keeping) = &self.keeping {
            keeping.abort();
        }
        Ok(self.store.checkpoint().await?)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(keeping) = &self.keeping {
            keeping.abort();
        }
    }
}

/// What is itself the target of a copy is no source before that copy is whole.
async fn whole(store: &impl Movable) -> Result<()> {
    match store.progress().await? {
        None => Ok(()),
        Some(_) => Err(hinted(
            "the source is itself the target of a copy that was never finished",
            "finish that copy, or copy from where it came",
        )),
    }
}

fn cannot(place: &str) -> String {
    format!("cannot open the store in {place}")
}
