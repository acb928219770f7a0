use super::*;

const T1: &str = "2026-08-01T00:00:00.000000001Z ";
const T2: &str = "2026-08-01T00:00:00.000000002Z ";
const NANOS: i64 = 1_785_542_400_000_000_000;

fn piece(kind: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// The pieces of a stream that comes in chunks of this size: stream, nanoseconds of the second, text, whether it ended.
fn pieces(tty: bool, stream: &[u8], size: usize) -> Vec<(usize, i64, String, bool)> {
    let mut frames = Frames::new(tty);
    let mut found: Vec<(usize, i64, String, bool)> = Vec::new();
    for mut chunk in stream.chunks(size) {
        while let Some(event) = frames.next(&mut chunk).unwrap() {
            match event {
                Event::Begin { stream, time } => found.push((stream, time - NANOS, String::new(), false)),
                Event::Content { bytes, ends } => {
                    let last = found.last_mut().unwrap();
                    assert!(!last.3, "content behind the end");
                    last.2.push_str(std::str::from_utf8(bytes).unwrap());
                    last.3 = ends;
                }
            }
        }
    }
    found
}

#[test]
fn pieces_are_found_however_the_stream_is_cut() {
    let stream = [
        piece(1, &format!("{T1}one\n")),
        piece(2, &format!("{T2}two ")),
        piece(1, ""),
        piece(2, &format!("{T2}\n")),
    ]
    .concat();
    let expected = [
        (STDOUT, 1, "one\n".to_string(), true),
        (STDERR, 2, "two ".to_string(), true),
        (STDERR, 2, "\n".to_string(), true),
    ];
    for size in [1, 2, 3, 7, 30, 31, 32, 1000] {
        assert_eq!(pieces(false, &stream, size), expected, "{size}");
    }
}

#[test]
fn a_piece_without_a_time_is_text() {
    let stream = [
        piece(1, &format!("{T1}one\n")),
        piece(1, "no time here, and longer than any time is\n"),
        piece(1, "short\n"),
        piece(2, "x"),
    ]
    .concat();
    let expected = [
        (STDOUT, 1, "one\n".to_string(), true),
        (
            STDOUT,
            1,
            "no time here, and longer than any time is\n".to_string(),
            true,
        ),
        (STDOUT, 1, "short\n".to_string(), true),
        (STDERR, 1, "x".to_string(), true),
    ];
    for size in [1, 5, 9, 1000] {
        assert_eq!(pieces(false, &stream, size), expected, "{size}");
    }
}

#[test]
fn a_terminals_log_is_taken_apart_at_its_lines() {
    let stream = format!("{T1}one\r\n{T2}\n{T2}\u{1}two");
    let expected = [
        (STDOUT, 1, "one\r\n".to_string(), true),
        (STDOUT, 2, "\n".to_string(), true),
        (STDOUT, 2, "\u{1}two".to_string(), false),
    ];
    for size in [1, 3, 31, 1000] {
        assert_eq!(pieces(true, stream.as_bytes(), size), expected, "{size}");
    }
}

#[test]
fn a_time_inside_a_terminals_line_is_the_engines_only_where_lines_are_split() {
    let (part, inside) = ("x".repeat(16 * 1024), format!("y{T2}y"));
    let stream = format!("{T1}{part}{T2}{inside}\n{T1}{part}rest\n");
    let expected = [
        (STDOUT, 1, part.clone(), false),
        (STDOUT, 2, format!("{inside}\n"), true),
        (STDOUT, 1, format!("{part}rest\n"), true),
    ];
    for size in [1, 1000, 16 * 1024, 1 << 20] {
        assert_eq!(pieces(true, stream.as_bytes(), size), expected, "{size}");
    }
}

#[test]
fn an_unknown_kind_of_piece_is_refused_and_the_engines_words_are_told() {
    let mut frames = Frames::new(false);
    let stream = piece(4, "");
    assert_eq!(frames.next(&mut &stream[..]), Err(Malformed::Kind(4)));
    let mut frames = Frames::new(false);
    let stream = piece(3, "the engine failed\n");
    assert_eq!(
        frames.next(&mut &stream[..]),
        Err(Malformed::Said("the engine failed".to_string()))
    );
}
