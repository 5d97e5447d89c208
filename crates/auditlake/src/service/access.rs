//! Who may come: where a login is asked for, and where not.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use web::{Access, AccessOptions};

use crate::{
    config::Config,
    datadir::DataDir,
    hinted,
    service::sessions::SessionFile,
    users::{UserRing, UserStore},
};

/// How people get in, if a login is asked for on this address.
///
/// # Errors
/// If other machines can reach the address, themselves or through a proxy, or a login is asked for here, and nobody could log in.
pub fn open(config: &Config, data: &DataDir, listen: SocketAddr) -> Result<Option<Access>> {
    let Some(why) = why_login(config, listen) else { return Ok(None) };
    if UserStore::new(data).list()?.is_empty() {
        return Err(hinted(
            format!("{why}, and there is no user to log in"),
            "make one with `auditlake users add NAME --role admin`, or let nobody but this machine in (docs/access.md)",
        ));
    }
    let is_far = is_far(listen);
    let is_secure = config.server.tls_cert.is_some();
    let options = AccessOptions {
        idle: Duration::from_secs(config.access.idle_minutes.saturating_mul(60)),
        longest: Duration::from_secs(config.access.session_hours.saturating_mul(3_600)),
        is_proxied: config.server.behind_proxy,
        is_secure,
        viewers_export: config.access.viewers_may_export,
        metrics_token: config.access.metrics_token()?,
        keeper: Some(Arc::new(SessionFile::new(data))),
    };
    if is_far && !config.server.behind_proxy && !is_secure {
        tracing::warn!(
            "passwords and pages go over the network unencrypted: set server.tls_cert and server.tls_key, or put a reverse proxy with TLS before it (docs/access.md)"
        );
    }
    Ok(Some(Access::new(Arc::new(UserRing::new(data)), options)))
}

/// Why a login is asked for; none if nobody but this machine comes.
fn why_login(config: &Config, listen: SocketAddr) -> Option<String> {
    if is_far(listen) {
        return Some(format!("server.listen: {listen} can be reached from other machines"));
    }
    if config.server.behind_proxy {
        return Some("server.behind_proxy: the proxy lets other machines in".to_owned());
    }
    // Whoever gives the service a name gives it to other machines: on this one it has an address.
    if let Some(name) = config.server.hosts.iter().find(|name| !web::guard::is_loopback_name(name)) {
        return Some(format!("server.hosts: other machines come by the name {name}"));
    }
    config.access.require_login.then(|| "access.require_login: a login is asked for".to_owned())
}

fn is_far(listen: SocketAddr) -> bool {
    !listen.ip().to_canonical().is_loopback()
}

/// The names under which the site may be asked for, beside those of the loopback interface.
pub fn hosts(config: &Config, listen: SocketAddr) -> Vec<String> {
    let mut hosts = config.server.hosts.clone();
    hosts.push(listen.ip().to_string());
    hosts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn whoever_lets_others_in_asks_them_to_log_in() {
        let why = |listen: &str, change: &dyn Fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            why_login(&config, listen.parse().unwrap())
        };
        for here in ["127.0.0.1:8420", "[::1]:0", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(why(here, &|_| {}), None, "{here}");
        }
        assert_eq!(
            why("127.0.0.1:1", &|config| config.server.hosts = vec!["localhost".to_owned(), "127.0.0.2:1".to_owned()]),
            None
        );
        for far in ["0.0.0.0:8420", "[::]:1", "192.0.2.1:1"] {
            assert!(why(far, &|_| {}).unwrap().contains(far), "{far}");
        }
        let told = why("127.0.0.1:1", &|config| config.server.behind_proxy = true).unwrap();
        assert!(told.contains("behind_proxy"), "{told}");
        let told = why("127.0.0.1:1", &|config| config.server.hosts = vec!["lake.example.com".to_owned()]).unwrap();
        assert!(told.contains("lake.example.com"), "{told}");
        assert!(why("127.0.0.1:1", &|config| config.access.require_login = true).is_some());
    }
}
