//! Each failure that the checks know, made to happen: the line says what it is and what to do.

use std::{future::pending, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use axum::{
    Router,
    http::{HeaderName, StatusCode},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use simulate::{Config as World, Pace, Simulation};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use super::*;
use crate::simulated::SimulatedFeed;

const KEY: &str = "sk-ant-api01-test";

/// A source that goes straight to an address.
fn source(url: &str) -> SourceConfig {
    SourceConfig {
        name: "acme".into(),
        base_url: Some(url.into()),
        key: Some(KEY.to_owned().into()),
        ..SourceConfig::default()
    }
}

async fn look(source: SourceConfig) -> Vec<Finding> {
    let config = Config { sources: vec![source], ..Config::default() };
    let data = DataDir::new("/nowhere".into());
    source::check(&Scene { config: &config, data: &data, sources: config.sources.iter().collect() }).await
}

/// The finding of this check, which has to be there.
#[track_caller]
fn find<'f>(findings: &'f [Finding], check: &str) -> &'f Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("no {check} in {findings:#?}"))
}

/// It fails, says this, and says what to do.
#[track_caller]
fn fails(findings: &[Finding], check: &str, saw: &str, todo: &str) {
    let found = find(findings, check);
    assert_eq!(found.result, Verdict::Fail, "{findings:#?}");
    assert_eq!(found.source.as_deref(), Some("acme"));
    assert!(found.saw.contains(saw) && found.todo.as_ref().unwrap().contains(todo), "{found:#?}");
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A feed that answers everything in this way.
async fn always(status: u16, headers: Vec<(&'static str, String)>, body: impl Into<String>) -> String {
    let (status, body) = (StatusCode::from_u16(status).unwrap(), body.into());
    serve(Router::new().fallback(move || {
        let headers = headers.clone().into_iter().map(|(name, value)| (HeaderName::from_static(name), value));
        let answer = (status, axum::response::AppendHeaders(headers.collect::<Vec<_>>()), body.clone());
        std::future::ready(answer)
    }))
    .await
}

/// The feed's own error.
async fn refuses(status: u16, message: &str) -> Vec<Finding> {
    let body = ::feed::ApiError::new(status, message).to_json();
    look(source(&always(status, vec![("request-id", "req_1".into())], body).await)).await
}

async fn simulated(faults: &[&str]) -> SourceConfig {
    let world = World {
        people: 10,
        days: 1,
        pace: Pace::Real,
        faults: faults.iter().map(|text| text.parse().unwrap()).collect(),
        ..World::default()
    };
    let simulation = Arc::new(Simulation::new(world).unwrap());
    let feed = SimulatedFeed::bind(&simulation, 0, 600).await.unwrap();
    let source = SourceConfig { key: Some(simulation.key().into()), ..source(&feed.url) };
    tokio::spawn(feed.serve(pending()));
    source
}

#[tokio::test]
async fn all_is_well_with_a_feed_that_is_well() {
    let findings = look(simulated(&[]).await).await;
    assert!(findings.iter().all(|finding| finding.result == Verdict::Ok && finding.todo.is_none()), "{findings:#?}");
    for check in ["key", "key kind", "proxy", "name", "connection", "key accepted", "clock", "page", "budget", "lag"] {
        find(&findings, check);
    }
    assert!(find(&findings, "lag").saw.contains("showed our own request within"), "{findings:#?}");
    assert!(find(&findings, "budget").saw.contains("600 requests a minute"), "{findings:#?}");
    assert!(!format!("{findings:?}").contains("sk-ant-api01-sim-"), "a key is shown");
}

#[tokio::test]
async fn a_key_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let none = SourceConfig { key: None, ..source("http://127.0.0.1:1") };
    fails(&look(none.clone()).await, "key", "has no key", "ANTHROPIC_COMPLIANCE_ACCESS_KEY");
    let file = dir.path().join("key");
    let in_file = SourceConfig { key_file: Some(file.clone()), ..none.clone() };
    fails(&look(in_file.clone()).await, "key", "No such file", "chmod 600");
    std::fs::write(&file, "\n").unwrap();
    fails(&look(in_file).await, "key", "the key is empty", "nothing else");
    let by_command = SourceConfig { key_command: Some("exit 7".into()), ..none };
    fails(&look(by_command).await, "key", "key_command ended with exit status: 7", "run the command yourself");
}

#[tokio::test]
async fn a_key_of_the_wrong_kind() {
    let wrong = SourceConfig { key: Some("sk-ant-api03-abc".to_owned().into()), ..source("http://127.0.0.1:1") };
    let findings = look(wrong).await;
    fails(&findings, "key kind", "Claude API key (sk-ant-api03-…), the wrong kind", "read:compliance_activities");
    assert_eq!(findings.len(), 2, "nothing is asked with it: {findings:#?}");
    let strange = SourceConfig { key: Some("hello".to_owned().into()), ..source("http://127.0.0.1:1") };
    assert_eq!(find(&look(strange).await, "key kind").result, Verdict::Warn);
    let admin = SourceConfig { key: Some("sk-ant-admin01-x".to_owned().into()), ..source("http://127.0.0.1:1") };
    assert!(find(&look(admin).await, "key kind").saw.contains("only if the Compliance API was enabled"));
}

#[tokio::test]
async fn a_key_that_others_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = SourceConfig { key: None, key_file: Some(file), ..source("http://127.0.0.1:1") };
    let findings = look(open).await;
    assert_eq!(find(&findings, "key").result, Verdict::Warn, "{findings:#?}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    fails(&look(source(&url)).await, "connection", "nothing listens at this address", "base_url");
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    let findings = look(source("http://feed.invalid")).await;
    fails(&findings, "name", "cannot be resolved", "HTTPS_PROXY");
    fails(&findings, "connection", "the name cannot be resolved", "DNS");
    let bad = look(source("feed.example")).await;
    fails(&bad, "settings", "is not a URL", "base_url");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_refuses() {
    let url = "https://feed.invalid";
    let through = |proxy: &str| SourceConfig { proxy: Some(proxy.to_owned().into()), ..source(url) };
    let findings = look(through("http://user:secret@127.0.0.1:1")).await;
    assert_eq!(find(&findings, "proxy").saw, "requests go through http://127.0.0.1:1 (setting proxy)");
    fails(&findings, "connection", "the proxy refuses the connection", "proxy runs");
    assert!(!format!("{findings:?}").contains("secret"));
    let login = always(407, Vec::new(), "").await;
    fails(&look(through(&login)).await, "connection", "the proxy wants a login", "USER:PASSWORD");
    let closed = always(403, Vec::new(), "").await;
    fails(&look(through(&closed)).await, "connection", "the proxy does not let us through", "allow the feed's host");
}

#[tokio::test]
async fn what_the_feed_refuses() {
    fails(
        &refuses(401, "invalid x-api-key").await,
        "key accepted",
        "does not know this key, or it is revoked",
        "make a",
    );
    let scope = ::feed::ApiError::missing_scope(&["read:users"], "read:compliance_activities").message;
    let findings = refuses(403, &scope).await;
    fails(&findings, "key accepted", "lacks the scope read:compliance_activities; it has read:users", "never change");
    let plan = refuses(403, "the Compliance API is not enabled").await;
    fails(&plan, "key accepted", "not open to this organization", "Claude Enterprise plan");
    fails(&refuses(404, "not found").await, "answer", "there is no Activity Feed", "the host alone");
    fails(&refuses(400, "organization_ids").await, "answer", "does not accept the request", "organization_ids");
    fails(&refuses(529, "overloaded").await, "answer", "a problem of its own", "asks again by itself");
    let busy = always(429, vec![("retry-after", "17".into()), ("request-id", "req_1".into())], "{}").await;
    let findings = look(source(&busy)).await;
    assert!(find(&findings, "budget").saw.contains("17 s to wait"), "{findings:#?}");
    assert_eq!(find(&findings, "budget").result, Verdict::Warn);
}

#[tokio::test]
async fn what_is_no_feed() {
    let page = look(source(&always(200, Vec::new(), "<html>hello").await)).await;
    fails(&page, "page", "cannot be read", "no Activity Feed");
    let gateway = look(source(&always(403, Vec::new(), "<html>blocked").await)).await;
    fails(&gateway, "answer", "not from the feed", "proxy or gateway");
    let moved = look(source(&always(301, vec![("location", "https://example.com".into())], "").await)).await;
    fails(&moved, "answer", "redirects elsewhere", "final address");
    let empty = r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#;
    let findings = look(source(&always(200, Vec::new(), empty).await)).await;
    assert_eq!(find(&findings, "page").result, Verdict::Warn);
    let strange = r#"{"data":[{"id":7}],"has_more":false,"first_id":"a","last_id":"b"}"#;
    let findings = look(source(&always(200, Vec::new(), strange).await)).await;
    assert!(find(&findings, "page").saw.contains("of 1 activities, 1 cannot be read"), "{findings:#?}");
}

#[tokio::test]
async fn clocks_that_differ() {
    let findings = look(simulated(&["skew=100%:1h"]).await).await;
    fails(&findings, "clock", "s behind the feed", "NTP");
    assert_eq!(find(&findings, "page").result, Verdict::Ok, "{findings:#?}");
}

#[tokio::test]
async fn a_budget_that_others_use_up() {
    let page = r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#;
    let limits = |left: &str| {
        let limit = ("anthropic-ratelimit-requests-limit", "600".to_owned());
        vec![limit, ("anthropic-ratelimit-requests-remaining", left.to_owned())]
    };
    let findings = look(source(&always(200, limits("90"), page).await)).await;
    assert_eq!(find(&findings, "budget").result, Verdict::Warn, "{findings:#?}");
    let findings = look(source(&always(200, limits("300"), page).await)).await;
    assert_eq!(
        find(&findings, "budget").saw,
        "600 requests a minute, 300 of them left now; 20 % are left to the company's other tools"
    );
}

/// A feed over TLS with a certificate for `name`, valid or not any more; and the authority that signed it.
async fn secured(name: &str, is_expired: bool) -> (String, String) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let mut leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    if is_expired {
        leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2020, 2, 1);
    }
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(connection).await else { return };
                let _ = tls.read(&mut [0; 4_096]).await;
                let body = r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#;
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = tls.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = tls.shutdown().await;
            });
        }
    });
    let text = BASE64_STANDARD.encode(root.der());
    (url, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
}

#[tokio::test]
async fn certificates() {
    let dir = tempfile::tempdir().unwrap();
    let trusting = |url: &str, root: &str, name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, root).unwrap();
        SourceConfig { ca_file: Some(path), ..source(url) }
    };
    let (url, root) = secured("localhost", false).await;
    fails(&look(source(&url)).await, "connection", "signed by nobody whom this machine trusts", "ca_file");
    let findings = look(trusting(&url, &root, "good.pem")).await;
    assert_eq!(find(&findings, "connection").result, Verdict::Ok, "{findings:#?}");
    let (url, root) = secured("localhost", true).await;
    fails(&look(trusting(&url, &root, "old.pem")).await, "connection", "has expired", "clock");
    let (url, root) = secured("other.example", false).await;
    fails(
        &look(trusting(&url, &root, "other.pem")).await,
        "connection",
        "for another name than base_url has",
        "stands in the certificate",
    );
    fails(&look(trusting(&url, "nothing", "empty.pem")).await, "settings", "holds no certificate", "ca_file");
    let plain = always(200, Vec::new(), "").await.replace("http://", "https://");
    fails(&look(source(&plain)).await, "connection", "speaks no TLS", "http://");
}

/// The findings of the topics that look at a directory.
async fn local(path: &Path) -> Vec<Finding> {
    let (config, data) = (Config::default(), DataDir::new(path.to_owned()));
    let scene = Scene { config: &config, data: &data, sources: Vec::new() };
    let mut findings = directory::check(&scene).await;
    findings.extend(store::check(&scene).await);
    findings
}

#[tokio::test]
async fn directories() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    assert!(local(&path).await.iter().all(|finding| finding.result == Verdict::Ok));
    assert!(!path.exists(), "looking makes nothing");
    let data = DataDir::new(path.clone());
    drop(data.own_alone("import").unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let findings = local(&path).await;
    assert_eq!(find(&findings, "data directory").result, Verdict::Warn, "{findings:#?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let owner = data.own_alone("import").unwrap();
    let findings = local(&path).await;
    assert!(find(&findings, "lock").saw.contains("held by `auditlake import`"), "{findings:#?}");
    drop(owner);
    std::fs::write(path.join("lake.duckdb"), "this is no database").unwrap();
    let findings = local(&path).await;
    assert_eq!(find(&findings, "store").result, Verdict::Fail, "{findings:#?}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(local(&file).await[0].result, Verdict::Fail);
}

/// What a ClickHouse server of this version is said to be; it answers everything with it.
async fn server(version: &'static str, host: &str, password: Option<&str>) -> Vec<Finding> {
    let column: arrow::array::ArrayRef = Arc::new(arrow::array::StringArray::from(vec![version]));
    let rows = arrow::array::RecordBatch::try_from_iter([("version()", column)]).unwrap();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    let answer = writer.into_inner().unwrap();
    let url = serve(Router::new().fallback(async move || answer.clone())).await;
    let mut config = Config::default();
    let place = url.replace("http://127.0.0.1", &format!("clickhouse://{host}"));
    config.store.url = Some(format!("{place}/logs?compression=none"));
    config.store.password = password.map(|text| text.to_owned().into());
    let data = DataDir::new("/nowhere".into());
    store::check(&Scene { config: &config, data: &data, sources: Vec::new() }).await
}

#[tokio::test]
async fn a_server_that_is_too_old() {
    let findings = server("24.3.5.46", "127.0.0.1", None).await;
    let found = find(&findings, "store");
    assert_eq!(found.result, Verdict::Fail, "{found:#?}");
    assert!(found.saw.contains("it is version 24.3.5.46 of ClickHouse, and has to be 25.8 or newer"), "{found:#?}");
    assert_eq!(found.todo.as_deref(), Some("upgrade the server"));
    let findings = server("25.8.1.1", "127.0.0.1", None).await;
    assert_eq!((findings.len(), findings[0].result), (1, Verdict::Ok), "{findings:#?}");
    assert!(findings[0].saw.contains("answers (version 25.8.1.1); empty yet"), "{findings:#?}");
}

#[tokio::test]
async fn a_password_that_others_could_read() {
    let findings = server("25.8.1.1", "0.0.0.0", Some("correct horse")).await;
    assert_eq!((findings.len(), findings[1].result), (2, Verdict::Warn), "{findings:#?}");
    assert!(findings[1].saw.contains("without TLS") && !format!("{findings:?}").contains("horse"), "{findings:#?}");
    assert_eq!(server("25.8.1.1", "127.0.0.1", Some("correct horse")).await.len(), 1);
}
