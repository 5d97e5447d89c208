//! Alerts on their way to people, by the program as it is used: routed, repeated under one id while a destination is down and over a
//! kill, given up and sent again, resolved where an incident was opened.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    feed::Feed,
    place::{Place, lines},
};

/// A request that a destination got, and what it answered.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    id: Option<String>,
    body: Value,
    answer: u16,
}

/// A server that stands for every destination, and answers what it is told to.
#[derive(Clone)]
struct Receiver {
    held: Arc<(Mutex<Held>, Condvar)>,
    url: String,
}

struct Held {
    answer: u16,
    got: Vec<Request>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::new((Mutex::new(Held { answer: 200, got: Vec::new() }), Condvar::new()));
        let receiver = Receiver { held, url };
        let server = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        receiver
    }

    /// One request, which the client may have taken back.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            let found =
                head.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
            found.map(|(_, value)| value.to_owned())
        };
        let mut body = vec![0; header("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).ok()?;
        let path = head.first()?.split(' ').nth(1)?.to_owned();
        let (lock, more) = &*self.held;
        let mut held = lock.lock().unwrap();
        let (answer, text) = match (held.answer, path.as_str()) {
            // As the real ones answer.
            (200, "/pagerduty") => {
                (202, "{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"x\"}")
            }
            (200, "/slack") if body == json!({}) => (400, "no_text"),
            (200, "/slack") => (200, "ok"),
            (other, _) => (other, ""),
        };
        held.got.push(Request { path, id: header("webhook-id"), body, answer });
        more.notify_all();
        drop(held);
        let length = text.len();
        write!(stream, "HTTP/1.1 {answer} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}").ok()
    }

    fn answers(&self, status: u16) {
        self.held.0.lock().unwrap().answer = status;
    }

    /// A request that passes, as soon as it is there.
    #[track_caller]
    fn got(&self, what: &str, passes: impl Fn(&Request) -> bool) -> Request {
        let (lock, more) = &*self.held;
        let mut held = lock.lock().unwrap();
        loop {
            if let Some(request) = held.got.iter().find(|request| passes(request)) {
                return request.clone();
            }
            let (back, waited) = more.wait_timeout(held, Duration::from_secs(60)).unwrap();
            held = back;
            assert!(!waited.timed_out(), "{what} never came; there were {:#?}", held.got);
        }
    }

    fn count(&self, passes: impl Fn(&Request) -> bool) -> usize {
        self.held.0.lock().unwrap().got.iter().filter(|request| passes(request)).count()
    }
}

fn config(receiver: &Receiver) -> String {
    let url = &receiver.url;
    format!(
        r#"
[[destination]]
name = "hook"
kind = "webhook"
url = "{url}/hook"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
severity = "low"
proxy = "direct"

[[destination]]
name = "on-call"
kind = "pagerduty"
url = "{url}/pagerduty"
key = "0123456789abcdef0123456789abcdef"
severity = "high"
proxy = "direct"

[[destination]]
name = "soc"
kind = "slack"
url = "{url}/slack"
rules = ["*", "-sso-*"]
proxy = "direct"

[[destination]]
name = "critical"
kind = "webhook"
url = "{url}/critical"
severity = "critical"
proxy = "direct"

[[destination]]
name = "log"
kind = "file"
path = "alerts.jsonl"

[[destination]]
name = "nobody"
kind = "webhook"
url = "http://127.0.0.1:9/"
proxy = "direct"
"#
    )
}

fn activity(id: &str, kind: &str, more: &str) -> String {
    let now = Timestamp::now();
    format!(
        r#"{{"id":"activity_{id}","created_at":"{now}","organization_id":"org_1","type":"{kind}","actor":{{"type":"user_actor","email_address":"ann@example.com","user_id":"user_1"}}{more}}}"#
    )
}

/// The rule and the event that a request to a webhook tells of.
fn told(request: &Request, rule: &str, event: &str) -> bool {
    request.path == "/hook" && request.body["type"] == event && request.body["data"]["alert"]["rule"] == rule
}

#[test]
fn alerts_reach_people_whatever_happens_on_the_way() {
    let place = Place::new();
    let receiver = Receiver::start();
    let feed = Feed::start(&place, &["--frozen", "--people", "3", "--days", "1"]);
    let file = place.file("auditlake.toml", config(&receiver));
    let program = |words: &[&str]| feed.env(place.program(words)).env("AUDITLAKE_CONFIG", &file);
    let run = |words: &[&str]| program(words).run();

    // `check` tries them all, and opens no incident.
    let outcome = run(&["check", "--format", "jsonl"]);
    let findings = lines(&String::from_utf8_lossy(&outcome.stdout));
    let result = |name: &str| {
        let of = findings.iter().find(|finding| finding["check"] == "destination" && finding["source"] == name);
        of.map(|finding| finding["result"].clone()).unwrap_or_default()
    };
    for name in ["hook", "on-call", "soc", "critical", "log"] {
        assert_eq!(result(name), "ok", "{name}: {outcome:?}");
    }
    assert_eq!((outcome.code, result("nobody")), (Some(3), json!("FAIL")), "{outcome:?}");
    assert_eq!(receiver.got("a trial", |request| request.path == "/pagerduty").body["event_action"], "resolve");

    // Routed by severity and rule.
    let mut service = program(&["run", "--port", "0"]).start();
    service.line(|line| line.starts_with("http://"));
    // What happened before a source was first heard of is of the past, and nobody is called.
    let past = place.file("past.jsonl", activity("0", "org_sso_toggled", r#","enabled":false"#));
    run(&["import", &past]).ok();
    let one = place.file("one.jsonl", activity("1", "org_sso_toggled", r#","enabled":false"#));
    run(&["import", &one]).ok();
    let opened = receiver.got("an alert", |request| told(request, "sso-disabled", "alert.opened"));
    assert!(opened.id.as_deref().is_some_and(|id| id.starts_with("dlv_")), "{opened:?}");
    let alert = opened.body["data"]["alert"]["id"].as_str().unwrap().to_owned();
    let is_incident = |request: &Request, action: &str| {
        request.path == "/pagerduty" && request.body["event_action"] == action && request.body["dedup_key"] == alert
    };
    receiver.got("an incident", |request| is_incident(request, "trigger"));
    let two = place.file("two.jsonl", activity("2", "org_ip_restriction_deleted", ""));
    run(&["import", &two]).ok();
    let second = receiver.got("another alert", |request| told(request, "ip-restriction-removed", "alert.opened"));
    receiver.got("a message", |request| {
        request.path == "/slack" && request.body.to_string().contains("removed the IP restriction")
    });
    assert_eq!(receiver.count(|request| request.path == "/slack" && request.body.to_string().contains("sign-on")), 0);
    assert_eq!(receiver.count(|request| request.path == "/critical" && request.body["type"] == "alert.opened"), 0);
    let is_written =
        || std::fs::read_to_string(place.path().join("alerts.jsonl")).is_ok_and(|text| text.contains(&alert));
    crate::program::until("the file holds the alert", is_written);

    // Down, and killed meanwhile: the same id until it arrives. The incident ends with the alert.
    receiver.answers(503);
    run(&["alerts", "close", &alert, "--note", "planned"]).ok();
    let closing = |request: &Request| told(request, "sso-disabled", "alert.closed");
    let first = receiver.got("an attempt", closing);
    service.kill9();
    receiver.answers(200);
    let mut service = program(&["run", "--port", "0"]).start();
    service.line(|line| line.starts_with("http://"));
    let arrived = receiver.got("the closing", |request| closing(request) && request.answer == 200);
    assert_eq!((first.answer, &arrived.id), (503, &first.id));
    receiver.got("the end of the incident", |request| is_incident(request, "resolve") && request.answer == 202);

    // Refused for good: a dead letter, which is sent again under its id when somebody asks.
    receiver.answers(410);
    let other = second.body["data"]["alert"]["id"].as_str().unwrap();
    run(&["alerts", "ack", other, "--note", "I look"]).ok();
    let list =
        |words: &[&str]| lines(&run(&[["deliveries", "list", "--format", "jsonl"].as_slice(), words].concat()).ok());
    crate::program::until("a dead letter", || !list(&["--state", "dead", "--destination", "hook"]).is_empty());
    let dead = list(&["--state", "dead", "--destination", "hook"]).remove(0);
    assert!(dead["error"].as_str().unwrap().contains("410"), "{dead}");
    receiver.answers(200);
    run(&["deliveries", "retry", dead["id"].as_str().unwrap()]).ok();
    let again = receiver.got("the dead letter", |request| {
        told(request, "ip-restriction-removed", "alert.acknowledged") && request.answer == 200
    });
    assert_eq!(again.id.as_deref(), dead["id"].as_str());
    crate::program::until("no dead letter", || list(&["--state", "dead", "--destination", "hook"]).is_empty());

    // One that is dead stops no other, and what waits for it waits.
    assert!(list(&["--state", "waiting", "--destination", "nobody"]).len() >= 2);
    assert_eq!(receiver.count(|request| told(request, "sso-disabled", "alert.opened")), 1, "told once");
    assert_eq!(service.terminate().code, Some(0));
}
