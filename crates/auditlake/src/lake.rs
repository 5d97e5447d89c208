//! Where a command finds the data: with the service that runs, or in the data directory itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use auditlake_store::{
    DriftQuery, DriftRow, LedgerQuery, LedgerRow, Reader, Rows, Select, Sql, SqlQuery, Status, StoreError,
    alert::{Act, Alert, AlertQuery, Alerts},
    outbox::{Delivery, DeliveryLog, DeliveryQuery, Which},
};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::{
    config::Config,
    datadir::{DataDir, Owner, Service},
    engine::{Duty, Store},
    hinted,
    remote::Remote,
};

/// The data, wherever it is.
pub enum Lake {
    /// Opened by this process.
    Here(Here),
    /// Held by a service.
    There(Remote),
}

/// An open store with the ownership of its directory.
pub struct Here {
    pub store: Store,
    attending: Option<JoinHandle<()>>,
    _owner: Arc<Owner>,
}

/// Another command's short use of the directory is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

impl Lake {
    /// Finds the data for a command that reads.
    pub async fn find(config: &Config, command: &str) -> Result<Lake> {
        let data = config.data_dir()?;
        if !config.has_store(&data) && data.service().is_none() {
            return Err(no_data(&data));
        }
        Self::open(config, command).await
    }

    /// Finds the data, or makes an empty store.
    pub async fn open(config: &Config, command: &str) -> Result<Lake> {
        let data = config.data_dir()?;
        let started = Instant::now();
        loop {
            let holder = match data.own(command)? {
                Ok(owner) => return Ok(Lake::Here(Here::open(config, &data, owner).await?)),
                Err(holder) => holder,
            };
            if let Some(service) = data.service() {
                let remote = Remote::new(&service)?;
                if remote.answers().await {
                    return Ok(Lake::There(remote));
                }
            }
            if started.elapsed() > PATIENCE {
                return Err(data.in_use(holder.as_ref()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a running service says of its store.
    pub async fn status_of(service: &Service) -> Result<Status> {
        let remote = Remote::new(service)?;
        let request = remote.request(reqwest::Method::GET, "/api/v1/status").timeout(PATIENCE);
        Ok(remote.send(request).await?.json().await?)
    }

    pub async fn sql(&self, query: SqlQuery) -> Result<Rows> {
        match self {
            Lake::Here(here) => Ok(here.store.sql(query).await?),
            Lake::There(remote) => remote.sql(&query).await,
        }
    }

    pub async fn select(&self, select: &Select) -> Result<Rows> {
        match self {
            Lake::Here(here) => Ok(here.store.select(select).await?),
            Lake::There(remote) => remote.select(select).await,
        }
    }

    pub async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        match self {
            Lake::Here(here) => Ok(here.store.deliveries(query).await?),
            Lake::There(remote) => remote.deliveries(query).await,
        }
    }

    pub async fn send_again(&self, which: &Which) -> Result<u64> {
        match self {
            Lake::Here(here) => {
                let count = here.store.send_again(which, Timestamp::now()).await?;
                here.store.checkpoint().await?;
                Ok(count)
            }
            Lake::There(remote) => remote.send_again(which).await,
        }
    }

    pub async fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerRow>> {
        match self {
            Lake::Here(here) => Ok(here.store.ledger(query).await?),
            Lake::There(remote) => remote.ledger(query).await,
        }
    }

    pub async fn drift(&self, query: &DriftQuery) -> Result<Vec<DriftRow>> {
        match self {
            Lake::Here(here) => Ok(here.store.drift(query).await?),
            Lake::There(remote) => remote.drift(query).await,
        }
    }
}

/// Alerts.
impl Lake {
    /// Has everything detected that is committed, where no service does it.
    pub async fn detect(&self, config: &Config) -> Result<()> {
        let Lake::Here(here) = self else { return Ok(()) };
        let mut duty = match here.store.take_duty(Duty::DETECTION, 0).await {
            // Another process does it, or this account may not.
            Err(StoreError::Locked(_) | StoreError::Server { is_away: false, .. }) => return Ok(()),
            taken => taken?,
        };
        let rules = detect::Rules::read(config.own_rules(&config.data_dir()?));
        let mut watch = detect::Watch::new(Arc::new(here.store.clone()), rules).await?;
        tokio::select! {
            done = watch.catch_up() => done?,
            () = duty.lost() => {}
        }
        duty.end().await?;
        Ok(here.store.checkpoint().await?)
    }

    pub async fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>> {
        match self {
            Lake::Here(here) => Ok(here.store.alerts(query).await?),
            Lake::There(remote) => remote.alerts(query).await,
        }
    }

    pub async fn alert(&self, id: &str) -> Result<Option<Alert>> {
        match self {
            Lake::Here(here) => Ok(here.store.alert(id).await?),
            Lake::There(remote) => remote.alert(id).await,
        }
    }

    pub async fn act(&self, id: &str, act: Act) -> Result<Option<Alert>> {
        match self {
            Lake::Here(here) => {
                let alert = here.store.act(id, act).await?;
                here.store.checkpoint().await?;
                Ok(alert)
            }
            Lake::There(remote) => remote.act(id, &act).await,
        }
    }
}

impl Here {
    pub async fn open(config: &Config, data: &DataDir, owner: Owner) -> Result<Here> {
        Ok(Here::of(Store::open(config, data).await?, owner))
    }

    /// As [`Here::open`], by whoever can wait for a server that is away.
    pub async fn open_in_time(config: &Config, data: &DataDir, owner: Owner) -> Result<Here> {
        Ok(Here::of(Store::open_in_time(config, data).await?, owner))
    }

    fn of(store: Store, owner: Owner) -> Here {
        Here { attending: store.attend(), store, _owner: Arc::new(owner) }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if let Some(attending) = &self.attending {
            attending.abort();
        }
    }
}

fn no_data(data: &DataDir) -> anyhow::Error {
    hinted(
        format!("there is no data in {}", data.path().display()),
        "collect some with `auditlake run`, `auditlake import FILE` or `auditlake demo`, or name another directory with --data",
    )
}
