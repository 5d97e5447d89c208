//! Style sheets, scripts and pictures, compiled in and served under addresses that hold a hash of their content.
//!
//! So a browser keeps them for ever and yet never shows an old one.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Site, pages};

/// A file that pages refer to.
pub struct Asset {
    /// Where it is served.
    pub url: String,
    kind: &'static str,
    content: &'static str,
}

/// Every file.
pub struct Assets {
    /// How everything looks.
    pub style: Asset,
    /// What keeps pages up to date.
    pub script: Asset,
    /// What answers keys and pointers.
    pub actions: Asset,
    /// What is said while a part of a page is on its way, and when it does not come.
    pub wire: Asset,
    /// Exchanges parts of pages.
    pub htmx: Asset,
    /// The land of the earth.
    pub land: Asset,
    /// The mark in the browser's tab.
    pub icon: Asset,
}

pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: asset(
        "app",
        "css",
        "text/css; charset=utf-8",
        concat!(include_str!("../assets/app.css"), include_str!("../assets/desk.css")),
    ),
    script: asset("live", "js", "text/javascript; charset=utf-8", include_str!("../assets/live.js")),
    actions: asset("app", "js", "text/javascript; charset=utf-8", include_str!("../assets/app.js")),
    wire: asset("wire", "js", "text/javascript; charset=utf-8", include_str!("../assets/wire.js")),
    htmx: asset("htmx", "js", "text/javascript; charset=utf-8", include_str!("../assets/vendor/htmx.js")),
    land: asset("land", "svg", "image/svg+xml", include_str!("../assets/vendor/land.svg")),
    icon: asset("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg")),
});

fn asset(stem: &str, extension: &str, kind: &'static str, content: &'static str) -> Asset {
    let url = format!("/assets/{stem}-{:016x}.{extension}", xxh3_64(content.as_bytes()));
    Asset { url, kind, content }
}

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/assets/{name}", get(serve)).route("/favicon.ico", get(async || file(&ASSETS.icon)))
}

async fn serve(Path(name): Path<String>) -> Response {
    let Assets { style, script, actions, wire, htmx, land, icon } = &*ASSETS;
    let assets = [style, script, actions, wire, htmx, land, icon];
    match assets.into_iter().find(|asset| asset.url.strip_prefix("/assets/") == Some(&name)) {
        Some(asset) => file(asset),
        None => pages::plain_not_found(),
    }
}

fn file(asset: &'static Asset) -> Response {
    let headers = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.content).into_response()
}
