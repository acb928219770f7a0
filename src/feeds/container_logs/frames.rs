//! A container's log as an engine streams it, taken apart into pieces: one for each message that its log driver kept.
//!
//! Source: Docker Engine API, "Attach to a container", *stream format*: without a terminal each piece has a header of 8
//! bytes, its stream and its length; with one there is nothing but the text. Asked for times, the engine puts one and a
//! space before each piece. A line longer than 16 KiB is several pieces, of which only the last ends with a line break;
//! of a terminal's log nothing but the time in the middle of the line shows where the next one begins.

use memchr::memchr2;

use crate::feeds::container_logs::stamp;

/// Streams: stdout (all there is with a terminal) and stderr.
pub(super) const STDOUT: usize = 0;
/// See [`STDOUT`].
pub(super) const STDERR: usize = 1;

/// What engines split long lines at: multiples of this.
const SPLIT: usize = 8 * 1024;
/// A time in the middle of a terminal's line is the engine's only if it is not further from the last one.
const NEAR: i64 = 3600 * 1_000_000_000;
/// The bytes of a header.
const HEADER: usize = 8;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A piece begins.
    Begin {
        /// Of which stream.
        stream: usize,
        /// When it was written: nanoseconds since 1970-01-01 UTC.
        time: i64,
    },
    /// Bytes of the piece.
    Content {
        /// Not empty.
        bytes: &'a [u8],
        /// Whether the piece ends with them.
        ends: bool,
    },
}

/// The stream does not go on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It is not what an engine writes.
    #[error("the engine's stream cannot be read: a piece of the unknown kind {0}")]
    Kind(u8),
    /// The engine's own words, as much of them as came at once.
    #[error("the engine cannot read the log: {0}")]
    Said(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A header is expected.
    Header,
    /// A time is expected.
    Time,
    /// In a terminal's log there may be a time.
    Perhaps,
    /// The text.
    Content,
}

/// Takes a stream apart.
#[derive(Debug)]
pub(super) struct Frames {
    tty: bool,
    state: State,
    /// Bytes of a header or a time that did not come at once.
    head: Vec<u8>,
    /// Whether `head` was no time, and is the next content; and then whether it was given.
    head_is_content: bool,
    head_was_given: bool,
    /// Bytes of the piece that are missing; with a terminal those to the next place where a line may be split.
    left: usize,
    stream: usize,
    time: i64,
}

impl Frames {
    /// For the log of a container with a terminal, or without one.
    pub(super) fn new(tty: bool) -> Self {
        Self {
            tty,
            state: if tty { State::Time } else { State::Header },
            head: Vec::new(),
            head_is_content: false,
            head_was_given: false,
            left: SPLIT,
            stream: STDOUT,
            time: 0,
        }
    }

    /// Takes the next event off `input`; `None` when more is needed, and `input` is then empty.
    pub(super) fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'s>>, Malformed> {
        if std::mem::take(&mut self.head_was_given) {
            self.head.clear();
        }
        loop {
            if std::mem::take(&mut self.head_is_content) {
                self.head_was_given = true;
                self.advance(self.head.len());
                let bytes = &self.head[..];
                let ends = !self.tty && self.state == State::Header;
                return Ok(Some(Event::Content { bytes, ends }));
            }
            if input.is_empty() {
                return Ok(None);
            }
            match self.state {
                State::Header => self.header(input)?,
                State::Time | State::Perhaps => {
                    if let Some(event) = self.time(input) {
                        return Ok(Some(event));
                    }
                }
                State::Content => return Ok(Some(self.content(input))),
            }
        }
    }

    fn header(&mut self, input: &mut &[u8]) -> Result<(), Malformed> {
        let take = input.len().min(HEADER - self.head.len());
        let (taken, rest) = input.split_at(take);
        self.head.extend_from_slice(taken);
        *input = rest;
        if let [kind, _, _, _, a, b, c, d] = self.head[..] {
            self.head.clear();
            self.stream = match kind {
                0 | 1 => STDOUT,
                2 => STDERR,
                // Of engines from 23.0 on.
                3 => {
                    let said = String::from_utf8_lossy(&input[..input.len().min(300)]);
                    return Err(Malformed::Said(said.trim().to_string()));
                }
                kind => return Err(Malformed::Kind(kind)),
            };
            self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            if self.left > 0 {
                self.state = State::Time;
            }
        }
        Ok(())
    }

    /// Looks for a time; what is none is content.
    fn time<'a>(&mut self, input: &mut &[u8]) -> Option<Event<'a>> {
        // The space belongs to it.
        let most = (stamp::LONGEST + 1).min(if self.tty { usize::MAX } else { self.left }) - self.head.len();
        let window = &input[..input.len().min(most)];
        let (text, complete) = match memchr2(b' ', b'\n', window) {
            Some(at) if window[at] == b' ' => (&window[..at], true),
            Some(at) => (&window[..at], false),
            None if window.len() < most => {
                self.head.extend_from_slice(window);
                *input = &input[window.len()..];
                return None;
            }
            None => (window, false),
        };
        let time = if !complete {
            None
        } else if self.head.is_empty() {
            stamp::parse(text)
        } else {
            stamp::parse(&[&self.head, text].concat())
        };
        let inside = self.state == State::Perhaps;
        self.state = State::Content;
        let time = time.filter(|time| !inside || time.abs_diff(self.time) < NEAR.unsigned_abs());
        let Some(time) = time else {
            // It has none: what was gathered is text. A piece begins all the same, unless it goes on.
            self.head_is_content = !self.head.is_empty();
            return (!inside).then_some(Event::Begin {
                stream: self.stream,
                time: self.time,
            });
        };
        let length = self.head.len() + text.len() + 1;
        *input = &input[text.len() + 1..];
        self.head.clear();
        self.time = time;
        match self.tty {
            true => self.left = SPLIT,
            false => {
                self.left -= length;
                if self.left == 0 {
                    self.state = State::Header;
                }
            }
        }
        Some(Event::Begin {
            stream: self.stream,
            time,
        })
    }

    fn content<'a>(&mut self, input: &mut &'a [u8]) -> Event<'a> {
        let whole: &'a [u8] = input;
        let window = &whole[..whole.len().min(self.left)];
        let end = match self.tty {
            true => memchr::memchr(b'\n', window).map(|at| at + 1),
            false => None,
        };
        let (bytes, rest) = whole.split_at(end.unwrap_or(window.len()));
        *input = rest;
        self.advance(bytes.len());
        if end.is_some() {
            (self.state, self.left) = (State::Time, SPLIT);
        }
        let ends = end.is_some() || (!self.tty && self.state == State::Header);
        Event::Content { bytes, ends }
    }

    /// Counts content.
    fn advance(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length);
        if self.left == 0 {
            if self.tty {
                (self.state, self.left) = (State::Perhaps, SPLIT);
            } else {
                self.state = State::Header;
            }
        }
    }
}

#[cfg(test)]
mod tests;
