//! Makes whole lines of the pieces of two streams (stdout and stderr) that come mixed.
//!
//! A line is held until it ends, because the other stream may write in between. One that becomes too long to be held is
//! given on as it comes; the other stream's lines wait until it ends. Each piece has a mark; what was given on
//! completely can be told by it, so that a reader that starts anew knows where.

use memchr::memchr;

/// Most bytes that are held of each stream.
pub const MOST_HELD: usize = 1 << 20;

/// A line that is longer counts as several: something that never ends a line must not fill the medium as one.
pub const LONGEST: u64 = 64 << 20;

/// Takes lines.
pub trait Target {
    /// Why it takes no more.
    type Error;

    /// Takes a whole line, with its line break at the end. `time` is its first piece's.
    ///
    /// # Errors
    /// The target's own; the lines are then not used any more.
    fn line(&mut self, line: &[u8], time: i64) -> Result<(), Self::Error>;

    /// Takes the beginning of a line that is too long to be held.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    fn begin(&mut self, head: &[u8], time: i64) -> Result<(), Self::Error>;

    /// Takes more of the line that has begun.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    fn more(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The line that has begun is complete. `cut`: it has no line break yet, and goes on as another line.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    fn end(&mut self, cut: bool) -> Result<(), Self::Error>;
}

/// What is held of one stream.
#[derive(Debug)]
struct Held<M> {
    /// Lines that wait for the other stream's long one, and then the beginning of a line.
    bytes: Vec<u8>,
    /// Bytes of the lines that wait.
    waiting: usize,
    /// The mark up to which everything is in a waiting line or was given on.
    waiting_mark: M,
    /// The mark up to which everything was given on.
    given: M,
    /// The newest piece's mark.
    newest: M,
    /// The time of the first piece of what is held.
    time: i64,
    /// Whether the next piece begins a line.
    fresh: bool,
}

/// Lines that are in the making.
#[derive(Debug)]
pub struct Lines<M> {
    streams: [Held<M>; 2],
    /// The stream whose line is too long, and the bytes of it so far.
    long: Option<(usize, u64)>,
}

impl<M: Copy> Lines<M> {
    /// Nothing is held; `given` is what was given on before, of each stream.
    pub fn new(given: [M; 2]) -> Self {
        let held = |given| Held {
            bytes: Vec::new(),
            waiting: 0,
            waiting_mark: given,
            given,
            newest: given,
            time: 0,
            fresh: true,
        };
        Self {
            streams: given.map(held),
            long: None,
        }
    }

    /// The mark of a stream up to which everything was given on.
    pub fn given(&self, stream: usize) -> M {
        self.streams[stream].given
    }

    /// Whether a stream has nothing that was not given on.
    pub fn is_idle(&self, stream: usize) -> bool {
        self.streams[stream].fresh && self.streams[stream].bytes.is_empty()
    }

    /// Bytes that are held of a stream.
    pub fn held(&self, stream: usize) -> usize {
        self.streams[stream].bytes.len()
    }

    /// Whether a line is being given on that does not end yet.
    pub fn is_long(&self) -> bool {
        self.long.is_some()
    }

    /// A piece begins.
    ///
    /// # Errors
    /// The target's own.
    pub fn begin<T: Target>(
        &mut self,
        stream: usize,
        mark: M,
        time: i64,
        target: &mut T,
    ) -> Result<(), T::Error> {
        if matches!(self.long, Some((long, length)) if long == stream && length > LONGEST) {
            self.cut(target)?;
        }
        let held = &mut self.streams[stream];
        held.newest = mark;
        if held.fresh {
            held.time = time;
        }
        Ok(())
    }

    /// Bytes of the piece that has begun; `ends`: they are its last.
    ///
    /// # Errors
    /// The target's own.
    pub fn content<T: Target>(
        &mut self,
        stream: usize,
        mut bytes: &[u8],
        ends: bool,
        target: &mut T,
    ) -> Result<(), T::Error> {
        while let Some(at) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(at + 1);
            self.end_line(stream, line, ends && rest.is_empty(), target)?;
            bytes = rest;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.streams[stream].fresh = false;
        if let Some((long, length)) = &mut self.long
            && *long == stream
        {
            *length += bytes.len() as u64;
            return target.more(bytes);
        }
        self.streams[stream].bytes.extend_from_slice(bytes);
        self.bound(stream, target)
    }

    /// No more comes: what is held is given on, with a line break where one is missing.
    ///
    /// # Errors
    /// The target's own.
    pub fn finish<T: Target>(&mut self, target: &mut T) -> Result<(), T::Error> {
        if self.long.is_some() {
            self.cut(target)?;
        }
        for stream in 0..self.streams.len() {
            self.give_waiting(stream, target)?;
            let held = &mut self.streams[stream];
            if !held.bytes.is_empty() {
                held.bytes.push(b'\n');
                target.line(&held.bytes, held.time)?;
                held.bytes.clear();
            }
            held.fresh = true;
            held.given = held.newest;
        }
        Ok(())
    }

    /// A line ends with `tail`; `piece_ends`: and the piece with it.
    fn end_line<T: Target>(
        &mut self,
        stream: usize,
        tail: &[u8],
        piece_ends: bool,
        target: &mut T,
    ) -> Result<(), T::Error> {
        let held = &mut self.streams[stream];
        held.fresh = true;
        match self.long {
            None => {
                if held.bytes.is_empty() {
                    target.line(tail, held.time)?;
                } else {
                    held.bytes.extend_from_slice(tail);
                    target.line(&held.bytes, held.time)?;
                    held.bytes.clear();
                }
                if piece_ends {
                    held.given = held.newest;
                }
            }
            Some((long, _)) if long == stream => {
                target.more(tail)?;
                target.end(false)?;
                self.long = None;
                if piece_ends {
                    held.given = held.newest;
                }
                self.give_waiting(1 - stream, target)?;
            }
            Some(_) => {
                held.bytes.extend_from_slice(tail);
                held.waiting = held.bytes.len();
                if piece_ends {
                    held.waiting_mark = held.newest;
                }
                self.bound(stream, target)?;
            }
        }
        Ok(())
    }

    /// Gives on what is held of a stream if it is too much.
    fn bound<T: Target>(&mut self, stream: usize, target: &mut T) -> Result<(), T::Error> {
        if self.streams[stream].bytes.len() <= MOST_HELD {
            return Ok(());
        }
        if self.long.is_some() {
            // Two lines too long for memory at once: the other one is cut.
            self.cut(target)?;
        }
        self.give_waiting(stream, target)?;
        let held = &mut self.streams[stream];
        if held.bytes.len() > MOST_HELD {
            target.begin(&held.bytes, held.time)?;
            self.long = Some((stream, held.bytes.len() as u64));
            held.bytes = Vec::new();
        }
        Ok(())
    }

    /// Ends the long line where it is.
    fn cut<T: Target>(&mut self, target: &mut T) -> Result<(), T::Error> {
        let Some((stream, _)) = self.long.take() else {
            return Ok(());
        };
        target.end(true)?;
        let held = &mut self.streams[stream];
        held.given = held.newest;
        held.fresh = true;
        self.give_waiting(1 - stream, target)
    }

    /// Gives on the lines of a stream that waited.
    fn give_waiting<T: Target>(&mut self, stream: usize, target: &mut T) -> Result<(), T::Error> {
        let held = &mut self.streams[stream];
        if held.waiting > 0 {
            let mut rest = &held.bytes[..held.waiting];
            while let Some(at) = memchr(b'\n', rest) {
                let (line, next) = rest.split_at(at + 1);
                target.line(line, held.time)?;
                rest = next;
            }
            held.bytes.drain(..held.waiting);
            held.waiting = 0;
            held.given = held.waiting_mark;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
