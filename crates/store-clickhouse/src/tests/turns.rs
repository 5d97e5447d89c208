//! Several processes on one database: one writes at a time, one collects a source, and everybody sees what is committed.

use std::time::{Duration, Instant};

use auditlake_store::{
    StoreError, Writer,
    contract::{commit, sample},
};

use super::{
    bad::{holds, open, page},
    engine::{fault, fresh},
};
use crate::{
    ClickStore, Duty, Options,
    client::Server,
    lease::{self, Lease, WRITER},
};

/// What runs beside a process's work, until the test ends.
fn attended(store: &ClickStore) {
    tokio::spawn(store.clone().attend());
}

async fn number(server: &Server, text: &str) -> u64 {
    server.rows("testing", text).await.unwrap().first().and_then(|row| row.number(0)).unwrap()
}

/// A right that nobody is to have at once with another: `stalled` is on its way to take it while others have had it and let go.
#[tokio::test]
async fn who_was_held_up_on_the_way_does_not_get_what_others_had() {
    let Some(options) = fresh().await else { return };
    open(&options).await;
    let server = Server::new(&options).of_database(&options.database);
    for (tokens_are_there, later) in [(true, true), (true, false), (false, true), (false, false)] {
        let name = format!("right {tokens_are_there} {later}");
        fault(&options.database, "kind=slow&millis=1500&count=1&match=INSERT%20INTO%20state%20FORMAT").await;
        let (far, wanted) = (server.clone(), name.clone());
        let stalled = tokio::spawn(async move { Lease::take(&far, &wanted, "b", 0, Options::LEASE).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        if tokens_are_there {
            let (lease, _) = Lease::take(&server, &name, "a", 0, Options::LEASE).await.unwrap();
            lease.release(&server).await.unwrap();
        } else {
            // As after ten thousand inserts, when the server knows nothing of the first any more.
            let rows = format!(
                "('lease', '{name}', 1, 0, false, 'taken 0 a'), ('lease', '{name}', 1, 0, false, 'released a')"
            );
            let text = format!("INSERT INTO state (area, key, version, seq, deleted, value) VALUES {rows}");
            server.execute("testing", &text).await.unwrap();
        }
        if later {
            Lease::take(&server, &name, "d", 0, Options::LEASE).await.unwrap();
        }
        let stalled = stalled.await.unwrap();
        assert!(matches!(stalled, Err(StoreError::Locked(_))), "{name}: {stalled:?}");
        let last = lease::last(&server, &name).await.unwrap().unwrap();
        let expected = if later { (2, "d", false) } else { (1, "a", true) };
        assert_eq!((last.number, last.owner.as_str(), last.is_released), expected, "{name}");
    }
}

#[tokio::test]
async fn what_two_write_under_one_number_is_not_taken_for_the_same() {
    let Some(options) = fresh().await else { return };
    let all = sample(20);
    let first = open(&options).await;
    first.commit(page(&all, "one")).await.unwrap();
    first.close().await.unwrap();
    // As if its commit had never been there: whoever comes next gives the same number.
    let server = Server::new(&options).of_database(&options.database);
    for table in ["activity", "ledger_entry", "state"] {
        let only = if table == "state" { "area != 'lease'" } else { "true" };
        server.execute("testing", &format!("ALTER TABLE {table} DELETE WHERE {only}")).await.unwrap();
    }
    let second = open(&options).await;
    let done = second.commit(page(&all, "two")).await.unwrap();
    assert_eq!((done.seq, done.total().new), (1, 20));
    holds(&second, &all, "two", 1).await;
}

#[tokio::test]
async fn whoever_comes_back_after_its_last_step_is_told_that_it_does_not_count() {
    let Some(options) = fresh().await else { return };
    let options = Options { lease: Duration::from_secs(1), ..options };
    let all = sample(40);
    let first = open(&options).await;
    first.commit(page(&all[..10], "one")).await.unwrap();
    // Its last insert comes when another process has long given it up.
    fault(&options.database, "kind=slow&millis=3000&count=1&match=INSERT%20INTO%20state%20FORMAT").await;
    let (slow, some) = (first.clone(), page(&all[10..20], "two"));
    let slow = tokio::spawn(async move { slow.commit(some).await });
    let second = open(&options).await;
    let done = second.commit(page(&all[20..], "three")).await.unwrap();
    assert_eq!(done.total().new, 20);
    let slow = slow.await.unwrap();
    assert!(matches!(slow, Err(StoreError::Locked(_))), "{slow:?}");
    second.refresh().await.unwrap();
    let there = [&all[..10], &all[20..]].concat();
    holds(&second, &there, "three", 2).await;
    second.close().await.unwrap();
    assert_eq!(first.commit(page(&all, "four")).await.unwrap().total().new, 10);
    holds(&first, &all, "four", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_write_goes_round() {
    let Some(options) = fresh().await else { return };
    let all = sample(240);
    let mut work = Vec::new();
    for place in 0..3_usize {
        let store = open(&options).await;
        attended(&store);
        // Neighbours overlap by half: what one has stored the other knows.
        let raws: Vec<String> = all.iter().cycle().skip(place * 80).take(160).cloned().collect();
        work.push(tokio::spawn(async move {
            let mut new = 0;
            for some in raws.chunks(16) {
                new += store.commit(commit(some)).await.unwrap().total().new;
            }
            (store, new)
        }));
    }
    let (mut new, mut stores) = (0, Vec::new());
    for work in work {
        let (store, stored) = work.await.unwrap();
        new += stored;
        stores.push(store);
    }
    assert_eq!(new, 240);
    let server = Server::new(&options).of_database(&options.database);
    assert_eq!(number(&server, "SELECT count() FROM anthropic_logs").await, 240);
    assert_eq!(number(&server, "SELECT uniqExact(eventID) FROM anthropic_logs").await, 240);
    assert_eq!(number(&server, "SELECT count() FROM commits").await, 30);
    assert_eq!(number(&server, "SELECT max(seq) FROM commits").await, 30, "no number is given up");
    let passed = format!("SELECT max(version) FROM state WHERE area = 'lease' AND key = '{WRITER}'");
    assert!(number(&server, &passed).await >= 3, "each had its turn");
}

#[tokio::test]
async fn everybody_sees_what_another_process_commits() {
    let Some(options) = fresh().await else { return };
    let (writer, reader) = (open(&options).await, open(&options).await);
    attended(&reader);
    let mut commits = reader.commits();
    let begun = Instant::now();
    writer.commit(page(&sample(20), "one")).await.unwrap();
    commits.wait_for(|seq| *seq == 1).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    holds(&reader, &sample(20), "one", 1).await;
}

#[tokio::test]
async fn a_duty_is_one_processs_at_a_time() {
    let Some(options) = fresh().await else { return };
    let options = Options { lease: Duration::from_secs(2), ..options };
    let (one, other) = (open(&options).await, open(&options).await);
    let name = Duty::of_source("main");
    let duty = one.take_duty(&name, 0).await.unwrap();
    let refused = other.take_duty(&name, 0).await.map(drop);
    assert!(
        matches!(&refused, Err(StoreError::Locked(why)) if why.contains("collects source main (process ")),
        "{refused:?}"
    );
    other.take_duty(&Duty::of_source("second"), 0).await.unwrap();
    duty.end().await.unwrap();
    let mut duty = other.take_duty(&name, 0).await.unwrap();
    // Kept for longer than it lasts.
    tokio::select! {
        () = duty.lost() => panic!("nobody else wants it"),
        () = tokio::time::sleep(Duration::from_secs(3)) => {}
    }
    assert!(one.take_duty(&name, 0).await.is_err());
    // Not kept any more: it runs out, and whoever comes back finds it gone.
    other.commit(page(&sample(10), "one")).await.unwrap();
    other.close().await.unwrap();
    let begun = Instant::now();
    let taken = one.await_duty(&name).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    one.commit(page(&sample(20), "two")).await.unwrap();
    one.close().await.unwrap();
    let late = other.commit(page(&sample(30), "three")).await;
    assert!(matches!(late, Err(StoreError::Locked(_))), "{late:?}");
    tokio::time::timeout(Duration::from_secs(1), duty.lost()).await.expect("it is told");
    holds(&one, &sample(20), "two", 2).await;
    taken.end().await.unwrap();
}

#[tokio::test]
async fn a_duty_goes_to_the_higher_rank() {
    let Some(options) = fresh().await else { return };
    let (low, high) = (open(&options).await, open(&options).await);
    let mut held = low.take_duty(Duty::DETECTION, 0).await.unwrap();
    assert!(high.take_duty(Duty::DETECTION, 2).await.is_err());
    tokio::time::timeout(Duration::from_secs(3), held.lost()).await.expect("it is asked to let go");
    held.end().await.unwrap();
    let mut held = high.take_duty(Duty::DETECTION, 2).await.unwrap();
    assert!(low.take_duty(Duty::DETECTION, 2).await.is_err());
    let lost = tokio::time::timeout(Duration::from_secs(2), held.lost()).await;
    assert!(lost.is_err(), "of equals the first one has it");
}

#[tokio::test]
async fn who_moves_a_store_is_the_only_one() {
    let Some(options) = fresh().await else { return };
    let options = Options { lease: Duration::from_secs(1), ..options };
    let (mover, collector) = (open(&options).await, open(&options).await);
    let mut duty = collector.take_duty(&Duty::of_source("main"), 0).await.unwrap();
    let busy = tokio::select! {
        busy = mover.claim() => busy,
        () = duty.lost() => panic!("nobody else wants it"),
    };
    assert!(matches!(&busy, Err(StoreError::Locked(why)) if why.contains("collects source main")), "{busy:?}");
    // One that was killed is waited for.
    drop(duty);
    mover.claim().await.unwrap();
    attended(&mover);
    let waits = collector.commit(page(&sample(10), "one")).await;
    assert!(matches!(waits, Err(StoreError::Locked(_))), "{waits:?}");
    mover.commit(page(&sample(10), "one")).await.unwrap();
}
