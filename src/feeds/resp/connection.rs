//! One connection: reads commands, has them stored, writes the answers in their order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use crate::component::feed::Recorder;
use crate::feeds::resp::Bounds;
use crate::feeds::resp::access::Access;
use crate::feeds::resp::codec::{Decoder, Fault, KNOWN, STRANGER};
use crate::feeds::resp::reply::{self, Reply};
use crate::feeds::resp::session::{Action, Session, Step};
use crate::feeds::resp::write::{Refusal, Write};
use crate::feeds::resp::writer::Batch;
use crate::support::shutdown::Shutdown;

/// How much is read at once.
const PIECE: usize = 16 * 1024;
/// Bytes that a connection may hold without being counted.
const FREE: usize = PIECE;
/// Commands that are answered together.
const TOGETHER: usize = 1024;
/// Bytes of answers that are written together.
const ANSWERS: usize = 256 * 1024;
/// How long a client may take to give the password.
const LOGIN: Duration = Duration::from_secs(10);

/// What all connections share.
pub(super) struct Shared {
    pub(super) access: Access,
    pub(super) bounds: Bounds,
    held: AtomicUsize,
    writer: mpsc::Sender<Batch>,
    into: Arc<dyn Recorder>,
}

impl Shared {
    /// Who is let in, within which bounds, and where what they write goes.
    pub(super) fn new(
        access: Access,
        bounds: Bounds,
        writer: mpsc::Sender<Batch>,
        into: Arc<dyn Recorder>,
    ) -> Self {
        Self {
            access,
            bounds,
            held: AtomicUsize::new(0),
            writer,
            into,
        }
    }

    /// Notes how many connections are open.
    pub(super) fn note_connections(&self, count: usize) {
        self.into.note(&mut |facts| facts.connections = count as u64);
    }

    /// Counts what was turned away.
    pub(super) fn note_refused(&self, reason: &'static str) {
        self.into
            .note(&mut |facts| *facts.refused.entry(reason).or_default() += 1);
    }
}

/// A connection's share of the bytes that all may hold; given back when it is dropped.
struct Held<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl Held<'_> {
    /// Holds this many bytes instead; `false` where all connections together hold too many.
    fn resize(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_sub(FREE);
        let held = &self.shared.held;
        let before = held.fetch_add(bytes, Ordering::Relaxed);
        held.fetch_sub(self.bytes, Ordering::Relaxed);
        let grown = bytes > self.bytes;
        let all = before - self.bytes.min(before) + bytes;
        self.bytes = bytes;
        !grown || all <= self.shared.bounds.held
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why a connection ends that did not end by itself.
enum End {
    /// It is turned away; the word goes to the facts.
    Refused(&'static str),
    /// It is gone, silent, or the agent stops.
    Over,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Over
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve(stream: TcpStream, id: u64, shared: Arc<Shared>, stop: Shutdown) {
    let mut connection = Connection {
        stream,
        session: Session::new(id, &shared.access),
        decoder: Decoder::default(),
        answers: Vec::new(),
        shared: &shared,
    };
    let ended = connection.serve(stop).await;
    if let Err(End::Refused(reason)) = ended {
        shared.note_refused(reason);
        debug!(id, reason, "A connection was closed.");
    }
}

struct Connection<'a> {
    stream: TcpStream,
    session: Session,
    decoder: Decoder,
    answers: Vec<u8>,
    shared: &'a Shared,
}

impl Connection<'_> {
    async fn serve(&mut self, mut stop: Shutdown) -> Result<(), End> {
        let shared = self.shared;
        let mut held = Held { shared, bytes: 0 };
        let came = Instant::now();
        let mut begun: Option<Instant> = None;
        loop {
            let deadline = match begun {
                Some(begun) => begun + shared.bounds.command,
                None if !self.session.is_known() => came + LOGIN,
                None => Instant::now() + shared.bounds.idle,
            };
            let readable = tokio::select! {
                () = stop.stopped() => return Ok(()),
                readable = timeout_at(deadline, self.stream.readable()) => readable,
            };
            match readable {
                Ok(readable) => readable?,
                Err(_) if begun.is_some() => return Err(End::Refused("slow")),
                Err(_) if !self.session.is_known() => return Err(End::Refused("auth")),
                Err(_) => return Ok(()),
            }
            if !self.read()? {
                continue;
            }
            if !held.resize(self.decoder.held() + self.session.held()) {
                self.say(&reply::error("ERR the agent holds too many half-sent commands"));
                self.flush().await?;
                return Err(End::Refused("too_large"));
            }
            let taken = self.take_all().await?;
            // The time counts for one command, not for all that follow without a pause.
            begun = match begun {
                _ if !self.decoder.begun() => None,
                Some(begun) if taken == 0 => Some(begun),
                _ => Some(Instant::now()),
            };
            self.decoder.rest();
            held.resize(self.decoder.held() + self.session.held());
        }
    }

    /// Reads what has come; `false` where nothing has.
    fn read(&mut self) -> Result<bool, End> {
        let input: &mut BytesMut = self.decoder.input();
        input.reserve(PIECE);
        match self.stream.try_read_buf(input) {
            Ok(0) => Err(End::Over),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes every whole command that was read, and says how many they were.
    async fn take_all(&mut self) -> Result<usize, End> {
        let mut steps = Vec::new();
        let mut taken = 0;
        loop {
            let limits = if self.session.is_known() {
                &KNOWN
            } else {
                &STRANGER
            };
            let last = match self.decoder.next(limits) {
                Ok(Some(command)) => match self.session.take(&command, &self.shared.access) {
                    Step::Close { answer, refused } => Err((answer, refused)),
                    step => {
                        steps.push(step);
                        taken += 1;
                        Ok(steps.len() < TOGETHER)
                    }
                },
                Ok(None) => Ok(false),
                Err(Fault::Protocol(text)) => {
                    let reason = if text.starts_with("invalid bulk") || text.starts_with("too ") {
                        "too_large"
                    } else {
                        "protocol"
                    };
                    let text = format!("ERR Protocol error: {text}");
                    Err((reply::error(&text), Some(reason)))
                }
                Err(Fault::Http) => Err((Reply::new(), Some("http"))),
            };
            if last == Ok(true) {
                continue;
            }
            let whole = steps.len() >= TOGETHER;
            self.answer(std::mem::take(&mut steps)).await?;
            match last {
                Err((answer, refused)) => {
                    self.say(&answer);
                    self.flush().await?;
                    // So that the answer is read before the connection is gone.
                    let _ = timeout(self.shared.bounds.stall, self.stream.shutdown()).await;
                    return Err(refused.map_or(End::Over, End::Refused));
                }
                Ok(_) if whole => {}
                Ok(_) => {
                    self.flush().await?;
                    return Ok(taken);
                }
            }
        }
    }

    /// Has stored what is to be stored, all at once, and adds the answers.
    async fn answer(&mut self, steps: Vec<Step>) -> Result<(), End> {
        let mut writes = Vec::new();
        let mut shapes = Vec::with_capacity(steps.len());
        for step in steps {
            shapes.push(match step {
                Step::One(action) => Shape::One(part(action, &mut writes)),
                Step::Together(actions) => Shape::Together(
                    actions
                        .into_iter()
                        .map(|action| part(action, &mut writes))
                        .collect(),
                ),
                Step::Close { answer, .. } => Shape::One(Part::Known(answer)),
            });
        }
        let stored = match writes.is_empty() {
            true => Ok(Vec::new()),
            false => self.store(writes).await,
        };
        if let Err(refusal) = stored {
            self.shared.note_refused(refusal.name());
        }
        for shape in shapes {
            let reply = match (shape, &stored) {
                (Shape::One(part), stored) => part.reply(stored),
                // Nothing of it was carried out, as if it had not been sent.
                (Shape::Together(parts), Err(refusal)) if parts.iter().any(Part::is_stored) => {
                    reply::error(refusal.text())
                }
                (Shape::Together(parts), stored) => {
                    let replies: Vec<Reply> = parts.into_iter().map(|part| part.reply(stored)).collect();
                    reply::array(&replies)
                }
            };
            self.say(&reply);
            if self.answers.len() >= ANSWERS {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn store(&self, writes: Vec<Write>) -> Result<Vec<u64>, Refusal> {
        let (answer, stored) = oneshot::channel();
        let batch = Batch { writes, answer };
        let sent = self.shared.writer.send(batch).await;
        sent.map_err(|_| Refusal::Stopping)?;
        stored.await.unwrap_or(Err(Refusal::Stopping))
    }

    fn say(&mut self, reply: &[u8]) {
        self.answers.extend_from_slice(reply);
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let answers = std::mem::take(&mut self.answers);
        match timeout(self.shared.bounds.stall, self.stream.write_all(&answers)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Refused("slow")),
        }
    }
}

/// The form of an answer.
enum Shape {
    One(Part),
    Together(Vec<Part>),
}

/// A part of an answer.
enum Part {
    Known(Reply),
    Stored { index: usize, says_ok: bool },
}

impl Part {
    fn is_stored(&self) -> bool {
        matches!(self, Self::Stored { .. })
    }

    fn reply(self, stored: &Result<Vec<u64>, Refusal>) -> Reply {
        match (self, stored) {
            (Self::Known(reply), _) => reply,
            (Self::Stored { .. }, Err(refusal)) => reply::error(refusal.text()),
            (Self::Stored { says_ok: true, .. }, Ok(_)) => reply::simple("OK"),
            (Self::Stored { index, .. }, Ok(counts)) => {
                reply::integer(counts.get(index).copied().unwrap_or(0))
            }
        }
    }
}

fn part(action: Action, writes: &mut Vec<Write>) -> Part {
    match action {
        Action::Answer(reply) => Part::Known(reply),
        Action::Store(write) => {
            let says_ok = write.says_ok;
            writes.push(write);
            Part::Stored {
                index: writes.len() - 1,
                says_ok,
            }
        }
    }
}
