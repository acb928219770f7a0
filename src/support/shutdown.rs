//! The word to stop, passed from the signal handler to every task.

use tokio::sync::watch;

/// Says stop, once and for good.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears it. Cheap to clone; every clone hears it, also one that starts to listen afterwards.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Stopper {
    /// A stopper and what hears it.
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Says stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether stop was said.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when stop is said, or when nobody is left to say it.
    pub async fn stopped(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_listener_hears_it_too() {
        let (stopper, shutdown) = Stopper::new();
        assert!(!shutdown.is_stopped());
        stopper.stop();
        let mut late = shutdown.clone();
        late.stopped().await;
        assert!(late.is_stopped());
    }
}
