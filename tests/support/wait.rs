//! Waiting for a state of something outside this process; the one place in the tests that polls.

use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a test waits for a service or for the agent before it gives up. Generous: a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `probe` until it returns something, at most for `patience`.
///
/// # Panics
///
/// When the time is over, with `what` was waited for.
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain for {what}",
            patience.as_secs()
        );
        #[allow(
            clippy::disallowed_methods,
            reason = "another process cannot wake us; the state ends the wait"
        )]
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Lets a random number of milliseconds pass and does nothing: the one wait that is for no state. What a kill at a
/// random moment meets is what a chaos test is about, so there is nothing to wait for.
pub(crate) fn pause_random(random: &mut fastrand::Rng, millis: Range<u64>) {
    #[allow(
        clippy::disallowed_methods,
        reason = "the moment is the test's input, not a guess at a state"
    )]
    std::thread::sleep(Duration::from_millis(random.u64(millis)));
}
