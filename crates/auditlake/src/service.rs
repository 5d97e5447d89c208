//! The service: store, page, API and the sources that are collected, in one process until it is asked to end.
//!
//! What happens here, in order: the port is taken, the store opened, the address announced to other commands; then the
//! page answers and the sources are collected, as far as no other process on the same server does. On the way back the sources stop first
//! (each finishes its commit), then the page, then the store.

mod access;
mod budgets;
mod collecting;
mod deliveries;
mod delivering;
mod detection;
mod duty;
mod enriching;
mod import;
mod jobs;
mod progress;
mod reports;
mod rulebook;
mod sessions;
mod settings;
mod tls;
mod upstream;
mod watch;

use std::{
    future::IntoFuture,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Router, serve::ListenerExt};
use collect::{Budget, SourceOptions, SourceState, Stopper};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    sync::{self, mpsc},
    task::JoinHandle,
};
use web::{Access, Scribe, SimulatedBanner, Site};

use crate::{
    config::{Config, SourceConfig},
    datadir::{DataDir, Owner, Service},
    engine::{self, Store},
    hinted,
    lake::Here,
    served::{self, Writing},
    stop,
};

use collecting::Collecting;
use delivering::Delivering;

pub use deliveries::Retried;
pub use import::Summary;
pub use jobs::{Checked, Collectors, Wish, Word, fulfil};
pub use upstream::Rotating;

/// A source that is ready to be collected.
pub struct Prepared {
    pub options: SourceOptions,
    pub upstream: Arc<dyn collect::Upstream>,
    pub budget: Arc<Budget>,
}

/// A service that answers.
pub struct Running {
    /// Where people find the page.
    pub page: String,
    pub store: Store,
    here: Here,
    data: DataDir,
    closing: sync::watch::Sender<bool>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    reads: Writing,
    delivering: Delivering,
    scribe: Scribe,
    access: Option<Access>,
    detection: detection::Detection,
    duty: duty::Duty,
    collecting: Collecting,
    begun: mpsc::UnboundedReceiver<sync::watch::Receiver<SourceState>>,
    sources: Vec<JoinHandle<collect::Result<()>>>,
    stoppers: Vec<Stopper>,
    refreshing: JoinHandle<()>,
    warming: JoinHandle<()>,
}

/// Connections that do not end by themselves are cut after so long.
const GRACE: Duration = Duration::from_secs(5);

impl Running {
    /// Opens the store and begins to answer.
    pub async fn start(
        config: &Config,
        data: &DataDir,
        owner: Owner,
        listen: SocketAddr,
        simulated: Option<SimulatedBanner>,
    ) -> Result<Running> {
        let access = access::open(config, data, listen)?;
        let tls = tls::Tls::open(config)?;
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let here = Here::open_in_time(config, data, owner).await?;
        let store = here.store.clone();
        let enricher = crate::enriching::open(config, data);
        let every = Duration::from_secs(config.enrich.check_seconds);
        let refreshing = crate::enriching::watch(enricher.clone(), every);
        let token: SecretString = uuid::Uuid::new_v4().simple().to_string().into();
        let (closing, closed) = sync::watch::channel(false);
        let mut site = Site::new(Arc::new(store.clone()), token.clone());
        site.simulated = simulated;
        let watched = Arc::new(watch::Sources::default());
        site.watch = Some(watched.clone());
        site.closing = closed.clone();
        let collectors = Collectors::default();
        let intake = import::routes(config, data, &store, &enricher)
            .merge(enriching::routes(&store, &enricher))
            .merge(deliveries::routes(Arc::new(store.clone())))
            .merge(jobs::routes(&collectors, closed.clone()));
        let states = reports::States::default();
        site.sources = states.reader();
        site.alerts = Some(Arc::new(store.clone()));
        site.rules = Some(Arc::new(rulebook::Book::new(config, data, &store)));
        site.hosts = access::hosts(config, address);
        site.settings = settings::reader(config, data, address, access.is_some());
        site.access = access.clone();
        site.masks_viewers = config.access.mask_for_viewers;
        let lookups = Arc::new(store.clone());
        let (notebook, scribe) = Scribe::start(lookups.clone(), config.access.lookups_days, closed.clone());
        site.notebook = Some(notebook);
        site.lookups = Some(lookups);
        let (served, reads) = served::serve(config, data, Arc::new(store.clone()), address, enricher.clone());
        // Whoever can tell people goes before whoever only collects, and that one before whoever only shows pages.
        let rank = if !config.destinations.is_empty() { 2 } else { u8::from(!config.sources.is_empty()) };
        let duty = duty::Duty::seek(&store, engine::Duty::DETECTION.to_owned(), rank, "detection".to_owned());
        let detection = detection::start(config, data, &store, watched.clone(), &closed, duty.is_ours()).await?;
        let more = intake.merge(detection.routes(&store));
        let warming = tokio::spawn(warm(site.clone(), store.clone()));
        let router = web::router_with(site, more).merge(served);
        // Commands of this machine ask by way of the loopback interface, wherever else the service listens.
        let mut near = address;
        if near.ip().is_unspecified() {
            near.set_ip(if near.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let page = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let servers = match tls {
            None => vec![serve(listener, router, closed)],
            Some(tls) => {
                // They know nothing of certificates, and have a way of their own.
                let own = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
                near = own.local_addr()?;
                vec![serve_secured(listener, tls, router.clone(), closed.clone())?, serve(own, router, closed)]
            }
        };
        let url = format!("http://{near}");
        let delivering = Delivering::start(config, &store, &url, duty.is_ours());
        let (begun, shown) = mpsc::unbounded_channel();
        data.announce(&Service { url, token: token.expose_secret().to_owned().into(), pid: std::process::id() })?;
        Ok(Running {
            page,
            store: store.clone(),
            here,
            data: data.clone(),
            closing,
            servers,
            reads,
            delivering,
            scribe,
            access,
            detection,
            duty,
            collecting: Collecting { store, enricher, turns: Arc::default(), collectors, watched, states, begun },
            begun: shown,
            sources: Vec::new(),
            stoppers: Vec::new(),
            refreshing,
            warming,
        })
    }

    /// Begins to collect a source, as soon as no other process does.
    pub fn collect(&mut self, source: Prepared) {
        let (stopper, stop) = collect::stop();
        self.sources.push(tokio::spawn(self.collecting.clone().run(source, stop)));
        self.stoppers.push(stopper);
    }

    /// Works until asked to end, showing how far the past is read.
    pub async fn until_asked(mut self) -> Result<()> {
        let (_, none) = mpsc::unbounded_channel();
        let shown = tokio::spawn(progress::show(std::mem::replace(&mut self.begun, none)));
        stop::asked().await;
        shown.abort();
        tracing::info!("ending");
        self.end().await
    }

    /// Ends: sources, then page and feed, then what is left to write of who read, then store.
    async fn end(self) -> Result<()> {
        for stopper in &self.stoppers {
            stopper.stop();
        }
        join_all(self.sources.into_iter().map(|work| tokio::time::timeout(GRACE, work))).await;
        self.refreshing.abort();
        self.warming.abort();
        self.data.retract();
        self.closing.send_replace(true);
        let aborts: Vec<_> = self.servers.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(GRACE, join_all(self.servers)).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
        self.detection.finish(GRACE).await;
        self.reads.finish(GRACE).await;
        if tokio::time::timeout(GRACE, self.scribe.work).await.is_err() {
            tracing::error!("the last look-ups could not be written down in time");
        }
        if let Some(access) = &self.access {
            access.finish(GRACE).await;
        }
        self.delivering.end(GRACE).await;
        self.duty.end().await;
        self.store.checkpoint().await.context("cannot tidy the store up")?;
        drop(self.here);
        Ok(())
    }
}

/// Makes ready what the first one to look would have to wait for.
async fn warm(site: Site, store: Store) {
    web::warm(site).await;
    if let Err(error) = store.prepare().await {
        tracing::warn!(%error, "pages about single things are slow");
    }
}

/// Answers until the service is about to end.
fn serve(
    listener: TcpListener,
    router: Router,
    closed: sync::watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(is_closed(closed)).into_future())
}

/// The same by TLS.
fn serve_secured(
    listener: TcpListener,
    tls: tls::Tls,
    router: Router,
    closed: sync::watch::Receiver<bool>,
) -> Result<JoinHandle<std::io::Result<()>>> {
    let listener = tls::Secured::new(listener, tls).context("cannot listen by TLS")?;
    let router = router.layer(axum::middleware::from_fn(tls::tell_both));
    let service = router.into_make_service_with_connect_info::<tls::Peer>();
    Ok(tokio::spawn(axum::serve(listener, service).with_graceful_shutdown(is_closed(closed)).into_future()))
}

async fn is_closed(mut closed: sync::watch::Receiver<bool>) {
    let _ = closed.wait_for(|closing| *closing).await;
}

async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => hinted(
            format!("{listen} is taken by another program"),
            "choose another port with --port; 0 takes any free one",
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
    })
}

/// All configured sources, ready to be collected. Those of one organisation share a budget.
pub async fn prepare_all(config: &Config, data: &DataDir) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::new();
    for (source, budget) in config.sources.iter().zip(budgets::of(&config.sources)) {
        prepared.push(prepare(config, data, source, budget).await?);
    }
    Ok(prepared)
}

async fn prepare(config: &Config, data: &DataDir, source: &SourceConfig, budget: Arc<Budget>) -> Result<Prepared> {
    let mut options = SourceOptions::new(
        auditlake_store::SourceInfo {
            id: source.name.clone(),
            workspace: config.workspace.clone(),
            ttl_days: source.retention_days,
        },
        data.path(),
    );
    options.organization_ids = source.organization_ids.clone();
    options.interval = source.interval();
    // A refused key costs nothing of the budget, and a new one should be taken soon.
    options.refused_wait = source.interval().min(options.refused_wait);
    options.overlap = jiff::SignedDuration::from_secs(i64::try_from(source.overlap_seconds).unwrap_or(i64::MAX));
    options.backfill_from = Some(source.backfill_start()?);
    options.rounds = source.rounds()?;
    options.stalled_after = Duration::from_secs(source.stalled_minutes.saturating_mul(60));
    let upstream = Rotating::new(source.clone()).await?;
    Ok(Prepared { options, upstream: Arc::new(upstream), budget })
}
