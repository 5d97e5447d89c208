//! Which activity types exist: those of the catalogue, and those that the lake has seen.
//!
//! New types ship every few weeks, and a client may filter by one as soon as the lake holds it. The lake is asked only for
//! a type that nobody knows yet, and again only after something was committed.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use activity::catalog;
use auditlake_store::{CountBy, Engine, Window, filter};
use feed::{ApiError, Query};
use tokio::sync::Mutex;

use super::source::failed;

/// A client that asks for a type that does not exist again and again costs the lake one look in so long.
const PAUSE: Duration = Duration::from_secs(1);
/// As many strange types as are remembered.
const MOST: u64 = 10_000;
/// Echoed values are cut here.
const ECHO_CHARS: usize = 120;

/// Knows the types.
pub struct KnownTypes {
    lake: Arc<dyn Engine>,
    seen: Mutex<Seen>,
}

/// What the lake has seen that the catalogue does not know, as of a commit.
#[derive(Default)]
struct Seen {
    types: HashSet<String>,
    as_of: Option<(u64, Instant)>,
}

impl KnownTypes {
    pub fn new(lake: Arc<dyn Engine>) -> KnownTypes {
        KnownTypes { lake, seen: Mutex::default() }
    }

    /// Refuses a query that filters by a type that does not exist.
    pub async fn check(&self, query: &Query) -> Result<(), ApiError> {
        let lists =
            [("activity_types[]", &query.activity_types), ("exclude_activity_types[]", &query.exclude_activity_types)];
        for (parameter, list) in lists {
            for name in list.iter().filter(|name| catalog::get(name).is_none()) {
                if !self.was_seen(name).await? {
                    let shown: String = name.chars().take(ECHO_CHARS).collect();
                    return Err(ApiError::invalid(format!("{parameter}: unknown activity type {shown:?}")));
                }
            }
        }
        Ok(())
    }

    async fn was_seen(&self, name: &str) -> Result<bool, ApiError> {
        let mut seen = self.seen.lock().await;
        if seen.types.contains(name) {
            return Ok(true);
        }
        let seq = *self.lake.commits().borrow();
        if seen.as_of.is_some_and(|(as_of, at)| as_of == seq || at.elapsed() < PAUSE) {
            return Ok(false);
        }
        // `guessed` marks the records whose type was in no catalogue: a look at one narrow column.
        let strangers = filter::parse("guessed:true").map_err(|_| ApiError::internal())?;
        let count = CountBy { column: "eventName".into(), filter: strangers, window: Window::default(), limit: MOST };
        let counts = self.lake.count_by(&count).await.map_err(|error| failed(&error))?;
        *seen = Seen { types: counts.into_iter().map(|(name, _)| name).collect(), as_of: Some((seq, Instant::now())) };
        Ok(seen.types.contains(name))
    }
}
