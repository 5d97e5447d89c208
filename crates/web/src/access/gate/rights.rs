//! Which request may be made by whom, and what else is told of it by its path, method and headers alone.

use axum::http::{HeaderMap, Method};

use super::{Role, Who};

/// What proxies say of themselves: a request with one of these was sent on for somebody, whatever its address says.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// What keeps viewers from what they would see otherwise.
#[derive(Clone, Copy)]
pub struct Limits {
    pub is_masked: bool,
    pub viewers_export: bool,
}

/// What a request may be made by, at least. What stands nowhere here and changes something is for admins.
pub fn needed(method: &Method, path: &str, limits: Limits) -> Role {
    let is =
        |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['/', '.']));
    if is("/settings") || is("/lookups") {
        return Role::Admin;
    }
    if is("/sql") || is("/api/v1/sql") {
        return Role::Analyst;
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        let tells_all = is("/metrics") || is("/api/v1/deliveries");
        let is_raw = path.starts_with("/activity/") && path.ends_with("/raw");
        // What goes another way than through the mask.
        let is_past_mask = limits.is_masked && (is_raw || is("/api/v1/alerts"));
        let is_export = is("/explore/export") || is("/api/v1/select");
        let is_refused = is_past_mask || (is_export && !limits.viewers_export);
        return if tells_all || is_refused { Role::Analyst } else { Role::Viewer };
    }
    match path {
        "/logout" => Role::Viewer,
        "/api/v1/alerts" => Role::Analyst,
        _ if is("/alerts") => Role::Analyst,
        _ if is("/rules") && path.ends_with("/trial") => Role::Analyst,
        _ => Role::Admin,
    }
}

/// Whether a proxy says that it sends this on for somebody.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// Whether an open page asks for this by itself, so that nobody need be there: the pulse, regions that are kept up to date, and
/// how far a trial is.
pub fn is_background(path: &str) -> bool {
    path.starts_with("/live/") || path.ends_with("/live") || (path.starts_with("/rules/") && path.ends_with("/trial"))
}

/// What anybody may ask for.
pub fn is_public(path: &str) -> bool {
    matches!(path, "/login" | "/healthz" | "/readyz" | "/favicon.ico") || path.starts_with("/assets/")
}

/// Why somebody may not, in words.
pub fn refusal(who: &Who, needed: Role) -> String {
    format!("{} is {}, and this is for {}", who.name, with_article(who.role), plural(needed))
}

fn with_article(role: Role) -> &'static str {
    match role {
        Role::Viewer => "a viewer",
        Role::Analyst => "an analyst",
        Role::Admin => "an admin",
    }
}

fn plural(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewers",
        Role::Analyst => "analysts and admins",
        Role::Admin => "admins",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_ask_by_themselves() {
        for path in
            ["/live", "/live/alerts", "/overview/live", "/explore/live", "/alerts/alert_1/live", "/rules/a/trial"]
        {
            assert!(is_background(path), "{path}");
        }
        for path in ["/", "/explore", "/alerts", "/alerts/live-1", "/rules/trials", "/explore/facets", "/delivery"] {
            assert!(!is_background(path), "{path}");
        }
    }
}
