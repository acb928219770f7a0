//! Prints: answers to stdout, complaints and progress to stderr.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Prints text as it is.
pub(super) fn text(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Prints bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a line for a person. Where stderr is closed there is nobody to tell.
pub(super) fn complaint(line: &str) {
    let _ = writeln!(io::stderr().lock(), "tawny: {line}");
}

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

    /// Starts to count; `what` names that which is counted.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            last: None,
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows what is done, and of how much, ten times a second at most.
    pub(super) fn at(&mut self, done: u64, of: u64) {
        if !self.terminal || self.last.is_some_and(|last| last.elapsed() < Self::PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        self.shown = true;
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100);
        let _ = write!(
            io::stderr().lock(),
            "\r\x1b[K{} {done} of {of} ({percent} %)",
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
