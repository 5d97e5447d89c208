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
            .known_types({
                let simulation = simulation.clone();
                move |name| simulation.has_type(name)
            })
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

#[cfg(test)]
mod tests {
    use feed::{
        Query,
        client::{Client, Proxy},
    };
    use simulate::Config;

    use super::*;

    #[tokio::test]
    async fn what_it_sends_beyond_the_catalogue_may_be_asked_for() {
        let faults = vec!["unknown=5%".parse().unwrap()];
        let simulation =
            Arc::new(Simulation::new(Config { people: 20, days: 3, faults, ..Config::default() }).unwrap());
        let feed = SimulatedFeed::bind(&simulation, 0, 600).await.unwrap();
        let builder = Client::builder().base_url(&feed.url).key(simulation.key().into());
        let client = builder.proxy(Proxy::Direct).build().unwrap();
        tokio::spawn(feed.serve(std::future::pending()));
        let ask =
            async |kind: &str| client.page(&Query { activity_types: vec![kind.into()], ..Query::default() }).await;
        assert!(!ask("claude_hologram_projected").await.unwrap().page.data.is_empty());
        assert_eq!(ask("claude_teapot_filled").await.unwrap_err().api().unwrap().status, 400);
    }
}
