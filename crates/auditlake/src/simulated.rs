//! A simulated organisation's feed on the loopback interface.

use std::sync::Arc;

use anyhow::{Context, Result};
use feed::server::Server;
use simulate::Simulation;
use tokio::net::TcpListener;

/// The feed of a simulation.
pub struct SimulatedFeed {
    pub url: String,
    server: Server,
    listener: TcpListener,
}

impl SimulatedFeed {
    /// Takes the port; nothing is answered before [`SimulatedFeed::serve`].
    pub async fn bind(simulation: &Arc<Simulation>, port: u16, requests_per_minute: u32) -> Result<SimulatedFeed> {
        let listener =
            TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("cannot listen on port {port}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = Server::new(simulation.clone(), simulation.clone())
            .known_types(|name| activity::catalog::get(name).is_some())
            .requests_per_minute(requests_per_minute)
            .access_log(simulation.clone())
            .faults(simulation.clone());
        Ok(SimulatedFeed { url, server, listener })
    }

    /// Answers until `stop` is ready.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        Ok(self.server.serve(self.listener, stop).await?)
    }
}
