//! A thread of its own for rules, which gives way to everything else in the process: detection may come late, collection and
//! pages must not wait for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
};

use auditlake_store::{Result, StoreError};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// See the module. Ends when it is dropped.
pub(crate) struct Thread(mpsc::Sender<Job>);

/// How far behind others it stands: with one core for both it gets a tenth.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

impl Thread {
    pub(crate) fn start() -> Result<Thread> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let work = move || {
            give_way();
            jobs.into_iter().for_each(|job| job());
        };
        std::thread::Builder::new().name("detection".to_owned()).spawn(work).map_err(|error| failed(&error))?;
        Ok(Thread(sender))
    }

    /// Does this there, and waits for it.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, done) = oneshot::channel();
        let job = move || {
            // Whoever waits hears of a panic; the thread is there for the next one.
            let outcome = catch_unwind(AssertUnwindSafe(work));
            drop(sender.send(outcome));
        };
        self.0.send(Box::new(job)).map_err(|error| failed(&error))?;
        match done.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(failed(&"a rule's code panicked")),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Engine { doing: "detecting", message: error.to_string() }
}

/// Puts this thread behind the others.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the system call has no safe wrapper here")]
fn give_way() {
    // SAFETY: takes numbers, and 0 is the calling thread, as Linux has it. If it is refused, the thread works as any other.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Elsewhere it would be the whole process.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_survived() {
        let thread = Thread::start().unwrap();
        let panicking: Result<()> = thread.run(|| panic!("as the test wants it")).await;
        assert!(panicking.is_err());
        assert_eq!(
            thread.run(|| std::thread::current().name().map(str::to_owned)).await.unwrap().unwrap(),
            "detection"
        );
    }
}
