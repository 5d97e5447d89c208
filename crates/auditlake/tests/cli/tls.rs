//! TLS of the program as a whole: served with the operator's certificate, read again when its files change, and nothing beside it
//! for other machines.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};

use crate::{
    place::Place,
    program::{Running, until},
    users::{add, between, filled},
};

/// A certificate for `localhost` of our own making: what trusts it, and the texts of its files.
struct Made {
    root: CertificateDer<'static>,
    cert: String,
    key: String,
}

fn make() -> Made {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Made { root: made.cert.der().clone(), cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// A service on every address of this machine, with the certificate in these files; answers its port's address.
fn serve(place: &Place) -> (Running, String) {
    let program = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_LISTEN", "0.0.0.0:0");
    let program = program.env("AUDITLAKE_SERVER_HOSTS", "lake.example.com");
    let program = program.env("AUDITLAKE_SERVER_TLS_CERT", "lake.crt").env("AUDITLAKE_SERVER_TLS_KEY", "lake.key");
    let mut service = program.start();
    let line = service.line(|line| line.starts_with("https://"));
    let port = line.rsplit(':').next().unwrap().to_owned();
    (service, format!("127.0.0.1:{port}"))
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// The answer to a request by TLS; an error if the certificate is not the one that is trusted.
fn ask(address: &str, root: &CertificateDer<'static>, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(address));
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

fn get(host: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/html\r\n{more}\r\n")
}

#[test]
fn other_machines_are_served_by_tls_alone() {
    let place = filled(30);
    add(&place, "ann", "admin");
    let made = make();
    place.file("lake.crt", &made.cert);
    place.file("lake.key", &made.key);
    let (service, address) = serve(&place);

    // Somebody who connects and says nothing keeps nobody out.
    let silent = connect(&address);
    let health = ask(&address, &made.root, &get("lake.example.com", "/healthz", "")).unwrap();
    assert!(
        health.starts_with("HTTP/1.0 200") && health.contains("\r\nstrict-transport-security: max-age="),
        "{health}"
    );
    let health = ask(&address, &made.root, &get("localhost", "/healthz", "")).unwrap();
    assert!(health.starts_with("HTTP/1.0 200"), "{health}");
    assert!(!health.contains("strict-transport-security"), "other programs have pages on localhost: {health}");
    drop(silent);

    // A login, as a browser does it.
    let page = ask(&address, &made.root, &get("lake.example.com", "/login", "")).unwrap();
    let ticket = between(&page, "set-cookie: __Host-auditlake_login=", ";");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let form = format!("name=ann&password=correct+horse+battery&csrf={csrf}&next=%2F");
    let answer = ask(
        &address,
        &made.root,
        &format!(
            "POST /login HTTP/1.0\r\nHost: lake.example.com\r\nOrigin: https://lake.example.com\r\nCookie: __Host-auditlake_login={ticket}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
    .unwrap();
    assert!(answer.starts_with("HTTP/1.0 303"), "{answer}");
    let line = between(&answer, "set-cookie: __Host-auditlake_session=", "\r\n");
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");
    let cookie = format!("Cookie: __Host-auditlake_session={}\r\n", line.split(';').next().unwrap());
    let page = ask(&address, &made.root, &get("lake.example.com", "/explore?range=all", &cookie)).unwrap();
    assert!(page.starts_with("HTTP/1.0 200") && page.contains("ann@example.com"), "{page}");
    let page = ask(&address, &made.root, &get("lake.example.com", "/explore", "")).unwrap();
    assert!(page.starts_with("HTTP/1.0 303"), "{page}");

    // Plain HTTP is told so at once, and learns nothing else.
    let mut plain = connect(&address);
    plain.write_all(get("lake.example.com", "/healthz", &cookie).as_bytes()).unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    // So is what is neither.
    let mut noise = connect(&address);
    noise.write_all(&[0; 64]).unwrap();
    let _ = noise.read_to_end(&mut Vec::new());

    // Commands of this machine have a way of their own.
    assert_eq!(place.count(), 30);
    service.terminate().ok();
}

#[test]
fn a_changed_certificate_is_read_again() {
    let place = filled(3);
    add(&place, "ann", "admin");
    let (first, second) = (make(), make());
    place.file("lake.crt", &first.cert);
    place.file("lake.key", &first.key);
    let (mut service, address) = serve(&place);
    let asked = |made: &Made| ask(&address, &made.root, &get("localhost", "/healthz", ""));
    assert!(asked(&first).is_ok());
    let refused = asked(&second).unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    // A file that is written half leaves what was before.
    place.file("lake.crt", &second.cert[..second.cert.len() / 2]);
    assert!(asked(&first).is_ok());
    service.says("the changed certificate is not taken");
    // So does a certificate whose key has not come yet.
    place.file("lake.crt", &second.cert);
    assert!(asked(&first).is_ok());
    place.file("lake.key", &second.key);
    until("the other certificate is shown", || asked(&second).is_ok());
    assert!(asked(&first).is_err());
    service.says("the certificate was read again");
    service.terminate().ok();
}

#[test]
fn what_is_no_certificate_is_refused_at_the_start() {
    let place = filled(3);
    add(&place, "ann", "admin");
    let (made, other) = (make(), make());
    let start = |cert: &str, key: &str| {
        place.file("lake.crt", cert);
        place.file("lake.key", key);
        let program = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_TLS_CERT", "lake.crt");
        program.env("AUDITLAKE_SERVER_TLS_KEY", "lake.key").run().failed()
    };
    for (cert, key) in [("nothing", made.key.as_str()), (made.cert.as_str(), "nothing"), (&made.cert, &other.key)] {
        let told = start(cert, key);
        assert!(told.contains("for TLS") && told.contains("hint: "), "{told}");
    }
    let alone = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_TLS_CERT", "lake.crt").run().failed();
    assert!(alone.contains("only one of server.tls_cert and server.tls_key"), "{alone}");
}
