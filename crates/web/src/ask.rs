//! Questions to the store, each asked once: an answer is remembered until the next commit, and who asks the same at the same
//! time waits for the one answer.
//!
//! Counting millions of activities takes longer than a page may. An answer that took long is therefore given for a while
//! after newer commits too ([`LASTING`]), by those pages that say so ([`Ask::lasting`]), and made anew behind their back.
//! Answers here are small (counts, short lists), so that remembering some hundred of them costs little.

use std::{
    any::Any,
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use auditlake_store::{
    Bucket, CountBy, Engine, Facets, Group, Histogram, Result, Select, Status, Tally, Window, filter::Filter,
};
use serde_json::{Map, Value};

use crate::answer::collect_json;

/// So many answers are remembered.
const ANSWERS: usize = 1_500;
/// An answer that took so long may be given after newer commits,
const SLOW: Duration = Duration::from_millis(40);
/// for so long.
const LASTING: Duration = Duration::from_secs(60);
/// Longer lists are not remembered.
const LONGEST: u64 = 200;

type Answer = Arc<dyn Any + Send + Sync>;

/// What was answered lately.
#[derive(Default)]
pub struct Memo(Mutex<HashMap<String, Arc<Slot>>>);

/// A question's place.
#[derive(Default)]
struct Slot {
    known: Mutex<Option<Known>>,
    /// Held by whoever asks the store.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// An answer, the commit after which it was asked for, and how long it took.
#[derive(Clone)]
struct Known {
    answer: Answer,
    seq: u64,
    at: Instant,
    took: Duration,
}

/// Somebody who asks.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    engine: &'a Arc<dyn Engine>,
    memo: &'a Memo,
    is_lasting: bool,
}

impl<'a> Ask<'a> {
    pub fn new(engine: &'a Arc<dyn Engine>, memo: &'a Memo) -> Ask<'a> {
        Ask { engine, memo, is_lasting: false }
    }

    /// Somebody whom an answer of the last minute serves as well, where a new one takes long.
    pub fn lasting(self) -> Ask<'a> {
        Ask { is_lasting: true, ..self }
    }

    pub async fn status(self) -> Result<Arc<Status>> {
        self.once("status".to_owned(), async |engine| engine.status().await).await
    }

    pub async fn tally(self, tally: &Tally) -> Result<Arc<Vec<Group>>> {
        let asked = tally.clone();
        self.once(key(tally), async move |engine| engine.tally(&asked).await).await
    }

    pub async fn facets(self, facets: &Facets) -> Result<Arc<Vec<Vec<(String, u64)>>>> {
        let asked = facets.clone();
        self.once(key(facets), async move |engine| engine.facets(&asked).await).await
    }

    pub async fn histogram(self, histogram: &Histogram) -> Result<Arc<Vec<Bucket>>> {
        let asked = histogram.clone();
        self.once(key(histogram), async move |engine| engine.histogram(&asked).await).await
    }

    pub async fn count_by(self, count: &CountBy) -> Result<Arc<Vec<(String, u64)>>> {
        let asked = count.clone();
        self.once(key(count), async move |engine| engine.count_by(&asked).await).await
    }

    /// Records as JSON objects.
    pub async fn rows(self, select: &Select) -> Result<Arc<Vec<Map<String, Value>>>> {
        if select.limit.is_none_or(|limit| limit > LONGEST) {
            return Ok(Arc::new(collect_json(self.engine.select(select).await?).await?));
        }
        let asked = select.clone();
        self.once(key(select), async move |engine| collect_json(engine.select(&asked).await?).await).await
    }

    /// One count of everything that passes, and when it was first and last seen.
    pub async fn total(self, filter: Filter, window: Window) -> Result<Group> {
        let groups = self.tally(&Tally { by: Vec::new(), width: None, filter, window, limit: 1 }).await?;
        Ok(groups.first().cloned().unwrap_or_default())
    }

    /// Any other answer that follows from what is stored.
    pub async fn once<T, Q, F>(self, key: String, question: Q) -> Result<Arc<T>>
    where
        T: Send + Sync + 'static,
        Q: FnOnce(Arc<dyn Engine>) -> F + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let slot = self.memo.slot(key);
        let now = *self.engine.commits().borrow();
        if let Some(known) = slot.known()
            && (known.seq >= now || (self.is_lasting && known.is_lasting()))
            && let Ok(answer) = known.answer.downcast::<T>()
        {
            if known.seq < now
                && let Ok(turn) = slot.asking.clone().try_lock_owned()
            {
                let (slot, engine) = (slot.clone(), self.engine.clone());
                tokio::spawn(async move {
                    if let Err(error) = slot.ask(engine, question).await {
                        tracing::debug!("an answer was not made anew: {error}");
                    }
                    drop(turn);
                });
            }
            return Ok(answer);
        }
        let _turn = slot.asking.lock().await;
        // Somebody may have asked meanwhile.
        if let Some(known) = slot.known()
            && known.seq >= *self.engine.commits().borrow()
            && let Ok(answer) = known.answer.downcast::<T>()
        {
            return Ok(answer);
        }
        slot.ask(self.engine.clone(), question).await
    }
}

fn key(question: &impl Debug) -> String {
    format!("{question:?}")
}

impl Memo {
    fn slot(&self, key: String) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= ANSWERS && !slots.contains_key(&key) {
            slots.retain(|_, slot| slot.known().is_none_or(|known| known.at.elapsed() < LASTING));
            if slots.len() >= ANSWERS {
                slots.clear();
            }
        }
        slots.entry(key).or_default().clone()
    }
}

impl Slot {
    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask<T, Q, F>(&self, engine: Arc<dyn Engine>, question: Q) -> Result<Arc<T>>
    where
        T: Send + Sync + 'static,
        Q: FnOnce(Arc<dyn Engine>) -> F,
        F: Future<Output = Result<T>>,
    {
        let (seq, at) = (*engine.commits().borrow(), Instant::now());
        let answer = Arc::new(question(engine).await?);
        let known = Known { answer: answer.clone(), seq, at, took: at.elapsed() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(answer)
    }
}

impl Known {
    fn is_lasting(&self) -> bool {
        self.took >= SLOW && self.at.elapsed() < LASTING
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded() {
        let memo = Memo::default();
        let first = memo.slot("0".to_owned());
        assert!(Arc::ptr_eq(&first, &memo.slot("0".to_owned())));
        (0..3 * ANSWERS).for_each(|at| drop(memo.slot(at.to_string())));
        assert!(memo.0.lock().unwrap().len() <= ANSWERS);
    }

    #[test]
    fn only_what_took_long_lasts() {
        let known = |took| Known { answer: Arc::new(0), seq: 1, at: Instant::now(), took };
        assert!(known(SLOW).is_lasting() && !known(SLOW / 2).is_lasting());
        let old = Instant::now().checked_sub(2 * LASTING).map(|at| Known { at, ..known(SLOW) });
        assert!(old.is_none_or(|old| !old.is_lasting()));
    }
}
