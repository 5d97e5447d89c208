//! Enrichment as its users see it: at import, late, through a service, with fetched and changed files.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
};

use enrich::{Block, Builder};

use crate::{
    place::{Place, lines},
    program::until,
};

fn activity(id: u32, actor: &str) -> String {
    format!(
        r#"{{"id":"activity_{id}","created_at":"2026-04-10T08:09:{id:02}Z","type":"claude_chat_created","actor":{actor}}}"#
    ) + "\n"
}

fn some() -> String {
    [
        r#"{"type":"user_actor","email_address":"ada@example.com","user_id":"user_1","ip_address":"192.0.2.1","user_agent":"claude-cli/2.0.17 (external, cli, darwin-arm64)"}"#,
        r#"{"type":"api_actor","api_key_id":"apikey_7","ip_address":"2001:db8:100::1","user_agent":"curl/8.4.1"}"#,
        r#"{"type":"admin_api_key_actor","admin_api_key_id":"admin_api_key_7","ip_address":"0.0.0.0","user_agent":""}"#,
    ]
    .iter()
    .zip(1..)
    .map(|(actor, id)| activity(id, actor))
    .collect()
}

fn database(city: &str) -> Vec<u8> {
    let mut builder = Builder::default();
    builder.add("192.0.2.0/24", &Block { city, country_code: "DE", asn: 64_500, ..Block::default() });
    builder.finish("Test-City", "", 1_795_132_800)
}

const ROWS: &str = "select srcCity, client, personName, identity from activities order by eventID";

#[test]
fn enriches_what_is_imported_and_again_later() {
    let place = Place::new();
    let file = place.file("some.jsonl", some());
    place.program(&["import", &file]).env("AUDITLAKE_ENRICH_DATABASES", "documentation-ranges").run().ok();
    let rows = place.rows(ROWS);
    assert_eq!((&rows[0]["srcCity"], &rows[0]["client"]), (&"Berlin".into(), &"claude-code".into()));
    assert_eq!((&rows[1]["client"], &rows[1]["identity"]), (&"curl".into(), &"apikey_7".into()));
    assert_eq!((&rows[2]["srcCity"], &rows[2]["identity"]), (&serde_json::Value::Null, &"apikey_7".into()));
    let before = place.rows("select rawLog, receivedAt from anthropic_logs order by eventID");
    fs::write(place.data().join("mine.mmdb"), database("Potsdam")).unwrap();
    fs::write(place.data().join("people.csv"), "email,name\nada@example.com,Ada\n").unwrap();
    let config = format!(
        "[enrich]\ndatabases = [{0:?}]\ndirectory = {1:?}\n",
        place.data().join("mine.mmdb"),
        place.data().join("people.csv")
    );
    let config = place.file("enrich.toml", config);
    let late = |words: &[&str]| place.program(&["--config", &config, "enrich"]).words(words).run();
    let done = lines(&late(&["--since", "2026-01-01"]).ok()).remove(0);
    assert_eq!(done, serde_json::json!({ "asked": 3, "places": 1, "agents": 0, "people": 1 }));
    let rows = place.rows(ROWS);
    assert_eq!((&rows[0]["srcCity"], &rows[0]["personName"]), (&"Potsdam".into(), &"Ada".into()));
    assert_eq!(rows[1]["srcCity"], "Berlin", "what nothing is said of any more stays");
    assert_eq!(place.rows("select rawLog, receivedAt from anthropic_logs order by eventID"), before);
    assert_eq!(lines(&place.run(&["search", "city:potsdam", "--format", "jsonl"]).ok()).len(), 1);
    let status = lines(&late(&["status"]).ok());
    assert_eq!((&status[0]["state"], &status[0]["what"]), (&"ok".into(), &"Test-City 2026-11-20".into()));
    let found = lines(&late(&["lookup", "192.0.2.9"]).ok()).remove(0);
    assert_eq!((&found["city"], &found["class"]), (&"Potsdam".into(), &"reserved".into()));
    assert!(late(&[]).stderr.contains("--since"), "nothing is looked up again by accident");
    fs::write(place.data().join("mine.mmdb"), "half").unwrap();
    assert_eq!(lines(&String::from_utf8(late(&["status"]).stdout).unwrap())[0]["state"], "broken");
    assert!(late(&["--since", "1y"]).code == Some(0), "a broken file costs no other");
}

#[test]
fn a_service_takes_changed_files_up_and_enriches_late() {
    let place = Place::new();
    let path = place.data().join("mine.mmdb");
    fs::create_dir_all(place.data()).unwrap();
    fs::write(&path, database("Berlin")).unwrap();
    place.run(&["import", &place.file("some.jsonl", some())]).ok();
    let config = place.file("enrich.toml", format!("[enrich]\ndatabases = [{path:?}]\ncheck_seconds = 1\n"));
    let mut run = place.program(&["--config", &config, "run", "--port", "0"]).start();
    run.line(|line| line.starts_with("http://"));
    let city = || place.rows(ROWS)[0]["srcCity"].clone();
    assert_eq!(city(), serde_json::Value::Null);
    place.run(&["enrich", "--since", "2026-01-01"]).ok();
    assert_eq!(city(), "Berlin");
    let fresh = path.with_extension("new");
    fs::write(&fresh, database("Potsdam")).unwrap();
    fs::rename(&fresh, &path).unwrap();
    until("the new database is in use", || {
        place.run(&["enrich", "--since", "2026-01-01"]).ok();
        city() == "Potsdam"
    });
    assert_eq!(run.terminate().code, Some(0));
}

/// Answers requests for a file with these bytes, and others with 404, until the test ends.
fn serve(file: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 1_024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            let is_wanted = String::from_utf8_lossy(&request).starts_with(&format!("GET /{file} "));
            let (status, body) =
                if is_wanted { ("200 OK", body.as_slice()) } else { ("404 Not Found", b"no".as_slice()) };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    url
}

#[test]
fn fetches_databases_when_asked() {
    let place = Place::new();
    let update = |urls: &str| place.program(&["enrich", "update"]).env("AUDITLAKE_ENRICH_UPDATE_URLS", urls).run();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&database("Berlin")).unwrap();
    let good = serve("free/city.mmdb.gz", packer.finish().unwrap()) + "/free/city.mmdb.gz";
    let told = update(&good).ok();
    assert!(told.contains("city.mmdb: Test-City 2026-11-20, from http://"), "{told}");
    let path = place.data().join("enrich/city.mmdb");
    assert_eq!(fs::read(&path).unwrap(), database("Berlin"));
    place.program(&["import", &place.file("some.jsonl", some())]).env("AUDITLAKE_ENRICH_UPDATE_URLS", &good).run().ok();
    assert_eq!(place.rows(ROWS)[0]["srcCity"], "Berlin", "what was fetched is used without being named");
    let half = database("Half");
    let broken = serve("city.mmdb.gz", half[..half.len() / 2].to_vec()) + "/city.mmdb.gz";
    assert!(update(&broken).failed().contains("no MaxMind database"));
    assert_eq!(fs::read(&path).unwrap(), database("Berlin"), "the good one stays");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    let monthly = serve("none", Vec::new()) + "/city-{month}.mmdb";
    assert!(update(&monthly).failed().contains("there is no such file, for this month or the last"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failed = update(&format!("http://{closed}/city.mmdb")).failed();
    assert!(
        failed.contains("cannot fetch http://127.0.0.1") && failed.contains("hint: this command needs the network"),
        "{failed}"
    );
}
