//! How often the feed looks, and how much it takes at once.

use std::time::Duration;

/// Intervals and amounts; tests make them small.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Between two looks at the queues.
    pub(super) look: Duration,
    /// Between two looks at the table of claims.
    pub(super) claims: Duration,
    /// The first wait after a failure; it doubles up to `longest_wait`.
    pub(super) first_wait: Duration,
    /// See `first_wait`.
    pub(super) longest_wait: Duration,
    /// From the start to the first search for values without keys.
    pub(super) orphans_first: Duration,
    /// Between two such searches.
    pub(super) orphans: Duration,
    /// How long a value is seen without its key before it counts as one.
    pub(super) orphan_age: Duration,
    /// Keys that one script call moves: about 1.5 ms of the server's time, so that a board ten times slower than a desk's
    /// machine keeps below 20 ms, too.
    pub(super) chunk: usize,
    /// Calls that are on their way at once.
    pub(super) in_flight: usize,
    /// Records after which a claim ends with the window that it is in. So many make blocks of several windows out of
    /// a backlog, which take half the room of blocks of one.
    pub(super) records: u64,
    /// Points after which it does, too.
    pub(super) points: usize,
    /// Points at which it ends in the midst of a window.
    pub(super) most_points: usize,
    /// Bytes of memory at which it does.
    pub(super) most_bytes: usize,
    /// Log records of one claim.
    pub(super) most_logs: usize,
    /// Bytes of their JSON.
    pub(super) most_log_bytes: usize,
    /// So many waiting records are read at once; fewer wait for the next closed window, because each reading of late
    /// ones takes an amendment, and each reading of logs a block.
    pub(super) urgent: u64,
    /// How long what was begun may take to end after the word to stop.
    pub(super) stop: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            claims: Duration::from_secs(5),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            orphans_first: Duration::from_secs(30),
            orphans: Duration::from_secs(3600),
            orphan_age: Duration::from_secs(60),
            chunk: 500,
            in_flight: 6,
            records: 50_000,
            points: 20_000,
            most_points: 40_000,
            most_bytes: 16 << 20,
            most_logs: 5000,
            most_log_bytes: 3 << 20,
            urgent: 1000,
            stop: Duration::from_secs(10),
        }
    }
}
