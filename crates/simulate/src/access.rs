//! The feed's own echo: each request to it leaves a `compliance_api_accessed` activity, as the real feed does.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    calendar::{self, Micros, SECOND},
    hash::{below, mix, named},
    ids::Id,
};

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What the response's `request-id` header said.
    pub request_id: String,
    /// The HTTP method: `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// The whole address that was asked for.
    pub url: String,
    /// The status of the response.
    pub status: u16,
    /// The id of the key, `apikey_01…`; the simulation's own ([`crate::Simulation::key_id`]) if `None`.
    pub api_key_id: Option<String>,
    /// Where the request came from.
    pub ip_address: String,
    /// What asked.
    pub user_agent: String,
}

/// The most accesses that are kept; when more come, the oldest leave the feed.
pub const MAX_ACCESSES: usize = 100_000;

/// A kept access, as the feed shows it.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    pub(crate) at: Micros,
    pub(crate) id: Id,
    /// When it appears: within a second.
    pub(crate) visible: Micros,
    pub(crate) json: Bytes,
}

/// Remembers accesses.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    kept: Mutex<BTreeMap<(Micros, Id), Echo>>,
}

impl Recorder {
    pub(crate) fn record(&self, access: &Access, key_id: &str, at: Micros, seed: u64) {
        let id = Id::of(mix(seed, named(&access.request_id)), at as u64);
        let visible = at + below(mix(id.0, 1), 9 * SECOND as u64 / 10) as Micros;
        let json = Bytes::from(write(access, key_id, at, id));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((at, id), Echo { at, id, visible, json });
        if kept.len() > MAX_ACCESSES {
            kept.pop_first();
        }
    }

    /// Those whose time lies in `from..to`, in order.
    pub(crate) fn between(&self, from: Micros, to: Micros) -> Vec<Echo> {
        if from >= to {
            return Vec::new();
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.range((from, Id::MIN)..(to, Id::MIN)).map(|(_, echo)| echo.clone()).collect()
    }
}

fn write(access: &Access, key_id: &str, at: Micros, id: Id) -> Vec<u8> {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = br#"{"id":"activity_"#.to_vec();
    id.write(&mut out);
    out.extend_from_slice(br#"","created_at":""#);
    calendar::write(at, &mut out);
    let rest = format!(
        r#"","organization_id":null,"organization_uuid":null,"actor":{{"type":"api_actor","api_key_id":{},"ip_address":{},"user_agent":{}}},"type":"compliance_api_accessed","request_id":{},"request_method":{},"url":{},"status_code":{},"request_body":null}}"#,
        quote(access.api_key_id.as_deref().unwrap_or(key_id)),
        quote(&access.ip_address),
        quote(&access.user_agent),
        quote(&access.request_id),
        quote(&access.method),
        quote(&access.url),
        access.status,
    );
    out.extend_from_slice(rest.as_bytes());
    out
}
