//! The feed's own echo: each request to it leaves a `compliance_api_accessed` activity, as the real feed does.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use feed::server::Access;

use crate::{
    calendar::{self, Micros, SECOND},
    hash::{below, mix, named},
    ids::Id,
};

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
        let visible = at + SECOND / 20 + below(mix(id.0, 1), 8 * SECOND as u64 / 10) as Micros;
        let json = Bytes::from(write(access, key_id, at, id));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((at, id), Echo { at, id, visible, json });
        if kept.len() > MAX_ACCESSES {
            kept.pop_first();
        }
    }

    /// The time of the access with this id, if it can be read by `now`.
    pub(crate) fn locate(&self, id: Id, now: Micros) -> Option<Micros> {
        // Its id was made with its time.
        let at = id.parts().1 as Micros;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(at, id)).filter(|echo| echo.visible <= now).map(|echo| echo.at)
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
        quote(key_id),
        quote(&access.ip.map_or_else(|| "0.0.0.0".to_owned(), |ip| ip.to_string())),
        quote(access.user_agent.as_deref().unwrap_or_default()),
        quote(&access.request_id),
        // The feed knows these methods only.
        quote(if ["DELETE", "POST", "PUT"].contains(&access.method.as_str()) { &access.method } else { "GET" }),
        quote(&format!("https://api.anthropic.com{}", access.url)),
        access.status,
    );
    out.extend_from_slice(rest.as_bytes());
    out
}
