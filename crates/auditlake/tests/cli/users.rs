//! Users and logins of the program as a whole: no service for other machines without a user, passwords that never stand among
//! the words, sessions over HTTP, what viewers see, and who looked up what.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use crate::{
    place::{Place, activities, lines},
    program::{Running, until},
};

const PASSWORD: &str = "correct horse battery\n";

pub fn add(place: &Place, name: &str, role: &str) {
    place.program(&["users", "add", name, "--role", role]).stdin(PASSWORD).run().ok();
}

/// A place with something to look at.
pub fn filled(count: u32) -> Place {
    let place = Place::new();
    place.run(&["import", &place.file("all.jsonl", activities(count))]).ok();
    place
}

/// A service on every address of this machine.
fn serve(place: &Place, more: &[(&str, &str)]) -> (Running, String) {
    let program = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_LISTEN", "0.0.0.0:0");
    let program = more.iter().fold(program, |program, (name, value)| program.env(name, value));
    let mut service = program.start();
    let line = service.line(|line| line.starts_with("http://"));
    let port = line.rsplit(':').next().unwrap().to_owned();
    (service, format!("127.0.0.1:{port}"))
}

/// A request: status, head and body.
#[track_caller]
fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    // In one go: who is refused is answered before the body is read, and a body that comes behind the end of a connection
    // resets it, answer and all.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}{length}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

/// What stands between two texts.
#[track_caller]
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

/// The header with the session of somebody who logs in.
#[track_caller]
fn log_in(address: &str, name: &str) -> String {
    let (_, head, page) = ask(address, "GET", "/login", "", "");
    let ticket = between(&head, "auditlake_login=", ";");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let form = format!("name={name}&password=correct+horse+battery&csrf={csrf}&next=%2Falerts");
    let (status, head, page) = ask(address, "POST", "/login", &format!("Cookie: auditlake_login={ticket}\r\n"), &form);
    assert_eq!(status, 303, "{page}");
    format!("Cookie: auditlake_session={}\r\n", between(&head, "auditlake_session=", ";"))
}

#[test]
fn users_come_and_go() {
    let place = Place::new();
    add(&place, "ann", "admin");
    add(&place, "bob", "viewer");
    assert!(place.program(&["users", "add", "ann"]).stdin(PASSWORD).run().failed().contains("already"));
    assert!(place.program(&["users", "add", "eve"]).stdin("short\n").run().failed().contains("12 are the least"));
    assert!(
        place.program(&["users", "add", "<eve>"]).stdin(PASSWORD).run().failed().contains("cannot be a user's name")
    );
    assert!(place.run(&["users", "passwd", "eve"]).failed().contains("there is no user eve"));
    assert_eq!(place.program(&["users", "add", "eve", "--role", "king"]).run().code, Some(2));
    place.run(&["users", "role", "bob", "analyst"]).ok();
    place.program(&["users", "passwd", "bob"]).stdin("another password\n").run().ok();
    let list = place.run(&["users", "list", "--format", "jsonl"]).ok();
    let list: Vec<(String, String)> =
        lines(&list).iter().map(|user| (user["name"].to_string(), user["role"].to_string())).collect();
    assert_eq!(list, [("\"ann\"".into(), "\"admin\"".into()), ("\"bob\"".into(), "\"analyst\"".into())]);
    let file = place.data().join("users.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("$argon2id$") && !text.contains("horse") && !text.contains("another"), "{text}");
    place.run(&["users", "remove", "ann"]).ok();
    assert!(place.run(&["users", "remove", "ann"]).failed().contains("there is no user ann"));
}

#[test]
fn other_machines_need_a_login() {
    let place = Place::new();
    let file = place.file("all.jsonl", activities(30));
    place.run(&["import", &file]).ok();
    let refused = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_LISTEN", "0.0.0.0:0").run().failed();
    assert!(refused.contains("there is no user to log in") && refused.contains("auditlake users add"), "{refused}");
    let refused = place.program(&["run", "--port", "0"]).env("AUDITLAKE_ACCESS_REQUIRE_LOGIN", "true").run().failed();
    assert!(refused.contains("there is no user to log in"), "{refused}");
    for (name, role) in [("ann", "admin"), ("bob", "viewer")] {
        add(&place, name, role);
    }
    let (service, address) = serve(
        &place,
        &[("AUDITLAKE_ACCESS_MASK_FOR_VIEWERS", "true"), ("AUDITLAKE_ACCESS_VIEWERS_MAY_EXPORT", "true")],
    );
    let (status, head, page) = ask(&address, "GET", "/explore", "", "");
    assert_eq!((status, page.contains("activity_")), (303, false));
    assert!(head.contains("/login?next=%2Fexplore"), "{head}");
    for (method, path) in
        [("GET", "/api/v1/status"), ("POST", "/api/v1/sql"), ("POST", "/api/v1/import"), ("GET", "/api/v1/alerts")]
    {
        assert_eq!(
            ask(&address, method, path, "Accept: */*\r\nSec-Fetch-Site: same-origin\r\n", "{}").0 / 100,
            4,
            "{path}"
        );
    }
    assert_eq!(ask(&address, "GET", "/healthz", "", "").0, 200);
    // Commands of this machine have the token.
    assert_eq!(place.count(), 30);

    let (ann, bob) = (log_in(&address, "ann"), log_in(&address, "bob"));
    let (status, _, page) = ask(&address, "GET", "/explore?range=all&q=actor%3Aann%40example.com", &ann, "");
    assert_eq!(status, 200);
    assert!(page.contains("ann@example.com</bdi>"), "an admin sees who it was");
    for path in ["/settings", "/lookups", "/rules", "/alerts", "/sql?q=select+1", "/sources"] {
        assert_eq!(ask(&address, "GET", path, &ann, "").0, 200, "{path}");
    }
    let settings = ask(&address, "GET", "/settings", &ann, "").2;
    assert!(settings.contains("bob") && !settings.contains("argon2"), "{settings}");
    // A viewer follows every link, and never reads an address.
    let mut paths: Vec<String> = [
        "/",
        "/explore?range=all",
        "/explore/export.csv?range=all",
        "/explore/export.jsonl?range=all",
        "/api/v1/select",
        "/dashboards",
    ]
    .map(Into::into)
    .into();
    let mut at = 0;
    while at < paths.len().min(120) {
        let (status, _, page) = ask(&address, "GET", &paths[at], &bob, "");
        assert!(status < 500, "{}: {page}", paths[at]);
        // The text of a rule has activities of its own, as its tests; the filter's example is nobody's.
        let is_rule = paths[at].starts_with("/rules/");
        let page_of_data = page.replace("ada@example.com", "");
        let shown = page_of_data.contains("@example.com") || page_of_data.contains("%40example.com");
        assert!(is_rule || !shown, "{}: {page}", paths[at]);
        for link in page.split("href=\"/").skip(1).filter_map(|rest| rest.split('"').next()) {
            let link = format!("/{}", link.split('#').next().unwrap().replace("&amp;", "&").replace("&#38;", "&"));
            if !link.starts_with("/assets/") && !paths.contains(&link) {
                paths.push(link);
            }
        }
        at += 1;
    }
    assert!(at > 20, "{paths:?}");
    for path in ["/settings", "/lookups", "/sql?q=select+1", "/activity/activity_00000001/raw", "/api/v1/alerts"] {
        assert_eq!(ask(&address, "GET", path, &bob, "").0, 403, "{path}");
    }
    // What they did is in the lake.
    until("it is written down", || {
        place.rows("select count(*) as n from lookups where who = 'ann' and what = 'explorer'")[0]["n"] == 1
    });
    let told = place.rows("select detail, address from lookups where who = 'ann' and what = 'explorer'");
    assert_eq!(
        (told[0]["detail"].as_str(), told[0]["address"].as_str()),
        (Some("actor:ann@example.com"), Some("127.0.0.1"))
    );
    assert!(place.rows("select count(*) as n from lookups where who = 'command line'")[0]["n"].as_u64() > Some(0));
    // Who is removed is out.
    place.run(&["users", "remove", "ann"]).ok();
    assert_eq!(ask(&address, "GET", "/explore", &ann, "").0, 303);
    service.terminate().ok();
}

/// A service on the loopback interface that others reach all the same.
#[test]
fn whoever_lets_others_in_by_a_proxy_or_a_name_needs_users() {
    let place = filled(3);
    let settings = [
        ("AUDITLAKE_SERVER_BEHIND_PROXY", "true", "server.behind_proxy"),
        ("AUDITLAKE_SERVER_HOSTS", "lake.example.com", "by the name lake.example.com"),
    ];
    let start = |name, value| place.program(&["run", "--port", "0"]).env(name, value);
    for (name, value, said) in settings {
        let refused = start(name, value).run().failed();
        assert!(refused.contains(said) && refused.contains("there is no user to log in"), "{refused}");
        assert!(refused.contains("hint: ") && refused.contains("auditlake users add"), "{refused}");
    }
    add(&place, "ann", "admin");
    for (name, value, _) in settings {
        let mut service = start(name, value).start();
        let url = service.line(|line| line.starts_with("http://"));
        assert_eq!(ask(url.trim_start_matches("http://"), "GET", "/explore", "", "").0, 303, "{name}");
        service.terminate().ok();
    }
    // Without either, this machine's users come in, and nobody whom a proxy sends.
    let mut service = place.program(&["run", "--port", "0"]).start();
    let url = service.line(|line| line.starts_with("http://"));
    let address = url.trim_start_matches("http://");
    assert_eq!(ask(address, "GET", "/explore", "", "").0, 200);
    let (status, _, told) = ask(address, "GET", "/explore", "X-Forwarded-For: 203.0.113.9\r\n", "");
    assert!(status == 403 && told.contains("behind_proxy") && told.contains("users add"), "{status} {told}");
    service.terminate().ok();
}

#[test]
fn metrics_have_a_token_and_viewers_their_limits() {
    let place = filled(3);
    add(&place, "bob", "viewer");
    let token = "metrics-0123456789abcdef";
    let short = place.program(&["run", "--port", "0"]).env("AUDITLAKE_SERVER_LISTEN", "0.0.0.0:0");
    let short = short.env("AUDITLAKE_ACCESS_METRICS_TOKEN", "short").run().failed();
    assert!(short.contains("access.metrics_token has 5 characters"), "{short}");
    // Behind a proxy nobody is of this machine.
    let more = [("AUDITLAKE_ACCESS_METRICS_TOKEN", token), ("AUDITLAKE_SERVER_BEHIND_PROXY", "true")];
    let (service, address) = serve(&place, &more);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (status, _, text) = ask(&address, "GET", "/metrics", &bearer(token), "");
    assert!(status == 200 && text.contains("auditlake_"), "{status} {text}");
    for (path, headers) in [
        ("/metrics", String::new()),
        ("/metrics", bearer("metrics-0123456789abcdeX")),
        ("/api/v1/status", bearer(token)),
        ("/explore", bearer(token)),
    ] {
        assert!(matches!(ask(&address, "GET", path, &headers, "").0, 303 | 401), "{path} {headers}");
    }
    service.terminate().ok();
    // Where nobody has said that viewers may save, they may not, and what they may see they may see.
    let (service, address) = serve(&place, &[]);
    let bob = log_in(&address, "bob");
    for path in ["/explore/export.csv", "/explore/export.jsonl", "/api/v1/select"] {
        assert_eq!(ask(&address, "GET", path, &bob, "").0, 403, "{path}");
    }
    for path in
        ["/explore?range=all", "/activity/activity_00000001", "/activity/activity_00000001/raw", "/api/v1/alerts"]
    {
        assert_eq!(ask(&address, "GET", path, &bob, "").0, 200, "{path}");
    }
    service.terminate().ok();
}

#[test]
fn a_session_outlives_a_restart_and_never_its_end() {
    let place = filled(3);
    add(&place, "ann", "admin");
    let (service, address) = serve(&place, &[]);
    let (kept, left) = (log_in(&address, "ann"), log_in(&address, "ann"));
    let (_, _, page) = ask(&address, "GET", "/alerts", &left, "");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    assert_eq!(ask(&address, "POST", "/logout", &left, &format!("csrf={csrf}")).0, 303);
    // Once the answer is there, no end is too sudden.
    service.kill9();
    let (service, address) = serve(&place, &[]);
    assert_eq!(ask(&address, "GET", "/alerts", &kept, "").0, 200);
    assert_eq!(ask(&address, "GET", "/alerts", &left, "").0, 303, "logged out is logged out");
    // Where it cannot be written down, a restart lets nobody in who has left.
    let again = log_in(&address, "ann");
    let file = place.data().join("sessions.json");
    until("it is written down", || std::fs::read_to_string(&file).unwrap().matches("\"user\"").count() == 2);
    std::fs::create_dir(place.data().join("sessions.json.new")).unwrap();
    let (_, _, page) = ask(&address, "GET", "/alerts", &again, "");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    assert_eq!(ask(&address, "POST", "/logout", &again, &format!("csrf={csrf}")).0, 303);
    service.kill9();
    std::fs::remove_dir(place.data().join("sessions.json.new")).unwrap();
    let (service, address) = serve(&place, &[]);
    assert_eq!(ask(&address, "GET", "/alerts", &again, "").0, 303);
    service.terminate().ok();
}

#[test]
fn a_switched_rule_stays_switched() {
    let place = Place::new();
    place.run(&["import", &place.file("all.jsonl", activities(3))]).ok();
    let mut service = place.program(&["run", "--port", "0"]).start();
    let url = service.line(|line| line.starts_with("http://"));
    let address = url.trim_start_matches("http://").to_owned();
    let (_, _, page) = ask(&address, "GET", "/rules/sso-disabled", "", "");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    assert_eq!(ask(&address, "POST", "/rules/sso-disabled/switch", "", "on=false&reason=x").0, 403, "without its form");
    let form = format!("on=false&csrf={csrf}&reason=%22quoted%22%0Aoverrides%3A+%5B%5D+%23+%3Cb%3E");
    assert_eq!(ask(&address, "POST", "/rules/sso-disabled/switch", "", &form).0, 303);
    let is_on = || {
        let rules = lines(&place.run(&["rules", "list", "--format", "jsonl"]).ok());
        rules.iter().find(|rule| rule["id"] == "sso-disabled").unwrap()["enabled"].as_bool().unwrap()
    };
    assert!(!is_on(), "the command line knows");
    service.terminate().ok();
    assert!(!is_on());
    place.run(&["rules", "lint"]).ok();
    let mut service = place.program(&["run", "--port", "0"]).start();
    let url = service.line(|line| line.starts_with("http://"));
    let (_, _, page) = ask(url.trim_start_matches("http://"), "GET", "/rules/sso-disabled", "", "");
    assert!(page.contains("It is off") && page.contains("switched off by this machine"), "{page}");
    service.terminate().ok();
}
