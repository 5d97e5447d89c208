//! The one way in: who asks, whether they may, whether the form is theirs, what is written down, and behind which mask.

use std::{net::SocketAddr, sync::Arc};

use auditlake_store::lookup::Lookup;
use axum::{
    Form, Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use ring::hmac;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{Access, Notebook, Role, Who, cookie, hex, lookups, random, session};
use crate::{ApiError, Site, guard, pages, scope::encode};

/// The session's cookie.
pub const SESSION: &str = "auditlake_session";
/// A form is no longer, and neither is a question to the API that is written down.
const FORM: usize = 256 << 10;
const QUESTION: usize = 4 << 20;
/// Logins whose password is checked at the same time.
const HASHING: usize = 2;

/// What the way in knows.
pub struct Gate {
    site: Arc<Site>,
    access: Option<Access>,
    token: secrecy::SecretString,
    notebook: Option<Notebook>,
    is_masked: bool,
    /// Where viewers are led who see everything behind a mask.
    masked: Option<Router>,
    secret: hmac::Key,
    pub(super) hashing: Semaphore,
}

impl Gate {
    /// For a site; `masked` answers viewers, if they see things behind a mask.
    pub fn new(site: &Site, masked: Option<Router>) -> Gate {
        // Without random numbers nobody's form is taken, as nobody knows this key either.
        let fresh = || hex(&random().unwrap_or_default());
        let secret = site.access.as_ref().map_or_else(fresh, |access| access.sessions.secret.clone());
        Gate {
            site: Arc::new(site.clone()),
            access: site.access.clone(),
            token: site.token.clone(),
            notebook: site.notebook.clone(),
            is_masked: masked.is_some(),
            masked,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            hashing: Semaphore::new(HASHING),
        }
    }

    /// What forms of this session carry.
    pub fn csrf(&self, session: &str) -> String {
        hex(hmac::sign(&self.secret, session.as_bytes()).as_ref())
    }

    /// Whether a form carries what this session's forms carry.
    pub fn is_csrf(&self, session: &str, given: &str) -> bool {
        bool::from(self.csrf(session).as_bytes().ct_eq(given.as_bytes()))
    }

    /// Whether a reverse proxy with TLS stands before the service.
    pub fn is_proxied(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.is_proxied)
    }

    /// Whether browsers reach the service by TLS, one way or the other.
    pub fn is_secure(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.is_secure)
    }

    /// Whether somebody may read the metrics without being a user.
    fn is_watcher(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
        let token = self.access.as_ref().and_then(|access| access.metrics_token.as_ref());
        self.is_local(peer) || token.is_some_and(|token| guard::has_token(headers, token))
    }

    /// What keeps viewers from what they would see otherwise.
    fn limits(&self) -> Limits {
        let viewers_export = self.access.as_ref().is_none_or(Access::viewers_export);
        Limits { is_masked: self.is_masked, viewers_export }
    }

    /// Whether a program of this machine asks, and nobody through a proxy.
    fn is_local(&self, peer: Option<SocketAddr>) -> bool {
        !self.is_proxied() && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
    }

    /// The address that a request comes from.
    pub fn address(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<String> {
        if self.is_proxied() {
            // The last one is what the proxy itself has seen; those before it anybody can write.
            let told = headers.get_all("x-forwarded-for").iter().next_back().and_then(|line| line.to_str().ok());
            if let Some(last) = told.and_then(|line| line.rsplit(',').next()).map(str::trim)
                && let Ok(address) = last.parse::<std::net::IpAddr>()
            {
                return Some(address.to_string());
            }
        }
        peer.map(|peer| peer.ip().to_canonical().to_string())
    }

    /// Who asks, and the text that their forms are tied to. `None` if somebody has to log in first.
    fn identify(&self, headers: &HeaderMap) -> Option<(Who, String)> {
        if guard::has_token(headers, &self.token) {
            let who =
                Who { name: "command line".to_owned(), role: Role::Admin, csrf: String::new(), has_session: false };
            return Some((who, String::new()));
        }
        let Some(access) = &self.access else {
            let here = "here".to_owned();
            return Some((Who::here(self.csrf(&here)), here));
        };
        let id = cookie::read(headers, SESSION)?;
        let (name, mark) = access.sessions.find(id, Timestamp::now())?;
        // Whoever was removed, or has another password, has to log in anew.
        let user = access.users.find(&name).filter(|user| session::hash(&user.mark) == mark)?;
        let who = Who { name: user.name, role: user.role, csrf: self.csrf(id), has_session: true };
        Some((who, id.to_owned()))
    }
}

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

/// What anybody may ask for.
fn is_public(path: &str) -> bool {
    matches!(path, "/login" | "/healthz" | "/readyz" | "/favicon.ico") || path.starts_with("/assets/")
}

/// Everything goes through here.
pub async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(gate.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    if is_public(&path) || (path == "/metrics" && gate.is_watcher(request.headers(), peer)) {
        let who = gate.identify(request.headers()).map_or_else(Who::nobody, |(who, _)| who);
        return who.scope(next.run(request)).await;
    }
    let Some((who, session)) = gate.identify(request.headers()) else { return ask_login(&request) };
    let needed = needed(request.method(), &path, gate.limits());
    if who.role < needed {
        return refuse(&gate.site, &who, needed, &path).await;
    }
    let mut request = match check_form(&gate, &who, &session, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Some(notebook) = &gate.notebook {
        request = match note(&gate, notebook, &who, request).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
    }
    let masked = gate.masked.clone().filter(|_| who.role == Role::Viewer);
    who.scope(async move {
        match masked {
            Some(masked) => masked.oneshot(request).await.into_response(),
            None => next.run(request).await,
        }
    })
    .await
}

/// A page leads to the login, and back; everything else is told that it is needed.
fn ask_login(request: &Request) -> Response {
    let has = |name: &str| request.headers().contains_key(name);
    let accepts_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let uri = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_page = accepts_page && !uri.starts_with("/api/") && !uri.contains("/live");
    if *request.method() == Method::GET && is_page && !has("hx-request") {
        return Redirect::to(&format!("/login?next={}", encode(&uri))).into_response();
    }
    let hint =
        "open the page and log in, or send `Authorization: Bearer <token>` with the token from the data directory";
    let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "this needs a login").hint(hint);
    let mut response = error.into_response();
    if has("hx-request") {
        // The whole page goes to the login, not a part of it.
        response.headers_mut().insert(HeaderName::from_static("hx-redirect"), HeaderValue::from_static("/login"));
    }
    response
}

async fn refuse(site: &Site, who: &Who, needed: Role, path: &str) -> Response {
    let message = format!("{} is {}, and this is for {}", who.name, with_article(who.role), plural(needed));
    if path.starts_with("/api/") {
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response();
    }
    who.clone().scope(async { pages::forbidden(site, &message) }).await
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

/// Lets a request pass that changes something only if it comes from a form of this site, for this session. A program with the
/// token needs none: no page can send that.
async fn check_form(gate: &Gate, who: &Who, session: &str, request: Request) -> Result<Request, Response> {
    if matches!(*request.method(), Method::GET | Method::HEAD) || who.csrf.is_empty() {
        return Ok(request);
    }
    let refusal = || {
        let message = "the form is not of this session";
        let hint = "load the page again, and send the form once more";
        ApiError::new(StatusCode::FORBIDDEN, "csrf", message).hint(hint).into_response()
    };
    let headers = request.headers();
    if request.uri().path().starts_with("/api/") {
        // On the loopback interface, the API asks for its token or for a page of this site by itself.
        let given = headers.get("x-csrf-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        let own_page = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        let is_fine = !who.has_session || own_page || gate.is_csrf(session, given);
        return if is_fine { Ok(request) } else { Err(refusal()) };
    }
    let (request, body) = read(request, FORM).await?;
    let mut form = Request::new(Body::from(body));
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    form.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
    *form.method_mut() = Method::POST;
    let fields = Form::<Vec<(String, String)>>::from_request(form, &()).await.map(|form| form.0).unwrap_or_default();
    let given = fields.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.as_str()).unwrap_or_default();
    if gate.is_csrf(session, given) { Ok(request) } else { Err(refusal()) }
}

/// Reads a body, and puts it back.
async fn read(request: Request, most: usize) -> Result<(Request, Bytes), Response> {
    let (parts, body) = request.into_parts();
    match to_bytes(body, most).await {
        Ok(bytes) => Ok((Request::from_parts(parts, Body::from(bytes.clone())), bytes)),
        Err(_) => Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "that is too long").into_response()),
    }
}

/// Hands what is looked up to whoever writes it down.
async fn note(gate: &Gate, notebook: &Notebook, who: &Who, request: Request) -> Result<Request, Response> {
    let has_question = *request.method() == Method::POST && request.uri().path() == "/api/v1/sql";
    let (request, body) = match has_question {
        true => read(request, QUESTION).await?,
        false => (request, Bytes::new()),
    };
    if let Some((what, detail)) = lookups::asked(request.method(), request.uri(), Some(&body)) {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        let mut link = lookups::link(request.uri());
        // What was asked of the API has a page, too.
        match what {
            "sql" if has_question => link = format!("/sql?q={}", encode(&detail)),
            "search" => link = format!("/explore?range=all&q={}", encode(&detail)),
            _ => {}
        }
        notebook.note(Lookup {
            at: Timestamp::now(),
            who: who.name.clone(),
            address: gate.address(request.headers(), peer),
            what: what.to_owned(),
            detail,
            link,
        });
    }
    Ok(request)
}
