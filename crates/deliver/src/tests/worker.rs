//! Workers under everything that may go wrong, by a clock that jumps.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use auditlake_store::{
    Result as StoreResult, StoreError,
    outbox::{
        Delivery, DeliveryLog, DeliveryQuery, DeliveryState, Due, NewDelivery, Outbox, Outcome, Told, Which,
        memory::MemoryOutbox,
    },
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    Channel, Clock, DestinationState, Failure, Kind, Letter, Open, Patience, SettingError, Worker, testing::notice,
};

/// A destination that does as it is told, and remembers.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Failure>>,
    by_id: Mutex<HashMap<String, VecDeque<Failure>>>,
    arrived: Mutex<Vec<(String, Timestamp)>>,
    attempts: Mutex<Vec<String>>,
    changed: Notify,
    hangs: AtomicBool,
    is_stateful: AtomicBool,
    opened: Mutex<u32>,
    refuses_until_opened: Mutex<u32>,
}

struct Handle(Arc<Scripted>, u32);

#[async_trait]
impl Channel for Handle {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let script = &self.0;
        script.attempts.lock().unwrap().push(letter.id.to_owned());
        script.changed.notify_waiters();
        if script.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        if self.1 < *script.refuses_until_opened.lock().unwrap() {
            return Err(Failure::new(Kind::Refused, "the old key"));
        }
        let own = script.by_id.lock().unwrap().get_mut(letter.id).and_then(VecDeque::pop_front);
        if let Some(failure) = own.or_else(|| script.answers.lock().unwrap().pop_front()) {
            return Err(failure);
        }
        script.arrived.lock().unwrap().push((letter.id.to_owned(), letter.at));
        script.changed.notify_waiters();
        Ok(())
    }

    async fn check(&self) -> Result<String, Failure> {
        Ok(String::new())
    }

    fn is_stateful(&self) -> bool {
        self.0.is_stateful.load(Ordering::Relaxed)
    }
}

struct Opens(Arc<Scripted>);

#[async_trait]
impl Open for Opens {
    async fn open(&self) -> Result<Box<dyn Channel>, SettingError> {
        let mut opened = self.0.opened.lock().unwrap();
        *opened += 1;
        Ok(Box::new(Handle(self.0.clone(), *opened)))
    }
}

impl Scripted {
    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }

    /// Waits until so many have arrived; the clock runs as fast as it may meanwhile.
    async fn has_arrived(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.arrived.lock().unwrap().len() >= count {
                return;
            }
            changed.await;
        }
    }

    async fn was_tried(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.attempts.lock().unwrap().len() >= count {
                return;
            }
            changed.await;
        }
    }
}

/// A clock that goes with the runtime's.
fn clock() -> Clock {
    let (start, began) = (Timestamp::from_second(1_790_000_000).unwrap(), Instant::now());
    Arc::new(move || start + SignedDuration::try_from(began.elapsed()).unwrap())
}

fn patience() -> Patience {
    Patience { jitter: 0.0, ..Patience::default() }
}

struct Running {
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
    state: watch::Receiver<DestinationState>,
}

fn run(name: &str, script: &Arc<Scripted>, outbox: Arc<dyn Outbox>, clock: &Clock) -> Running {
    let worker = Worker::new(name, Arc::new(Opens(script.clone())), outbox, patience(), clock.clone());
    let state = worker.state();
    let (stop, stopped) = watch::channel(false);
    Running { stop, work: tokio::spawn(worker.run(stopped)), state }
}

fn new(id: &str, destination: &str, alert: &str, clock: &Clock) -> NewDelivery {
    NewDelivery {
        id: id.into(),
        destination: destination.into(),
        alert: alert.into(),
        event: "opened".into(),
        severity: "high".into(),
        alert_state: "open".into(),
        count: 1,
        notice: serde_json::to_value(notice()).unwrap(),
        at: clock(),
    }
}

async fn delivery(outbox: &MemoryOutbox, id: &str) -> Delivery {
    let all = outbox.deliveries(&DeliveryQuery::default()).await.unwrap();
    all.into_iter().find(|delivery| delivery.id == id).unwrap()
}

/// Waits until a delivery has reached a state.
async fn settled(outbox: &MemoryOutbox, id: &str, state: DeliveryState) -> Delivery {
    loop {
        let found = delivery(outbox, id).await;
        if found.state == state {
            return found;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_the_order_of_an_alert_and_holds_no_other_up() {
    let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
    let failing = VecDeque::from(vec![Failure::new(Kind::Failed, "500"); 3]);
    script.by_id.lock().unwrap().insert("a1".into(), failing);
    let running = run("chat", &script, outbox.clone(), &clock);
    let batch = ["a1", "a2", "a3"].map(|id| new(id, "chat", "A", &clock));
    outbox.enqueue(1, batch.into_iter().chain([new("b1", "chat", "B", &clock)]).collect()).await.unwrap();
    script.has_arrived(4).await;
    assert_eq!(script.arrived(), ["b1", "a1", "a2", "a3"]);
    let first = settled(&outbox, "a1", DeliveryState::Delivered).await;
    // 1 s + 2 s + 4 s of waiting.
    assert_eq!((first.attempts, (first.settled_at.unwrap() - first.queued_at).get_seconds()), (3, 7));
    running.stop.send_replace(true);
    running.work.await.unwrap();
    assert_eq!((running.state.borrow().delivered, running.state.borrow().failed), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_it_is_asked_to() {
    let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
    script.answers.lock().unwrap().push_back(Failure::new(Kind::Busy(Some(Duration::from_secs(90))), "429"));
    let running = run("chat", &script, outbox.clone(), &clock);
    outbox.enqueue(1, vec![new("a1", "chat", "A", &clock)]).await.unwrap();
    let mut state = running.state.clone();
    state.wait_for(|state| state.trouble.is_some()).await.unwrap();
    outbox.enqueue(2, vec![new("b1", "chat", "B", &clock)]).await.unwrap();
    script.has_arrived(2).await;
    let first = script.arrived.lock().unwrap()[0].1;
    assert!(first.duration_since(delivery(&outbox, "a1").await.queued_at) >= SignedDuration::from_secs(90));
    assert_eq!(script.attempts.lock().unwrap().len(), 3, "nobody was sent meanwhile");
    assert_eq!(running.state.borrow().trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_holds_nobody_up_and_is_not_stormed() {
    let (outbox, clock) = (Arc::new(MemoryOutbox::default()), clock());
    let (dead, alive) = (Arc::new(Scripted::default()), Arc::new(Scripted::default()));
    dead.hangs.store(true, Ordering::Relaxed);
    let stuck = run("dead", &dead, outbox.clone(), &clock);
    let _running = run("alive", &alive, outbox.clone(), &clock);
    let of =
        |destination: &'static str, n: usize| new(&format!("{destination}{n}"), destination, &format!("A{n}"), &clock);
    let batch = (0..50).flat_map(|n| [of("dead", n), of("alive", n)]).collect();
    let began = Instant::now();
    outbox.enqueue(1, batch).await.unwrap();
    alive.has_arrived(50).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(dead.attempts.lock().unwrap().len() <= 4);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    // The first four hang for two minutes, then one at a time.
    let tried = dead.attempts.lock().unwrap().len();
    assert!((5..=40).contains(&tried), "{tried}");
    assert!(stuck.state.borrow().trouble.is_some());
    dead.hangs.store(false, Ordering::Relaxed);
    dead.has_arrived(50).await;
}

#[tokio::test(start_paused = true)]
async fn refused_and_exhausted_ones_become_dead_letters_and_can_be_sent_again() {
    let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
    script.by_id.lock().unwrap().insert("a1".into(), vec![Failure::new(Kind::Refused, "404").hint("look"); 2].into());
    script.by_id.lock().unwrap().insert("b1".into(), vec![Failure::new(Kind::Failed, "500"); 10_000].into());
    let running = run("chat", &script, outbox.clone(), &clock);
    let batch = vec![new("a1", "chat", "A", &clock), new("b1", "chat", "B", &clock)];
    outbox.enqueue(1, batch).await.unwrap();
    let refused = settled(&outbox, "a1", DeliveryState::Dead).await;
    assert_eq!((refused.attempts, refused.error.as_deref()), (1, Some("404 (look)")));
    let exhausted = settled(&outbox, "b1", DeliveryState::Dead).await;
    assert!(exhausted.settled_at.unwrap().duration_since(exhausted.queued_at) >= SignedDuration::from_hours(24));
    assert!((250..400).contains(&exhausted.attempts), "{}", exhausted.attempts);
    script.by_id.lock().unwrap().clear();
    outbox.send_again(&Which::All, clock()).await.unwrap();
    script.has_arrived(2).await;
    let again = settled(&outbox, "a1", DeliveryState::Delivered).await;
    assert_eq!((again.attempts, again.error), (0, None));
    assert_eq!(running.state.borrow().dead, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_settled_is_sent_again_under_the_same_id() {
    let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
    script.hangs.store(true, Ordering::Relaxed);
    for round in 1..=10 {
        let running = run("chat", &script, outbox.clone(), &clock);
        if round == 1 {
            outbox.enqueue(1, vec![new("a1", "chat", "A", &clock)]).await.unwrap();
        }
        script.was_tried(round).await;
        // The destination has it, and the process is killed before it knows.
        running.work.abort();
        assert!(running.work.await.is_err());
    }
    script.hangs.store(false, Ordering::Relaxed);
    let running = run("chat", &script, outbox.clone(), &clock);
    script.has_arrived(1).await;
    assert!(script.attempts.lock().unwrap().iter().all(|id| id == "a1"));
    running.stop.send_replace(true);
    running.work.await.unwrap();
    assert_eq!(delivery(&outbox, "a1").await.state, DeliveryState::Delivered, "what is under way may end");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_taken_up() {
    let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
    let _running = run("chat", &script, outbox.clone(), &clock);
    outbox.enqueue(1, vec![new("a1", "chat", "A", &clock)]).await.unwrap();
    script.has_arrived(1).await;
    *script.refuses_until_opened.lock().unwrap() = 2;
    outbox.enqueue(2, vec![new("a2", "chat", "A", &clock)]).await.unwrap();
    script.has_arrived(2).await;
    assert_eq!(settled(&outbox, "a2", DeliveryState::Delivered).await.attempts, 0);
    assert_eq!(*script.opened.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_comes_too_late_is_not_sent_where_that_matters() {
    for (is_stateful, state) in [(true, DeliveryState::Overtaken), (false, DeliveryState::Delivered)] {
        let (outbox, script, clock) = (Arc::new(MemoryOutbox::default()), Arc::new(Scripted::default()), clock());
        script.is_stateful.store(is_stateful, Ordering::Relaxed);
        script.by_id.lock().unwrap().insert("open".into(), vec![Failure::new(Kind::Refused, "400"); 2].into());
        let _running = run("pager", &script, outbox.clone(), &clock);
        let batch = vec![new("open", "pager", "A", &clock), new("close", "pager", "A", &clock)];
        outbox.enqueue(1, batch).await.unwrap();
        settled(&outbox, "close", DeliveryState::Delivered).await;
        assert_eq!(delivery(&outbox, "open").await.state, DeliveryState::Dead);
        outbox.send_again(&Which::All, clock()).await.unwrap();
        settled(&outbox, "open", state).await;
    }
}

/// An outbox on a disk that is full for a while.
struct Failing {
    inner: MemoryOutbox,
    left: Mutex<u32>,
}

#[async_trait]
impl Outbox for Failing {
    async fn enqueue(&self, handled: u64, new: Vec<NewDelivery>) -> StoreResult<u64> {
        self.inner.enqueue(handled, new).await
    }
    async fn handled(&self) -> StoreResult<Option<u64>> {
        self.inner.handled().await
    }
    async fn told(&self, alerts: &[String]) -> StoreResult<Vec<Told>> {
        self.inner.told(alerts).await
    }
    async fn told_open(&self) -> StoreResult<Vec<Delivery>> {
        self.inner.told_open().await
    }
    async fn due(&self, destination: &str, now: Timestamp, limit: usize) -> StoreResult<Due> {
        self.inner.due(destination, now, limit).await
    }
    async fn settle(&self, id: &str, outcome: Outcome) -> StoreResult<()> {
        {
            let mut left = self.left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(StoreError::DiskFull("none".into()));
            }
        }
        self.inner.settle(id, outcome).await
    }
    fn queued(&self) -> watch::Receiver<u64> {
        self.inner.queued()
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_does_not_make_it_send_twice() {
    let (script, clock) = (Arc::new(Scripted::default()), clock());
    let outbox = Arc::new(Failing { inner: MemoryOutbox::default(), left: Mutex::new(20) });
    let _running = run("chat", &script, outbox.clone(), &clock);
    outbox.enqueue(1, vec![new("a1", "chat", "A", &clock), new("a2", "chat", "A", &clock)]).await.unwrap();
    script.has_arrived(2).await;
    settled(&outbox.inner, "a2", DeliveryState::Delivered).await;
    assert_eq!(script.arrived(), ["a1", "a2"]);
}
