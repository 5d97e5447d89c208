//! The one way in: who asks, whether they may, whether the form is theirs, what is written down, and behind which mask.

mod rights;

use std::{net::SocketAddr, sync::Arc};

use auditlake_store::filter;
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

use self::rights::{is_background, is_forwarded, is_public, refusal};
use super::{
    Access, Mask, Notebook, Role, Who, cookie, hex,
    lookups::{self, Asking},
    mask, random, session,
};
use crate::{
    ApiError, Site, guard, pages,
    scope::{Params, encode},
};

pub use self::rights::{Limits, needed};

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
    /// Where viewers are led who see everything behind a mask, and the mask.
    masked: Option<(Router, Arc<Mask>)>,
    secret: hmac::Key,
    pub(super) hashing: Semaphore,
}

impl Gate {
    /// For a site; `masked` answers viewers, if they see things behind a mask.
    pub fn new(site: &Site, masked: Option<(Router, Arc<Mask>)>) -> Gate {
        // Without random numbers nobody's form is taken, as nobody knows this key either.
        let fresh = || hex(&random().unwrap_or_default());
        let secret = site.access.as_ref().map_or_else(fresh, |access| access.sessions.secret.clone());
        Gate {
            site: Arc::new(site.clone()),
            access: site.access.clone(),
            token: site.token.clone(),
            notebook: site.notebook.clone(),
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
        (self.is_local(peer) && !is_forwarded(headers)) || token.is_some_and(|token| guard::has_token(headers, token))
    }

    /// What keeps viewers from what they would see otherwise.
    fn limits(&self) -> Limits {
        let viewers_export = self.access.as_ref().is_none_or(Access::viewers_export);
        Limits { is_masked: self.masked.is_some(), viewers_export }
    }

    /// Whether a program of this machine asks, and nobody through a proxy.
    fn is_local(&self, peer: Option<SocketAddr>) -> bool {
        !self.is_proxied() && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
    }

    /// Whether somebody asks through a proxy where nobody has to log in: a user of this machine, as it seems, who may be anybody.
    fn is_stranger(&self, headers: &HeaderMap) -> bool {
        self.access.is_none() && is_forwarded(headers) && !guard::has_token(headers, &self.token)
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

    /// Who asks, and the text that their forms are tied to. `None` if somebody has to log in first. Only what a person asks for
    /// `renews` a session.
    fn identify(&self, headers: &HeaderMap, renews: bool) -> Option<(Who, String)> {
        if guard::has_token(headers, &self.token) {
            let who =
                Who { name: "command line".to_owned(), role: Role::Admin, csrf: String::new(), has_session: false };
            return Some((who, String::new()));
        }
        let Some(access) = &self.access else {
            let here = "here".to_owned();
            return Some((Who::here(self.csrf(&here)), here));
        };
        let id = cookie::read(headers, SESSION, self.is_secure())?;
        let (name, mark) = access.sessions.find(id, Timestamp::now(), renews)?;
        // Whoever was removed, or has another password, has to log in anew.
        let user = access.users.find(&name).filter(|user| session::hash(&user.mark) == mark)?;
        let who = Who { name: user.name, role: user.role, csrf: self.csrf(id), has_session: true };
        Some((who, id.to_owned()))
    }
}

/// Everything goes through here.
pub async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(gate.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let is_stranger = gate.is_stranger(request.headers());
    if is_public(&path) || (path == "/metrics" && gate.is_watcher(request.headers(), peer)) {
        let known = gate.identify(request.headers(), false).filter(|_| !is_stranger);
        return known.map_or_else(Who::nobody, |(who, _)| who).scope(next.run(request)).await;
    }
    if is_stranger {
        return open_to_all().into_response();
    }
    let renews = !(*request.method() == Method::GET && is_background(&path));
    let Some((who, session)) = gate.identify(request.headers(), renews) else { return ask_login(&request) };
    let needed = needed(request.method(), &path, gate.limits());
    if who.role < needed {
        return refuse(&gate.site, &who, &refusal(&who, needed), &path).await;
    }
    let masked = gate.masked.clone().filter(|_| who.role == Role::Viewer);
    let unasked = masked.as_ref().and_then(|_| hidden_question(&request));
    if let Some(why) = unasked {
        return refuse(&gate.site, &who, &why, &path).await;
    }
    let mut request = match check_form(&gate, &who, &session, request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Some(notebook) = &gate.notebook {
        request = match note(&gate, notebook, &who, masked.as_ref().map(|(_, mask)| &**mask), request).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
    }
    who.scope(async move {
        match masked {
            Some((masked, _)) => masked.oneshot(request).await.into_response(),
            None => next.run(request).await,
        }
    })
    .await
}

/// Whoever comes through a proxy would be taken for a user of this machine.
fn open_to_all() -> ApiError {
    let message =
        "a proxy has sent this request, and this service, which asks nobody to log in, answers this machine alone";
    let hint =
        "set server.behind_proxy = true and make a user with `auditlake users add NAME --role admin` (docs/access.md)";
    ApiError::new(StatusCode::FORBIDDEN, "forwarded", message).hint(hint)
}

/// Why whoever sees things behind the mask may not ask this filter. What is no filter, its page tells.
fn hidden_question(request: &Request) -> Option<String> {
    let path = request.uri().path();
    let name = match path {
        "/api/v1/select" => "filter",
        "/explore" | "/explore/live" | "/explore/facets" | "/explore/export.csv" | "/explore/export.jsonl" => "q",
        _ => return None,
    };
    let params = axum::extract::Query::<Params>::try_from_uri(request.uri()).ok()?.0;
    mask::refusal(&filter::parse(params.get(name)?).ok()?)
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

/// A page says it to people, an error to programs and to the parts of a page.
async fn refuse(site: &Site, who: &Who, message: &str, path: &str) -> Response {
    if path.starts_with("/api/") {
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response();
    }
    who.clone().scope(async { pages::forbidden(site, message) }).await
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

/// Hands what is looked up to whoever writes it down, and names as what they stand for.
async fn note(
    gate: &Gate,
    notebook: &Notebook,
    who: &Who,
    mask: Option<&Mask>,
    request: Request,
) -> Result<Request, Response> {
    let has_question = *request.method() == Method::POST && request.uri().path() == "/api/v1/sql";
    let (request, body) = match has_question {
        true => read(request, QUESTION).await?,
        false => (request, Bytes::new()),
    };
    // What another site's link would have somebody run is not run, and they have not asked it.
    if request.uri().path().starts_with("/sql") && !guard::is_asked_here(request.headers()) {
        return Ok(request);
    }
    let reveal = |text: &str| mask.map_or_else(|| text.to_owned(), |mask| mask.reveal(text));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let address = gate.address(request.headers(), peer);
    let by = Asking { who: &who.name, address: address.as_deref() };
    for asked in lookups::asked(request.method(), request.uri(), Some(&body), &reveal) {
        notebook.note(by, asked);
    }
    Ok(request)
}
