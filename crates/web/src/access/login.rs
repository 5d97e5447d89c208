//! `/login` and `/logout`.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use askama::Template;
use axum::{
    Extension, Form, Router,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    cookie,
    gate::{Gate, SESSION},
    hex, random,
};
use crate::{
    Site,
    assets::{ASSETS, Assets},
    pages, text,
};

/// What ties a login form to the browser that asked for it.
const TICKET: &str = "auditlake_login";

#[derive(Template)]
#[template(path = "login.html")]
struct Page<'a> {
    assets: &'static Assets,
    next: &'a str,
    name: &'a str,
    csrf: String,
    wrong: Option<String>,
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/login", get(page).post(log_in)).route("/logout", post(log_out))
}

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
    #[serde(default)]
    csrf: String,
}

/// Where somebody wanted to go: an address of this site, or the first page.
fn inside(next: &str) -> &str {
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r', '\t']);
    if is_ours { next } else { "/" }
}

async fn page(
    State(site): State<Arc<Site>>,
    Extension(gate): Extension<Arc<Gate>>,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Response {
    match &site.access {
        None => Redirect::to("/").into_response(),
        Some(_) => show(&gate, &headers, &question.next, "", StatusCode::OK, None),
    }
}

fn show(
    gate: &Gate,
    headers: &HeaderMap,
    next: &str,
    name: &str,
    status: StatusCode,
    wrong: Option<String>,
) -> Response {
    let known = cookie::read(headers, TICKET, gate.is_secure()).filter(|ticket| ticket.len() == 64).map(str::to_owned);
    let Some(ticket) = known.or_else(|| random().map(|bytes| hex(&bytes))) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let csrf = gate.csrf(&ticket);
    let page = Page { assets: &ASSETS, next: inside(next), name, csrf, wrong };
    let mut response = pages::render(status, &page);
    if let Some(cookie) = cookie::write(TICKET, &ticket, gate.is_secure()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn log_in(
    State(site): State<Arc<Site>>,
    Extension(gate): Extension<Arc<Gate>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    let Some(access) = site.access.clone() else { return Redirect::to("/").into_response() };
    let Login { name, password, next, csrf } = login;
    let name: String = name.trim().chars().take(100).collect();
    let again = |status, wrong: &str| show(&gate, &headers, &next, &name, status, Some(wrong.to_owned()));
    let ticket = cookie::read(&headers, TICKET, gate.is_secure()).unwrap_or_default();
    if ticket.is_empty() || !gate.is_csrf(ticket, &csrf) {
        return again(StatusCode::FORBIDDEN, "The form was too old, or this browser takes no cookies. Try again.");
    }
    let address = gate.address(&headers, peer.map(|peer| peer.0.0)).unwrap_or_default();
    if let Err(wait) = access.throttle.begin(&name, &address, Instant::now()) {
        tracing::warn!(user = %text::plain(&name, 60), address, "a login has to wait: it failed too often");
        let seconds = wait.as_secs() + 1;
        let text = format!("Too many attempts. Wait {}.", text::count(seconds, "second", "seconds"));
        let mut response = again(StatusCode::TOO_MANY_REQUESTS, &text);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    // Hashing takes a core for a moment and 19 MiB: a few at a time.
    let Ok(_permit) = gate.hashing.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (users, asked) = (access.users.clone(), name.clone());
    let password: SecretString = password.into();
    let checked = tokio::task::spawn_blocking(move || users.check(&asked, &password)).await;
    let Some(user) = checked.ok().flatten() else {
        tracing::warn!(user = %text::plain(&name, 60), address, "a login failed");
        return again(StatusCode::UNAUTHORIZED, "Name or password is wrong.");
    };
    access.throttle.succeeded(&name, &address);
    let Some(id) = access.sessions.open(&user, Timestamp::now()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    tracing::info!(user = user.name, address, "logged in");
    // Whoever had another session in this browser leaves it.
    if let Some(old) = cookie::read(&headers, SESSION, gate.is_secure()) {
        access.sessions.close(old).await;
    }
    let mut response = Redirect::to(inside(&next)).into_response();
    for (name, value) in [(SESSION, id.as_str()), (TICKET, "")] {
        if let Some(cookie) = cookie::write(name, value, gate.is_secure()) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

async fn log_out(State(site): State<Arc<Site>>, Extension(gate): Extension<Arc<Gate>>, headers: HeaderMap) -> Response {
    let Some(access) = &site.access else { return Redirect::to("/").into_response() };
    if let Some(id) = cookie::read(&headers, SESSION, gate.is_secure()) {
        access.sessions.close(id).await;
    }
    let mut response = Redirect::to("/login").into_response();
    if let Some(cookie) = cookie::write(SESSION, "", gate.is_secure()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_nowhere_else() {
        for there in ["/", "/explore?q=a%20b", "/person/a@b"] {
            assert_eq!(inside(there), there);
        }
        for elsewhere in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/x"]
        {
            assert_eq!(inside(elsewhere), "/", "{elsewhere}");
        }
    }
}
