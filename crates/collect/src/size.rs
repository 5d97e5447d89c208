//! How large a page of a source may be: as large as it is asked for, until one of that size does not come.
//!
//! A gateway that cannot pass so much in its time, or a connection that breaks before the end, shows only in requests that fail
//! as those to a feed that is down do. So the pages are halved whenever asking again has been of no use, and grow again as soon as
//! one comes. When the larger one still does not come, though the smaller one does, the size is the reason: the smaller one is
//! kept then, and a larger one is only tried now and then, not for long.

use std::time::Duration;

use tokio::time::Instant;

/// A larger page than those that come is tried after so long, then ever more seldom.
const FIRST_WAIT: Duration = Duration::from_secs(600);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Debug)]
pub(crate) struct PageSize {
    /// What is asked for where nothing bounds it.
    full: u32,
    bound: Option<Bound>,
}

/// What bounds the pages.
#[derive(Debug)]
struct Bound {
    most: u32,
    /// The largest one that has come since.
    came: Option<u32>,
    /// No larger one is tried before.
    again: Instant,
    wait: Duration,
}

impl PageSize {
    pub(crate) fn new(full: u32) -> PageSize {
        PageSize { full, bound: None }
    }

    /// The largest page to ask for where one of `limit` is wanted.
    pub(crate) fn most(&self, limit: u32) -> u32 {
        self.bound.as_ref().map_or(limit, |bound| bound.most.min(limit))
    }

    /// Whether a page of this size is only tried: a smaller one is known to come.
    pub(crate) fn is_trial(&self, limit: u32) -> bool {
        self.bound.as_ref().and_then(|bound| bound.came).is_some_and(|came| limit > came)
    }

    /// A page of this size has come.
    pub(crate) fn came(&mut self, limit: u32, now: Instant) {
        let Some(bound) = self.bound.as_mut().filter(|bound| limit >= bound.most) else { return };
        bound.came = Some(limit);
        if limit >= self.full {
            self.bound = None;
        } else if now >= bound.again {
            bound.most = limit.saturating_mul(2).min(self.full);
        }
    }

    /// A page of this size did not come, however often it was asked for. Says whether a smaller one may come at once.
    pub(crate) fn failed(&mut self, limit: u32, now: Instant) -> bool {
        if limit <= 1 {
            return false;
        }
        let bound = self.bound.get_or_insert(Bound { most: self.full, came: None, again: now, wait: FIRST_WAIT / 2 });
        if limit > bound.most {
            return true;
        }
        match bound.came.filter(|came| limit > *came) {
            Some(came) => {
                bound.wait = (bound.wait * 2).min(LONGEST_WAIT);
                (bound.most, bound.again) = (came, now + bound.wait);
                true
            }
            // Not even what came before: nothing is known of sizes any more.
            None => {
                (bound.most, bound.came) = ((limit / 2).max(1), None);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for pages until so many have come, from a gateway that passes none larger than `widest`. Answers how many failed.
    fn ask(size: &mut PageSize, widest: u32, pages: u32, now: &mut Instant) -> u32 {
        let (mut came, mut failed) = (0, 0);
        while came < pages {
            let limit = size.most(feed::MAX_LIMIT);
            *now += Duration::from_secs(1);
            if limit <= widest {
                size.came(limit, *now);
                came += 1;
            } else {
                size.failed(limit, *now);
                failed += 1;
            }
        }
        failed
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_gateway_passes_is_found_and_kept() {
        let (mut size, mut now) = (PageSize::new(feed::MAX_LIMIT), Instant::now());
        assert_eq!(ask(&mut size, 2_000, 500, &mut now), 3, "two halvings, and one trial");
        assert_eq!(size.most(feed::MAX_LIMIT), 1_250);
        assert_eq!(ask(&mut size, 2_000, 20_000, &mut now), 7, "tried again now and then");
        ask(&mut size, feed::MAX_LIMIT, 8_000, &mut now);
        assert_eq!(size.most(feed::MAX_LIMIT), feed::MAX_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_feed_was_down_pages_grow_at_once() {
        let (mut size, mut now) = (PageSize::new(feed::MAX_LIMIT), Instant::now());
        for _ in 0..40 {
            let limit = size.most(feed::MAX_LIMIT);
            assert!(!size.failed(limit, now), "nothing says that a smaller one comes");
            // The others that were under way at that size.
            assert!(limit == 1 || size.failed(limit, now));
        }
        assert_eq!(size.most(feed::MAX_LIMIT), 1);
        assert_eq!(ask(&mut size, feed::MAX_LIMIT, 14, &mut now), 0);
        assert_eq!(size.most(feed::MAX_LIMIT), feed::MAX_LIMIT);
    }
}
