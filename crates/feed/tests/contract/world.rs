//! What the tests run on: made-up activities, a server on a port of its own, a client for it.

use std::sync::{Arc, Mutex};

use axum::Router;
use bytes::Bytes;
use feed::{
    KeyKind, RawActivity, Source,
    client::{Client, Proxy},
    memory::MemorySource,
    server::{Access, AccessLog, KeyError, KeyIdentity, Keys, Server},
};
use tokio::net::TcpListener;

/// A key that may read the feed.
pub const KEY: &str = "sk-ant-api01-reader";

/// The types that the made-up activities have.
pub const TYPES: [&str; 4] = ["claude_chat_created", "claude_chat_viewed", "sso_login_succeeded", "api_key_created"];

/// `count` activities: several of one instant, three people, two organizations and none, four types.
pub fn activities(count: usize) -> Vec<RawActivity> {
    (0..count).map(|number| activity(number, 1_775_000_000_000_000 + (number as i64 / 3) * 1_000_001)).collect()
}

/// An activity whose number decides everything but its time.
pub fn activity(number: usize, created_at_us: i64) -> RawActivity {
    let created_at = jiff::Timestamp::from_microsecond(created_at_us).expect("a time");
    let (organization_id, organization_uuid) = match number % 5 {
        0 => ("null".into(), "null".into()),
        n => (format!("\"org_{}\"", n % 2), format!("\"00000000-0000-0000-0000-00000000000{}\"", n % 2)),
    };
    let actor = match number % 4 {
        0 => r#"{"type":"system_actor","service":null}"#.into(),
        n => format!(r#"{{"type":"user_actor","user_id":"user_{n}","email_address":"p{n}@example.com"}}"#),
    };
    // Ids do not follow time, and the text is such that another encoder would write it otherwise.
    let id = format!("activity_{:04}x{number}", number * 7_919 % 10_000);
    let kind = TYPES[number / 2 % TYPES.len()];
    Bytes::from(format!(
        r#"{{"id":"{id}", "created_at":"{created_at}","organization_id":{organization_id},"organization_uuid":{organization_uuid},"actor":{actor},"type":"{kind}","n":1.0,"t":"\u00e9\/"}}"#
    ))
}

/// Whether a type is one of the made-up ones.
pub fn is_known(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Keys by their text: one good, one without the scope, one revoked, one with a budget of two, one that cannot be told.
pub struct TestKeys;

#[async_trait::async_trait]
impl Keys for TestKeys {
    async fn identify(&self, key: &str) -> Result<KeyIdentity, KeyError> {
        match key {
            KEY => Ok(KeyIdentity::reader("apikey_reader")),
            "scopeless" => Ok(KeyIdentity { scopes: vec!["read:users".into()], ..KeyIdentity::reader("apikey_other") }),
            "two" => Ok(KeyIdentity { requests_per_minute: Some(2), ..KeyIdentity::reader("apikey_two") }),
            "revoked" => Err(KeyError::Revoked { id: "apikey_revoked".into() }),
            "unavailable" => Err(KeyError::Unavailable),
            _ => Err(KeyError::Unknown),
        }
    }
}

/// An access log that keeps everything.
#[derive(Default)]
pub struct KeptLog(pub Mutex<Vec<Access>>);

impl AccessLog for KeptLog {
    fn record(&self, access: Access) {
        self.0.lock().expect("a lock").push(access);
    }
}

/// A source of so many activities.
pub fn memory(count: usize) -> MemorySource {
    MemorySource::new(activities(count)).expect("activities")
}

/// A server over `source` whose budget no test uses up.
pub fn server(source: impl Source) -> Server {
    Server::new(Arc::new(source), Arc::new(TestKeys)).known_types(is_known).requests_per_minute(1_000_000)
}

/// Serves until the runtime ends; the base URL.
pub async fn serve(server: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
    format!("http://{address}")
}

/// The same for a router.
pub async fn serve_router(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A client with [`KEY`] that asks the server itself, whatever proxy the machine has.
pub fn client(base_url: &str) -> Client {
    client_with(base_url, KEY)
}

/// The same with another key.
pub fn client_with(base_url: &str, key: &str) -> Client {
    assert_ne!(KeyKind::of(key), KeyKind::ClaudeApi);
    Client::builder().base_url(base_url).key(key.into()).proxy(Proxy::Direct).build().expect("a client")
}
