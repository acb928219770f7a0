//! Shows how far a long command is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shows how far a long command is, on stderr, where that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    last: Option<Instant>,
    shown: bool,
    terminal: bool,
}

impl Progress {
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts; `what` says what is being done.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            last: None,
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows how many bytes are done, and of how many, ten times a second at most.
    pub(super) fn at(&mut self, done: u64, of: u64) {
        if !self.terminal || self.last.is_some_and(|last| last.elapsed() < Self::PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        self.shown = true;
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        // Where stderr is closed there is nobody to tell.
        let _ = write!(
            io::stderr().lock(),
            "\r\x1b[K{}: {percent} % of {of} bytes",
            self.what
        );
    }
}

impl Drop for Progress {
    /// Leaves the line as it was found.
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
