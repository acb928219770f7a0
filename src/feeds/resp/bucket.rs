//! What becomes one block: the records of a window, late ones of many windows, or some seconds of logs.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::component::journal::ReceiptId;
use crate::feeds::resp::file::Log;
use crate::feeds::resp::store::{AHEAD, Moment};
use crate::model::client::tally::Tallier;
use crate::model::time::Timestamp;

/// The suffix of files that wait for the journal.
pub(super) const SUFFIX: &str = ".wal";
/// The suffix of files that the journal has.
pub(super) const DONE: &str = ".done";
/// Points above which no more goes into a block.
const MOST_POINTS: usize = 40_000;
/// Bytes of a tally above which no more goes into a block.
const MOST_TALLY: usize = 16 << 20;
/// Bytes of all tallies.
pub(super) const MOST_HELD: usize = 32 << 20;
/// Bytes of a file of logs.
const MOST_LOGS: u64 = 3 << 20;
/// How long logs wait for others, so that a block holds more than one.
const LOGS_WAIT: Duration = Duration::from_secs(2);

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// To the others of the window that begins then.
    Window(Timestamp),
    /// To those whose window is closed.
    Late,
    /// To the logs.
    Logs,
}

/// What a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Metric records.
    Metrics,
    /// Log records.
    Logs,
}

/// Records that are handed over together.
pub(super) struct Bucket {
    /// Of which kind.
    pub(super) kind: Kind,
    /// The file with all of them.
    pub(super) log: Log,
    /// How many they are.
    pub(super) records: u64,
    /// They are handed over once windows up to this moment are closed.
    pub(super) until: Timestamp,
    /// When the bucket was begun, or found.
    pub(super) since: Instant,
    /// What they come to; `None` where the file must be read for it.
    pub(super) tallier: Option<Tallier>,
    /// Whether the journal may have them already.
    pub(super) doubtful: bool,
    /// Whether they are being handed over.
    pub(super) leaving: bool,
}

impl Bucket {
    /// Makes a file for records of `place`.
    pub(super) fn create(
        folder: &Path,
        place: Place,
        receipt: ReceiptId,
        at: Moment,
        interval: Duration,
    ) -> io::Result<Self> {
        let (name, kind, until) = match place {
            Place::Window(start) => (start.seconds().to_string(), Kind::Metrics, start.after(interval)),
            // The next time that a window closes.
            Place::Late => ("late".to_string(), Kind::Metrics, at.closed_before.shifted(1)),
            Place::Logs => ("logs".to_string(), Kind::Logs, at.closed_before),
        };
        let path = folder.join(format!("{name}-{receipt}{SUFFIX}"));
        Ok(Self {
            kind,
            log: Log::create(path, receipt)?,
            records: 0,
            until,
            since: Instant::now(),
            tallier: None,
            doubtful: false,
            leaving: false,
        })
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        match (&self.tallier, self.kind) {
            (Some(tallier), Kind::Metrics) => {
                tallier.points() >= MOST_POINTS || tallier.bytes() >= MOST_TALLY
            }
            (None, Kind::Metrics) => true,
            (_, Kind::Logs) => self.log.length() >= MOST_LOGS,
        }
    }

    /// Whether it is to be handed over. A bucket of a time that the clock was put back from is handed over, too: who
    /// knows when that time comes.
    pub(super) fn is_due(&self, at: Moment) -> bool {
        !self.leaving
            && match self.kind {
                Kind::Logs => self.since.elapsed() >= LOGS_WAIT || self.is_full(),
                Kind::Metrics => self.until <= at.closed_before || self.until > at.now.after(2 * AHEAD),
            }
    }
}
