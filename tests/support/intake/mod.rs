//! A stub of Datadog's intake that keeps its rules: sizes, ages, names, the last value wins.
//!
//! It listens on loopback, on a thread of its own, and answers as [`Answer`]s say. It judges what it takes as the real
//! one does; what the real one forgets silently, it counts.

mod book;
mod logs;
mod payload;
mod rules;
mod server;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use book::{Book, Counts, Kept, PointKey, Score};
pub(crate) use logs::{Log, LogBook};
pub(crate) use payload::{Kind, Series, proto};
pub(crate) use rules::{V1, V2};

use server::{Command, Server};

/// The key that a new intake takes.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a request with series, or with logs, gets instead of a judgement by the rules alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// By the rules: 202, 400, 403, 413, 415.
    Judge,
    /// This status; nothing is taken. 400 refuses everything, 403 stands until it is taken back.
    Status(u16),
    /// 429 with `Retry-After`, in seconds; nothing is taken.
    TooMany { retry_after: u64 },
    /// 302 to another host, which writes down whether the key arrived there; nothing is taken.
    Redirect,
    /// By the rules, and what is taken is answered with 202 and these errors.
    Errors(Vec<String>),
    /// No answer, ever; nothing is taken.
    Hang,
    /// By the rules; of a 202 only the head arrives, then the connection is closed.
    HalfClosed,
    /// By the rules; what was taken is never told: the connection is closed without an answer.
    Lost,
}

/// One request as it arrived, written down before it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Bytes of the body over the wire.
    pub(crate) raw: usize,
    /// Bytes of the body after decompression, if that went well.
    pub(crate) plain: Option<usize>,
    /// The intake's clock, unix seconds.
    pub(crate) at: i64,
    /// The status; none where no answer was given.
    pub(crate) status: Option<u16>,
    /// What it held, if it could be read; a scripted refusal reads nothing.
    pub(crate) series: Vec<Series>,
    /// How many log entries it held, likewise.
    pub(crate) logs: usize,
}

impl Request {
    /// The header's value; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The times of all its points, unix seconds.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        self.series
            .iter()
            .flat_map(|series| series.points.iter().map(|(time, _)| *time))
    }

    /// How many points it held.
    pub(crate) fn points(&self) -> usize {
        self.series.iter().map(|series| series.points.len()).sum()
    }

    /// Whether it went to one of the series endpoints.
    pub(crate) fn is_series(&self) -> bool {
        self.path.ends_with("/series")
    }
}

/// What reached the host that redirects point to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) requests: u64,
    /// Of these, with the key in a header or in the query.
    pub(crate) with_key: u64,
}

/// All that the intake knows.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// What was taken.
    pub(crate) book: Book,
    /// What was taken of logs.
    pub(crate) logs: LogBook,
    /// Every request, oldest first.
    pub(crate) requests: Vec<Request>,
    /// What reached the other host.
    pub(crate) elsewhere: Elsewhere,
    key: String,
    next: VecDeque<Answer>,
    standing: Answer,
    poisoned: BTreeSet<String>,
    validates: bool,
    most_bytes: usize,
}

/// State shared by the test and the server's thread.
#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    changed: Condvar,
    clock: Clock,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no panic under the lock")
    }
}

/// The intake's clock: the machine's, moved by an offset, or one that stands still.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    offset: Arc<AtomicI64>,
    pinned: Arc<AtomicI64>,
}

impl Clock {
    const NOT_PINNED: i64 = i64::MIN;

    fn new() -> Self {
        Self {
            offset: Arc::default(),
            pinned: Arc::new(AtomicI64::new(Self::NOT_PINNED)),
        }
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        match self.pinned.load(Ordering::SeqCst) {
            Self::NOT_PINNED => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .expect("this machine is past 1970");
                i64::try_from(since.as_secs()).expect("seconds fit") + self.offset.load(Ordering::SeqCst)
            }
            pinned => pinned,
        }
    }

    /// Lets the clock run `seconds` ahead of the machine's.
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::SeqCst);
        self.pinned.store(Self::NOT_PINNED, Ordering::SeqCst);
    }

    /// Stops the clock at these unix seconds.
    pub(crate) fn pin(&self, unix_seconds: i64) {
        self.pinned.store(unix_seconds, Ordering::SeqCst);
    }
}

/// A running stub; it ends with this value.
pub(crate) struct Intake {
    shared: Arc<Shared>,
    server: Server,
}

impl Intake {
    /// Starts an intake that takes [`KEY`] and judges by the rules.
    pub(crate) fn start() -> Self {
        let ledger = Ledger {
            book: Book::default(),
            logs: LogBook::default(),
            requests: Vec::new(),
            elsewhere: Elsewhere::default(),
            key: KEY.to_owned(),
            next: VecDeque::new(),
            standing: Answer::Judge,
            poisoned: BTreeSet::new(),
            validates: true,
            most_bytes: usize::MAX,
        };
        let shared = Arc::new(Shared {
            ledger: Mutex::new(ledger),
            changed: Condvar::new(),
            clock: Clock::new(),
        });
        Self {
            server: Server::start(Arc::clone(&shared)),
            shared,
        }
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// What `DATADOG_URL` takes: the URL up to the version.
    pub(crate) fn datadog_url(&self) -> String {
        format!("{}/api", self.url())
    }

    /// The clock by which points are too old.
    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Sets the one key that is good from now on.
    pub(crate) fn set_key(&self, key: &str) {
        self.shared.lock().key = key.to_owned();
    }

    /// Puts answers in line; each is for one series request.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().next.extend(answers);
    }

    /// The answer of every series request for which none stands in line.
    pub(crate) fn always(&self, answer: Answer) {
        self.shared.lock().standing = answer;
    }

    /// Refuses every request that holds a series of this name, or a log of this service, with a 400 that does not name it.
    pub(crate) fn poison(&self, name: &str) {
        self.shared.lock().poisoned.insert(name.to_owned());
    }

    /// Takes points of this name however old they are.
    pub(crate) fn historical(&self, name: &str) {
        self.shared.lock().book.historical.insert(name.to_owned());
    }

    /// Whether `/api/v1/validate` is there; a compatible intake may lack it and answers 404.
    pub(crate) fn validates(&self, it_does: bool) {
        self.shared.lock().validates = it_does;
    }

    /// Answers a body of more bytes than this over the wire with 413, as a relay with limits of its own does.
    pub(crate) fn most_bytes(&self, bytes: usize) {
        self.shared.lock().most_bytes = bytes;
    }

    /// Closes every connection and the listener: from now on a connection is refused.
    pub(crate) fn down(&self) {
        self.server.tell(Command::Down);
    }

    /// Listens again, on the same port.
    pub(crate) fn up(&self) {
        self.server.tell(Command::Up);
    }

    fn change(&self, what: impl FnOnce(&mut Ledger)) {
        what(&mut self.shared.lock());
    }

    /// Looks at all that the intake knows.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Ledger) -> T) -> T {
        at(&self.shared.lock())
    }

    /// How many points were taken, by what became of them.
    pub(crate) fn counts(&self) -> Counts {
        self.look(|ledger| ledger.book.counts)
    }

    /// Every point that is kept.
    pub(crate) fn points(&self) -> BTreeMap<PointKey, Kept> {
        self.look(|ledger| ledger.book.points.clone())
    }

    /// The kept points against the truth.
    pub(crate) fn score(&self, truth: &BTreeMap<PointKey, f64>) -> Score {
        self.look(|ledger| ledger.book.score(truth))
    }

    /// Every request to a series endpoint, oldest first.
    pub(crate) fn series_requests(&self) -> Vec<Request> {
        self.look(|ledger| {
            ledger
                .requests
                .iter()
                .filter(|request| request.is_series())
                .cloned()
                .collect()
        })
    }

    /// Waits until the ledger is as wished; looks at it after every request.
    ///
    /// # Panics
    ///
    /// When that does not happen within `patience`, with `what` was waited for.
    pub(crate) fn wait_until(&self, what: &str, patience: Duration, wish: impl Fn(&Ledger) -> bool) {
        let deadline = Instant::now() + patience;
        let mut ledger = self.shared.lock();
        while !wish(&ledger) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (counts, requests) = (ledger.book.counts, ledger.requests.len());
                // The lock must not be poisoned for the server's thread.
                drop(ledger);
                panic!(
                    "waited {} s in vain for {what}: {requests} requests, {counts:?}",
                    patience.as_secs()
                );
            }
            ledger = self
                .shared
                .changed
                .wait_timeout(ledger, left)
                .expect("no panic under the lock")
                .0;
        }
    }
}
