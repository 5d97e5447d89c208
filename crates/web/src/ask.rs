//! Questions to the store, each asked once: an answer is remembered until the next commit.
//!
//! Whoever goes back and forth between pages, or looks at the same page as a colleague, asks what was asked a moment ago.
//! Answers here are small (counts), so that remembering some hundred of them costs little.

use std::{
    any::Any,
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use auditlake_store::{
    Bucket, CountBy, Engine, Facets, Group, Histogram, Result, Status, Tally, Window, filter::Filter,
};

/// So many answers are remembered.
const ANSWERS: usize = 400;

type Answers = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// The answers as of a commit.
#[derive(Default)]
pub struct Memo(Mutex<(u64, Answers)>);

/// Somebody who asks.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// For questions whose answers are not remembered.
    pub engine: &'a dyn Engine,
    memo: &'a Memo,
}

impl<'a> Ask<'a> {
    pub fn new(engine: &'a dyn Engine, memo: &'a Memo) -> Ask<'a> {
        Ask { engine, memo }
    }

    pub async fn status(self) -> Result<Arc<Status>> {
        self.once("status".to_owned(), self.engine.status()).await
    }

    pub async fn tally(self, tally: &Tally) -> Result<Arc<Vec<Group>>> {
        self.once(key(tally), self.engine.tally(tally)).await
    }

    pub async fn facets(self, facets: &Facets) -> Result<Arc<Vec<Vec<(String, u64)>>>> {
        self.once(key(facets), self.engine.facets(facets)).await
    }

    pub async fn histogram(self, histogram: &Histogram) -> Result<Arc<Vec<Bucket>>> {
        self.once(key(histogram), self.engine.histogram(histogram)).await
    }

    pub async fn count_by(self, count: &CountBy) -> Result<Arc<Vec<(String, u64)>>> {
        self.once(key(count), self.engine.count_by(count)).await
    }

    /// One count of everything that passes, and when it was first and last seen.
    pub async fn total(self, filter: Filter, window: Window) -> Result<Group> {
        let groups = self.tally(&Tally { by: Vec::new(), width: None, filter, window, limit: 1 }).await?;
        Ok(groups.first().cloned().unwrap_or_default())
    }

    /// Any other answer that follows from what is stored.
    pub async fn once<T: Send + Sync + 'static>(
        self,
        key: String,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<Arc<T>> {
        let seq = *self.engine.commits().borrow();
        if let Some(known) = self.memo.find(seq, &key)
            && let Ok(known) = known.downcast::<T>()
        {
            return Ok(known);
        }
        let answer = Arc::new(answer.await?);
        self.memo.keep(seq, key, answer.clone());
        Ok(answer)
    }
}

fn key(question: &impl Debug) -> String {
    format!("{question:?}")
}

impl Memo {
    fn find(&self, seq: u64, key: &str) -> Option<Arc<dyn Any + Send + Sync>> {
        let memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memo.0 == seq { memo.1.get(key).cloned() } else { None }
    }

    /// Keeps an answer that was asked for at `seq` or later.
    fn keep(&self, seq: u64, key: String, answer: Arc<dyn Any + Send + Sync>) {
        let mut memo = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seq > memo.0 || memo.1.len() >= ANSWERS {
            memo.1.clear();
        }
        if seq >= memo.0 {
            memo.0 = seq;
            memo.1.insert(key, answer);
        }
    }
}
