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
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Writes everything down; a long line's pieces are joined.
    #[derive(Default)]
    struct Seen {
        lines: Vec<(Vec<u8>, i64)>,
        long: usize,
        cut: usize,
    }

    impl Target for Seen {
        type Error = Infallible;

        fn line(&mut self, line: &[u8], time: i64) -> Result<(), Infallible> {
            assert_eq!(self.long % 2, 0, "a line inside of a long one");
            self.lines.push((line.to_vec(), time));
            Ok(())
        }

        fn begin(&mut self, head: &[u8], time: i64) -> Result<(), Infallible> {
            self.line(head, time)?;
            self.long += 1;
            Ok(())
        }

        fn more(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.lines.last_mut().unwrap().0.extend_from_slice(bytes);
            Ok(())
        }

        fn end(&mut self, cut: bool) -> Result<(), Infallible> {
            self.long += 1;
            self.cut += usize::from(cut);
            Ok(())
        }
    }

    fn piece(lines: &mut Lines<u32>, seen: &mut Seen, stream: usize, mark: u32, bytes: &[u8]) {
        let Ok(()) = lines.begin(stream, mark, i64::from(mark), seen);
        let Ok(()) = lines.content(stream, bytes, true, seen);
    }

    fn texts(seen: &Seen) -> Vec<(String, i64)> {
        let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        seen.lines
            .iter()
            .map(|(line, time)| (text(line), *time))
            .collect()
    }

    #[test]
    fn pieces_of_two_streams_become_the_lines_of_each() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        piece(&mut lines, &mut seen, 0, 1, b"out ");
        piece(&mut lines, &mut seen, 1, 2, b"err\n");
        assert_eq!((lines.given(0), lines.given(1)), (0, 2));
        assert!(!lines.is_idle(0) && lines.is_idle(1));
        piece(&mut lines, &mut seen, 0, 3, b"put\n");
        assert_eq!((lines.given(0), lines.given(1)), (3, 2));
        assert_eq!(
            texts(&seen),
            [("err\n".to_string(), 2), ("out put\n".to_string(), 1)]
        );
    }

    #[test]
    fn a_piece_with_two_lines_counts_as_given_only_at_its_end() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        let Ok(()) = lines.begin(0, 1, 1, &mut seen);
        let Ok(()) = lines.content(0, b"a\nb", false, &mut seen);
        assert_eq!(lines.given(0), 0);
        let Ok(()) = lines.content(0, b"\n", true, &mut seen);
        assert_eq!(lines.given(0), 1);
        assert_eq!(texts(&seen), [("a\n".to_string(), 1), ("b\n".to_string(), 1)]);
    }

    #[test]
    fn a_line_too_long_to_be_held_is_given_on_and_the_other_stream_waits() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        let chunk = vec![b'x'; MOST_HELD / 2 + 1];
        piece(&mut lines, &mut seen, 0, 1, &chunk);
        piece(&mut lines, &mut seen, 0, 2, &chunk);
        assert!(lines.is_long());
        piece(&mut lines, &mut seen, 1, 3, b"one\ntwo\nthr");
        assert_eq!((lines.given(0), lines.given(1)), (0, 0));
        piece(&mut lines, &mut seen, 0, 4, b"end\n");
        assert_eq!((lines.given(0), lines.given(1)), (4, 0));
        piece(&mut lines, &mut seen, 1, 5, b"ee\n");
        assert_eq!((lines.given(0), lines.given(1)), (4, 5));
        assert_eq!(seen.lines[0].0.len(), 2 * chunk.len() + 4);
        assert_eq!(
            texts(&seen)[1..],
            [
                ("one\n".to_string(), 3),
                ("two\n".to_string(), 3),
                ("three\n".to_string(), 3)
            ]
        );
        assert_eq!((seen.long, seen.cut), (2, 0));
    }

    #[test]
    fn of_two_lines_too_long_at_once_the_first_is_cut() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        let chunk = vec![b'x'; MOST_HELD + 1];
        piece(&mut lines, &mut seen, 0, 1, &chunk);
        piece(&mut lines, &mut seen, 1, 2, &chunk);
        assert_eq!((lines.given(0), lines.given(1)), (1, 0));
        piece(&mut lines, &mut seen, 0, 3, b"rest\n");
        piece(&mut lines, &mut seen, 1, 4, b"\n");
        assert_eq!((lines.given(0), lines.given(1)), (3, 4));
        assert_eq!(texts(&seen)[2], ("rest\n".to_string(), 3));
        assert_eq!((seen.long, seen.cut), (4, 1));
    }

    #[test]
    fn a_line_that_never_ends_is_cut() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        let chunk = vec![b'x'; 8 << 20];
        for mark in 1..=11 {
            piece(&mut lines, &mut seen, 0, mark, &chunk);
        }
        assert_eq!((seen.cut, seen.lines.len()), (1, 2));
        assert_eq!(seen.lines[0].0.len(), 9 * chunk.len());
        assert_eq!(lines.given(0), 9);
    }

    #[test]
    fn at_the_end_a_line_break_is_added_where_it_is_missing() {
        let (mut lines, mut seen) = (Lines::new([0, 0]), Seen::default());
        piece(&mut lines, &mut seen, 0, 1, b"no break");
        piece(&mut lines, &mut seen, 1, 2, b"break\n");
        let Ok(()) = lines.finish(&mut seen);
        let Ok(()) = lines.finish(&mut seen);
        assert_eq!(
            texts(&seen),
            [("break\n".to_string(), 2), ("no break\n".to_string(), 1)]
        );
        assert_eq!((lines.given(0), lines.given(1)), (1, 2));
    }
}
