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
/// If other machines can reach the address, or a login is asked for here, and nobody could log in.
pub fn open(config: &Config, data: &DataDir, listen: SocketAddr) -> Result<Option<Access>> {
    let is_far = !listen.ip().to_canonical().is_loopback();
    if !is_far && !config.access.require_login {
        return Ok(None);
    }
    if UserStore::new(data).list()?.is_empty() {
        let why = match is_far {
            true => {
                format!("server.listen: {listen} can be reached from other machines, and there is no user to log in")
            }
            false => "access.require_login: there is no user to log in".to_owned(),
        };
        return Err(hinted(why, "make one with `auditlake users add NAME --role admin`, or listen on 127.0.0.1"));
    }
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

/// The names under which the site may be asked for, beside those of the loopback interface.
pub fn hosts(config: &Config, listen: SocketAddr) -> Vec<String> {
    let mut hosts = config.server.hosts.clone();
    hosts.push(listen.ip().to_string());
    hosts
}
