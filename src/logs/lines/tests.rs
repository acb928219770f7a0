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
