//! Who commits first, among all who collect into one store: what is new goes before the past.
//!
//! A store takes one commit at a time, and one of the past may be long. So no commit of the past begins that would still be
//! under way when somebody is about to store what is new: not while a feed is being followed, and not shortly before. Nobody
//! waits longer than [`MOST`], and the time that the commit takes, at a time: a feed that does not answer must not keep the past away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// The longest that a commit of the past waits for somebody who is at it.
const MOST: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug, Default)]
pub struct Turns {
    /// When each of those who follow a feed is at it next; those who are at it now since a moment in the past.
    next: watch::Sender<BTreeMap<u64, Instant>>,
    seats: AtomicU64,
}

/// One who follows a feed.
#[derive(Debug)]
pub(crate) struct Seat {
    turns: Arc<Turns>,
    id: u64,
}

impl Seat {
    pub(crate) fn new(turns: &Arc<Turns>) -> Seat {
        Seat { turns: turns.clone(), id: turns.seats.fetch_add(1, Ordering::Relaxed) }
    }

    /// Is at it now, until the answer is dropped.
    pub(crate) fn follow(&self) -> Following<'_> {
        self.due(Instant::now());
        Following(self)
    }

    /// Will be at it then.
    pub(crate) fn due(&self, at: Instant) {
        self.turns.next.send_modify(|next| _ = next.insert(self.id, at));
    }

    fn is_away(&self) {
        self.turns.next.send_modify(|next| _ = next.remove(&self.id));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.is_away();
    }
}

/// Somebody who follows a feed, and is at it.
#[derive(Debug)]
pub(crate) struct Following<'a>(&'a Seat);

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.is_away();
    }
}

impl Turns {
    /// Waits until a commit that takes so long keeps nobody waiting who follows a feed; for a while. Says whether that came.
    pub(crate) async fn give_way(&self, takes: Duration) -> bool {
        let mut next = self.next.subscribe();
        let now = Instant::now();
        // Who has been at it for long is waiting for a feed.
        let is_out_of_the_way = |at: &Instant| *at > Instant::now() + takes || *at + MOST <= now;
        let is_free = |next: &BTreeMap<u64, Instant>| next.values().all(is_out_of_the_way);
        // Who is about to follow a feed is waited for from so long before on, and then for as long as that takes. The sender lives as long
        // as `self`: the only other end of waiting is that nobody is kept from anything.
        tokio::time::timeout(takes + MOST, next.wait_for(is_free)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_past_waits_but_not_for_ever() {
        let turns = Arc::new(Turns::default());
        let start = Instant::now();
        turns.give_way(SECOND).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        let (one, other) = (Seat::new(&turns), Seat::new(&turns));
        let end = async {
            let (following, too) = (one.follow(), other.follow());
            tokio::time::sleep(SECOND).await;
            drop(following);
            tokio::time::sleep(SECOND).await;
            drop(too);
        };
        tokio::join!(end, turns.give_way(SECOND));
        assert_eq!(start.elapsed(), 2 * SECOND, "until nobody follows any more");
        let _stuck = one.follow();
        assert!(!turns.give_way(SECOND).await);
        assert_eq!(start.elapsed(), 3 * SECOND + MOST);
        assert!(turns.give_way(SECOND).await);
        assert_eq!(start.elapsed(), 3 * SECOND + MOST, "once is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_long_begins_shortly_before() {
        let turns = Arc::new(Turns::default());
        let seat = Seat::new(&turns);
        let start = Instant::now();
        seat.due(start + 2 * SECOND);
        turns.give_way(SECOND).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "that is over before");
        let end = async {
            tokio::time::sleep_until(start + 2 * SECOND).await;
            drop(seat.follow());
        };
        tokio::join!(end, turns.give_way(2 * SECOND));
        assert_eq!(start.elapsed(), 2 * SECOND);
        seat.due(Instant::now());
        drop(seat);
        turns.give_way(SECOND).await;
        assert_eq!(start.elapsed(), 2 * SECOND, "who has gone keeps nobody");
    }
}
