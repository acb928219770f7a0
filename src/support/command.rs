//! Child processes: one that goes on is listened to line by line, within bounds, and started again when it ends.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// No line is longer; tegrastats writes some 700 bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// How much of what a child says about its end is kept.
const LAST_ERRORS: usize = 2 * 1024;

/// How long a child may take to end, and to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The first wait before a child is started again is at most this long, and each further one at most twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// No wait is longer. A child that ran for this long begins with the first wait again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A program that writes lines for as long as it runs.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
    /// The longest time without a line; then it is killed and started again.
    pub patience: Duration,
}

/// What is known of a program.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The newest line, also of a child that has ended.
    pub line: Option<Line>,
    /// Why no child runs, until the next one has written a line.
    pub failure: Option<Failure>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Without the white space around it; what is not UTF-8 is replaced.
    pub text: Arc<str>,
    /// When it was read.
    pub at: Instant,
}

/// Why a child does not run, to follow the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub what: What,
    /// The last line that it wrote to its standard error.
    pub said: Option<String>,
}

/// What happened to a child.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// There is no child.
    #[error("it cannot be started: {text}")]
    NotStarted {
        /// Of which kind the reason is.
        kind: io::ErrorKind,
        /// The system's words.
        text: String,
    },
    /// It ended by itself or was killed by somebody else.
    #[error("it ended ({0})")]
    Ended(ExitStatus),
    /// It closed its output and went on.
    #[error("it closed its output")]
    Closed,
    /// It wrote nothing for longer than the program's patience.
    #[error("it wrote no line for {0:?}")]
    Silent(Duration),
    /// It wrote more than 16 KiB without an end of line.
    #[error("it wrote a line of more than {LONGEST_LINE} bytes")]
    Overlong,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Some(said) => write!(out, "{}, and said `{said}`", self.what),
            None => self.what.fmt(out),
        }
    }
}

/// Keeps one child of a program running and its newest line at hand. Dropping it kills the child. Where the agent itself
/// is killed nobody can: the child ends at its next line then, by SIGPIPE, unless it ignores that.
#[derive(Debug)]
pub struct Listener {
    heard: watch::Receiver<Heard>,
    /// The one task that owns the child; aborted, and the child with it, when this is dropped.
    _task: JoinSet<()>,
}

impl Listener {
    /// Starts the program, and starts it again whenever it ends: after up to 1 s, 2 s, … 60 s.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(program: Program) -> Self {
        let (say, heard) = watch::channel(Heard::default());
        let mut task = JoinSet::new();
        task.spawn(keep(program, say));
        Self { heard, _task: task }
    }

    /// What is known now, once there is anything: it waits for the first line or the first failure.
    pub async fn heard(&self) -> Heard {
        let mut heard = self.heard.clone();
        let known = heard.wait_for(|heard| heard.line.is_some() || heard.failure.is_some());
        // The task never ends by itself; were it gone, nothing would be known.
        known.await.map(|heard| heard.clone()).unwrap_or_default()
    }
}

/// Starts child after child.
async fn keep(program: Program, heard: watch::Sender<Heard>) {
    let mut wait = FIRST_WAIT;
    loop {
        let began = Instant::now();
        let failure = listen(&program, &heard).await;
        heard.send_modify(|heard| heard.failure = Some(failure));
        if began.elapsed() >= LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        // Full jitter: what makes all programs of a fleet fail in one moment is not met by all of them in one again.
        sleep(wait.mul_f64(fastrand::f64())).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Starts one child and listens until it fails.
async fn listen(program: &Program, heard: &watch::Sender<Heard>) -> Failure {
    let mut child = match spawn(program) {
        Ok(child) => child,
        Err(error) => {
            let (kind, text) = (error.kind(), error.to_string());
            let what = What::NotStarted { kind, text };
            return Failure { what, said: None };
        }
    };
    let mut lines = Lines::of(child.stdout.take());
    let mut errors = Errors::of(child.stderr.take());
    let mut deadline = Instant::now() + program.patience;
    let what = loop {
        tokio::select! {
            // What was written before the end is read before it.
            biased;
            line = timeout_at(deadline, lines.next()) => match line {
                Ok(Next::Line(text)) => {
                    let at = Instant::now();
                    deadline = at + program.patience;
                    let line = Some(Line { text, at });
                    heard.send_replace(Heard { line, failure: None });
                }
                Ok(Next::Overlong) => break What::Overlong,
                Ok(Next::End) => break ended(&mut child).await,
                Err(_) => break What::Silent(program.patience),
            },
            () = errors.read(), if errors.from.is_some() => {}
            status = child.wait() => break status.map_or(What::Closed, What::Ended),
        }
    };
    // It may have ended already. One that even SIGKILL does not end is left to the runtime, which waits for it.
    let rest = async {
        let _ = child.kill().await;
        while errors.from.is_some() {
            errors.read().await;
        }
    };
    let _ = timeout(LAST_WORDS, rest).await;
    let said = errors.last_line();
    Failure { what, said }
}

/// How a child ended that has closed its output.
async fn ended(child: &mut Child) -> What {
    match timeout(LAST_WORDS, child.wait()).await {
        Ok(Ok(status)) => What::Ended(status),
        _ => What::Closed,
    }
}

fn spawn(program: &Program) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    // The agent's environment holds its secrets, which are no business of the child.
    command.args(&program.arguments).env_clear();
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("LANG", "C")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// The newest line of what a child writes.
struct Lines<R> {
    from: Option<R>,
    held: Vec<u8>,
}

enum Next {
    Line(Arc<str>),
    Overlong,
    End,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn of(from: Option<R>) -> Self {
        let held = Vec::new();
        Self { from, held }
    }

    /// The newest line that is complete; older ones that came with it, and blank ones, are passed over. Given up
    /// half-way it loses nothing.
    async fn next(&mut self) -> Next {
        loop {
            if let Some(end) = self.held.iter().rposition(|byte| *byte == b'\n') {
                let newest = self.held[..end].trim_ascii_end();
                let start = newest.iter().rposition(|byte| *byte == b'\n');
                let newest = &newest[start.map_or(0, |before| before + 1)..];
                let text = String::from_utf8_lossy(newest).trim().to_string();
                self.held.drain(..=end);
                if !text.is_empty() {
                    return Next::Line(text.into());
                }
            }
            if self.held.len() > LONGEST_LINE {
                return Next::Overlong;
            }
            let Some(from) = &mut self.from else {
                return Next::End;
            };
            self.held.reserve(4096);
            if !matches!(from.read_buf(&mut self.held).await, Ok(read) if read > 0) {
                self.from = None;
            }
        }
    }
}

/// The end of what a child writes to its standard error.
struct Errors<R> {
    /// `None` once it is closed.
    from: Option<R>,
    held: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Errors<R> {
    fn of(from: Option<R>) -> Self {
        let held = Vec::new();
        Self { from, held }
    }

    /// Reads once.
    async fn read(&mut self) {
        let Some(from) = &mut self.from else {
            return;
        };
        self.held.reserve(1024);
        if !matches!(from.read_buf(&mut self.held).await, Ok(read) if read > 0) {
            self.from = None;
        }
        let beyond = self.held.len().saturating_sub(LAST_ERRORS);
        self.held.drain(..beyond);
    }

    /// The last line that is not blank, cut to 200 characters.
    fn last_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.held);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.chars().filter(|char| !char.is_control()).take(200).collect())
    }
}

#[cfg(test)]
mod tests;
