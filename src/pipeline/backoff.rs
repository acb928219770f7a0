//! How long to wait before the next attempt.

use std::time::Duration;

/// The longest wait that a destination may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// A wait that doubles with each failure.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// A wait of up to `first`, then doubled up to `most`.
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            next: first,
        }
    }

    /// For a destination that is not able now.
    pub(crate) const fn of_retries() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(300))
    }

    /// For one that needs somebody to change something.
    pub(crate) const fn of_probes() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(600))
    }

    /// The next wait with full jitter: any share of it (`chance`, 0 to 1), so that a fleet that lost its network in
    /// one moment does not come back in one. What the destination asked for is added to it, up to an hour.
    pub(crate) fn jittered(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let jitter = self.step().mul_f64(chance.clamp(0.0, 1.0));
        asked.unwrap_or_default().min(LONGEST_ASKED) + jitter
    }

    /// The next wait, of which a quarter is left to chance: for probes, which are rare enough not to gather.
    pub(crate) fn steady(&mut self, chance: f64) -> Duration {
        self.step().mul_f64(0.75 + 0.25 * chance.clamp(0.0, 1.0))
    }

    fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::of_retries();
        let waits: Vec<u64> = (0..11).map(|_| backoff.jittered(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.jittered(None, 0.25), Duration::from_millis(250));
    }

    #[test]
    fn what_is_asked_for_is_honoured_up_to_an_hour() {
        let mut backoff = Backoff::of_retries();
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(backoff.jittered(asked(30), 0.5), Duration::from_millis(30_500));
        assert_eq!(backoff.jittered(asked(86_400), 0.0), Duration::from_secs(3600));
    }

    #[test]
    fn probes_come_every_half_minute_to_ten_minutes() {
        let mut backoff = Backoff::of_probes();
        let waits: Vec<u64> = (0..6).map(|_| backoff.steady(1.0).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600]);
        assert_eq!(backoff.steady(0.0), Duration::from_secs(450));
    }
}
