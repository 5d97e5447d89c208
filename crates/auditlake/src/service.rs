//! The service: store, page, API and the sources that are collected, in one process until it is asked to end.
//!
//! What happens here, in order: the port is taken, the store opened, the address announced to other commands; then the
//! page answers and the sources are collected. On the way back the sources stop first (each finishes its commit), then the
//! page, then the store.

mod access;
mod budgets;
mod deliveries;
mod delivering;
mod detection;
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
use collect::{Budget, Collector, SourceOptions, SourceState, Stopper, Turns};
use enrich::Enricher;
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, sync, task::JoinHandle};
use web::{Scribe, SimulatedBanner, Site};

use crate::{
    config::{Config, SourceConfig},
    datadir::{DataDir, Owner, Service},
    engine::Store,
    hinted,
    lake::Here,
    served::{self, Writing},
    stop,
};

use delivering::Delivering;

pub use deliveries::Retried;
pub use import::Summary;
pub use jobs::{Collectors, Wish, Word, fulfil};
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
    watched: Arc<watch::Sources>,
    collectors: Collectors,
    turns: Arc<Turns>,
    detection: detection::Detection,
    states: reports::States,
    sources: Vec<(sync::watch::Receiver<SourceState>, JoinHandle<collect::Result<()>>)>,
    stoppers: Vec<Stopper>,
    enricher: Arc<Enricher>,
    refreshing: JoinHandle<()>,
    warming: JoinHandle<()>,
    writing: Option<JoinHandle<()>>,
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
        let here = Here::open(config, data, owner).await?;
        let store = here.store.clone();
        let writing = store.claim().await?;
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
        site.access = access;
        site.masks_viewers = config.access.mask_for_viewers;
        let lookups = Arc::new(store.clone());
        let (notebook, scribe) = Scribe::start(lookups.clone(), config.access.lookups_days, closed.clone());
        site.notebook = Some(notebook);
        site.lookups = Some(lookups);
        let (served, reads) = served::serve(config, data, Arc::new(store.clone()), address, enricher.clone());
        let detection = detection::start(config, data, &store, watched.clone(), &closed).await?;
        let more = intake.merge(detection.routes(&store));
        let warming = tokio::spawn(web::warm(site.clone()));
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
        let delivering = Delivering::start(config, &store, &url);
        data.announce(&Service { url, token: token.expose_secret().to_owned().into(), pid: std::process::id() })?;
        Ok(Running {
            page,
            store,
            here,
            data: data.clone(),
            closing,
            servers,
            reads,
            delivering,
            scribe,
            watched,
            collectors,
            turns: Arc::default(),
            detection,
            states,
            sources: Vec::new(),
            stoppers: Vec::new(),
            enricher,
            refreshing,
            warming,
            writing,
        })
    }

    /// Begins to collect a source.
    pub fn collect(&mut self, mut source: Prepared) {
        source.options.enricher = Some(self.enricher.clone());
        source.options.turns = self.turns.clone();
        let store = Arc::new(self.store.clone());
        let collector = Arc::new(Collector::new(source.options, source.upstream, source.budget, store));
        let state = collector.state();
        self.collectors.add(collector.clone());
        self.watched.add(state.clone());
        let (stopper, stop) = collect::stop();
        let work = tokio::spawn(async move { collector.run(stop).await });
        self.states.add(state.clone());
        self.sources.push((state, work));
        self.stoppers.push(stopper);
    }

    /// Works until asked to end, showing how far the past is read.
    pub async fn until_asked(self) -> Result<()> {
        let states = self.sources.iter().map(|(state, _)| state.clone()).collect();
        let shown = tokio::spawn(progress::show(states));
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
        join_all(self.sources.into_iter().map(|(_, work)| tokio::time::timeout(GRACE, work))).await;
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
        self.delivering.end(GRACE).await;
        if let Some(writing) = self.writing {
            writing.abort();
        }
        self.store.checkpoint().await.context("cannot tidy the store up")?;
        drop(self.here);
        Ok(())
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
    let router = router.layer(axum::middleware::map_request(tls::tell_peer));
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
