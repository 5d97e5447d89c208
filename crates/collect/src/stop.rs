//! The signal to stop: given once, heard everywhere.

use tokio::sync::watch;

/// Gives the signal; dropping it gives it too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears the signal.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A signal that has not been given yet.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Gives the signal.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the signal has been given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for the signal.
    pub async fn given(&self) {
        // An error means that nobody can give it any more.
        let _ = self.0.clone().wait_for(|given| *given).await;
    }

    /// Waits for the end of `wait`, or for the signal; says whether to go on.
    pub async fn sleep(&self, wait: std::time::Duration) -> bool {
        tokio::select! {
            biased;
            () = self.given() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }
}
