//! Asking until it succeeds: backoff, `retry-after`, and a word to the caller before and after every attempt.
//!
//! A failed request moves no cursor, so the same query is sent again. Waiting ends early when the caller cancels.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::pin,
    time::Duration,
};

use futures::future::{Either, select};

use super::{Client, Error, ErrorKind, Exchange, Response};
use crate::Query;

/// How patiently to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Requests at most, the first included; `None` for no end.
    pub max_attempts: Option<u32>,
    /// The wait after the first failure; doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait of the doubling.
    pub max_wait: Duration,
    /// The share of a wait that is left to chance, 0 to 1, so that many clients do not come back at once.
    pub jitter: f64,
    /// The longest `retry-after` that is believed.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// 1 s doubling to 60 s, a quarter of it by chance, 8 requests at most (some 2 minutes).
    fn default() -> Self {
        RetryPolicy {
            max_attempts: Some(8),
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(60),
            jitter: 0.25,
            max_retry_after: Duration::from_secs(60 * 60),
        }
    }
}

/// What became of one request.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Counted from 1.
    pub number: u32,
    /// The page or the error; both know their [`Exchange`].
    pub result: Result<&'a Response, &'a Error>,
    /// How long until the next attempt; `None` if this was the last.
    pub wait: Option<Duration>,
}

impl<'a> Attempt<'a> {
    /// The request and what is known of its answer.
    pub fn exchange(&self) -> &'a Exchange {
        match self.result {
            Ok(response) => &response.exchange,
            Err(error) => &error.exchange,
        }
    }
}

/// Hears of every request. `()` does not care.
#[async_trait::async_trait]
pub trait Observer: Send + Sync {
    /// Called before each request, which is sent when this returns: the place of a request budget.
    async fn admit(&self, _attempt: u32) {}

    /// Called after each request, failed ones too: the place of ledger, log and metrics.
    fn attempted(&self, _attempt: &Attempt<'_>) {}
}

impl Observer for () {}

impl RetryPolicy {
    /// How long to wait after attempt `number` failed with `error`; `None` to give up. `chance` is 0 to 1.
    pub fn wait(&self, number: u32, error: &Error, chance: f64) -> Option<Duration> {
        if !error.is_retryable() || self.max_attempts.is_some_and(|most| number >= most) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << number.saturating_sub(1).min(30)).min(self.max_wait);
        let share = self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0);
        match error.retry_after() {
            // Never earlier than asked, so chance only adds; a second spreads clients enough.
            Some(asked) => Some(asked.min(self.max_retry_after) + self.first_wait.mul_f64(share)),
            None => Some(doubled.mul_f64(1.0 - share)),
        }
    }
}

impl Client {
    /// Asks until there is a page, an error that waiting does not cure, or `cancel` is ready.
    ///
    /// A cancelled request that was under way is dropped; the observer does not hear of its end.
    pub async fn page_with_retry(
        &self,
        query: &Query,
        policy: &RetryPolicy,
        observer: &dyn Observer,
        cancel: impl Future<Output = ()> + Send,
    ) -> Result<Response, Error> {
        match select(pin!(cancel), pin!(self.retry(query, policy, observer))).await {
            Either::Left(_) => {
                let exchange = Box::new(Exchange::new(&query.encode()));
                Err(Error { kind: ErrorKind::Cancelled, exchange })
            }
            Either::Right((result, _)) => result,
        }
    }

    async fn retry(&self, query: &Query, policy: &RetryPolicy, observer: &dyn Observer) -> Result<Response, Error> {
        let mut number = 0u32;
        loop {
            number = number.saturating_add(1);
            observer.admit(number).await;
            let result = self.page(query).await;
            let wait = result.as_ref().err().and_then(|error| policy.wait(number, error, chance()));
            observer.attempted(&Attempt { number, result: result.as_ref(), wait });
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return result,
            }
        }
    }
}

/// A number from 0 to 1, good enough to spread clients: the standard library seeds each state anew.
fn chance() -> f64 {
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiError;

    fn error(api: ApiError) -> Error {
        Error { kind: ErrorKind::Api(api), exchange: Box::new(Exchange::new("")) }
    }

    fn seconds(number: u32, api: ApiError, chance: f64) -> Option<f64> {
        let policy = RetryPolicy { max_attempts: None, ..RetryPolicy::default() };
        policy.wait(number, &error(api), chance).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn waits_double_to_a_minute() {
        let waits: Vec<_> = (1..=9).filter_map(|number| seconds(number, ApiError::new(503, ""), 0.0)).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(seconds(u32::MAX, ApiError::new(529, ""), 0.0), Some(60.0));
        assert_eq!(seconds(2, ApiError::new(529, ""), 1.0), Some(1.5));
    }

    #[test]
    fn what_the_feed_asks_is_never_undercut() {
        let limited = |seconds| ApiError::rate_limited("", Some(Duration::from_secs(seconds)));
        assert_eq!(seconds(1, limited(30), 0.0), Some(30.0));
        assert_eq!(seconds(1, limited(30), 1.0), Some(30.25));
        assert_eq!(seconds(1, limited(u64::MAX), 0.0), Some(3_600.0));
        assert_eq!(seconds(1, ApiError::rate_limited("", None), 0.0), Some(1.0));
    }

    #[test]
    fn gives_up_where_waiting_does_not_help() {
        let deterministic = ApiError { should_retry: Some(false), ..ApiError::internal() };
        assert_eq!(seconds(1, deterministic, 0.0), None);
        assert_eq!(seconds(1, ApiError::invalid(""), 0.0), None);
        assert!(seconds(1, ApiError::internal(), 0.0).is_some());
        let policy = RetryPolicy { max_attempts: Some(3), ..RetryPolicy::default() };
        assert!(policy.wait(2, &error(ApiError::internal()), 0.0).is_some());
        assert!(policy.wait(3, &error(ApiError::internal()), 0.0).is_none());
    }

    #[test]
    fn chance_is_spread() {
        let numbers: Vec<f64> = (0..200).map(|_| chance()).collect();
        assert!(numbers.iter().any(|n| *n < 0.3) && numbers.iter().any(|n| *n > 0.7));
        assert!(numbers.iter().all(|n| (0.0..=1.0).contains(n)));
    }
}
