//! Where the served feed was asked: the beginning of the addresses in what its readers leave behind.
//!
//! Anybody can write any name into a request, so one is believed only if it is ours: configured, of this machine, or the
//! address that the service listens on. Otherwise it is the address under which the deployment says that it is reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::uri::Authority;

use crate::config::Server;

/// Where a deployment is reached.
pub struct Origin {
    scheme: &'static str,
    /// Names that are configured.
    hosts: Vec<String>,
    listen: SocketAddr,
    is_proxied: bool,
}

impl Origin {
    /// That of a service that listens there.
    pub fn new(config: &Server, listen: SocketAddr) -> Origin {
        // Before a proxy, TLS ends at the proxy.
        let is_secure = config.tls_cert.is_some() || config.behind_proxy;
        Origin {
            scheme: if is_secure { "https" } else { "http" },
            hosts: config.hosts.iter().map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect(),
            listen,
            is_proxied: config.behind_proxy,
        }
    }

    /// The scheme, name and port that a request was sent to, by what it says itself.
    pub fn of(&self, host: Option<&str>) -> String {
        let asked = host.and_then(|host| host.parse::<Authority>().ok()).filter(|host| self.is_ours(host));
        let authority = asked.map_or_else(|| self.usual(), |host| host.to_string());
        format!("{}://{authority}", self.scheme)
    }

    fn is_ours(&self, asked: &Authority) -> bool {
        let name = bare(asked.host());
        if asked.as_str().contains('@') {
            return false;
        }
        if self.hosts.iter().any(|host| name_of(host) == name) {
            return true;
        }
        // Many a proxy asks by an address that only it knows us by; people reach the configured name.
        if self.is_proxied && !self.hosts.is_empty() {
            return false;
        }
        let address = name.parse::<IpAddr>().ok();
        let is_here = address.is_some_and(|address| {
            address.to_canonical().is_loopback() || address == self.listen.ip() || self.listen.ip().is_unspecified()
        });
        name == "localhost" || is_here
    }

    /// The first configured name, else the address that the service listens on.
    fn usual(&self) -> String {
        match self.hosts.first() {
            // A proxy has a port of its own, which only a configured name can tell.
            Some(host) if self.is_proxied || name_of(host) != bare(host) => host.clone(),
            Some(host) => format!("{host}:{}", self.listen.port()),
            None => {
                let mut near = self.listen;
                if near.ip().is_unspecified() {
                    near.set_ip(if near.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
                }
                near.to_string()
            }
        }
    }
}

/// The name of a configured host, which may have a port.
fn name_of(host: &str) -> String {
    host.parse::<Authority>().map_or_else(|_| bare(host), |authority| bare(authority.host()))
}

/// A name without brackets and final dot, in lower case.
fn bare(name: &str) -> String {
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(listen: &str, hosts: &[&str], tls: bool, behind_proxy: bool) -> Origin {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        let tls_cert = tls.then(|| "/etc/lake.crt".into());
        Origin::new(&Server { hosts, behind_proxy, tls_cert, ..Server::default() }, listen.parse().unwrap())
    }

    #[test]
    fn a_name_of_ours_is_believed() {
        let plain = origin("127.0.0.1:8420", &[], false, false);
        for (host, expected) in [
            (None, "http://127.0.0.1:8420"),
            (Some("localhost:8420"), "http://localhost:8420"),
            (Some("[::1]:8420"), "http://[::1]:8420"),
            (Some("evil.example"), "http://127.0.0.1:8420"),
            (Some("me@127.0.0.1"), "http://127.0.0.1:8420"),
            (Some("a b\"c"), "http://127.0.0.1:8420"),
            (Some("10.0.0.7:8420"), "http://127.0.0.1:8420"),
        ] {
            assert_eq!(plain.of(host), expected, "{host:?}");
        }
    }

    #[test]
    fn no_address_is_a_wildcard() {
        let everywhere = origin("0.0.0.0:8420", &[], true, false);
        assert_eq!(everywhere.of(None), "https://127.0.0.1:8420");
        assert_eq!(everywhere.of(Some("10.0.0.7:8420")), "https://10.0.0.7:8420");
        assert_eq!(origin("[::]:8420", &[], false, false).of(Some("nowhere")), "http://[::1]:8420");
        let named = origin("0.0.0.0:8420", &["Lake.example.com", "other.example.com"], true, false);
        assert_eq!(named.of(None), "https://Lake.example.com:8420");
        assert_eq!(named.of(Some("evil.example")), "https://Lake.example.com:8420");
        assert_eq!(named.of(Some("other.example.com.:9000")), "https://other.example.com.:9000");
        assert_eq!(origin("0.0.0.0:8420", &["lake:443"], true, false).of(None), "https://lake:443");
    }

    #[test]
    fn behind_a_proxy_it_is_the_proxy_that_people_reach() {
        let proxied = origin("127.0.0.1:8420", &["lake.example.com"], false, true);
        for host in [None, Some("127.0.0.1:8420"), Some("lake.example.com"), Some("evil.example")] {
            assert_eq!(proxied.of(host), "https://lake.example.com", "{host:?}");
        }
        assert_eq!(origin("127.0.0.1:8420", &[], false, true).of(Some("localhost")), "https://localhost");
    }
}
