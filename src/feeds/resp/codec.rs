//! Commands as they come off the wire: arrays of bulk strings, or a line for people with `telnet`.
//!
//! Strict, and resumable at every byte: what is read of a command is not read again, so that a client which sends it
//! byte by byte costs no more than one that does not.

use bytes::{Bytes, BytesMut};

/// The longest line before a bulk or an array: a type, a number of up to ten digits, an end.
const MOST_HEADER: usize = 32;
/// The longest inline command.
const MOST_LINE: usize = 1024;
/// What begins a line of HTTP. A browser can be made to send such lines to any local port (DNS rebinding, request
/// forgery), commands in its body included.
const HTTP_WORDS: [&[u8]; 9] = [
    b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"PRI",
];

/// What a client may send in one command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Arguments, the command's name included.
    pub(super) arguments: usize,
    /// Bytes of an argument.
    pub(super) bulk: usize,
    /// Bytes of a command that is not whole yet, with what came behind it.
    pub(super) held: usize,
}

/// Of a client that may do as the feed allows.
pub(super) const KNOWN: Limits = Limits {
    arguments: 4096,
    bulk: 1 << 20,
    held: 4 << 20,
};
/// Of one that still owes the password.
pub(super) const STRANGER: Limits = Limits {
    arguments: 10,
    bulk: 16 * 1024,
    held: 64 * 1024,
};

/// Why nothing more is read from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not speak the protocol, or beyond a limit; the text goes behind `Protocol error: `.
    Protocol(String),
    /// It speaks HTTP.
    Http,
}

/// Takes commands out of what was read.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    input: BytesMut,
    arguments: Vec<Bytes>,
    /// Bytes in `arguments`.
    taken: usize,
    /// Arguments that the command still lacks.
    missing: usize,
    /// The length of the next one, once its header was read.
    bulk: Option<usize>,
}

impl Decoder {
    /// Where what is read goes.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Bytes that wait for more to come.
    pub(super) fn held(&self) -> usize {
        self.input.len() + self.taken
    }

    /// Whether a command was begun and is not whole.
    pub(super) fn begun(&self) -> bool {
        self.missing > 0 || !self.input.is_empty()
    }

    /// Gives memory back that an idle client does not need.
    pub(super) fn rest(&mut self) {
        if !self.begun() {
            *self = Self::default();
        }
    }

    /// The next whole command, never empty; `None` when more must come first.
    ///
    /// # Errors
    /// See [`Fault`]; nothing that follows can be trusted.
    pub(super) fn next(&mut self, limits: &Limits) -> Result<Option<Vec<Bytes>>, Fault> {
        loop {
            if self.missing == 0 {
                match self.input.first() {
                    None => return Ok(None),
                    Some(b'*') => {
                        let Some(count) = self.header()? else {
                            return self.more(limits);
                        };
                        // Redis passes over empty and null arrays, too.
                        let count = usize::try_from(count).unwrap_or(0);
                        if count > limits.arguments {
                            return Err(protocol("invalid multibulk length"));
                        }
                        self.missing = count;
                    }
                    Some(_) => match self.line()? {
                        Some(words) if words.is_empty() => {}
                        Some(words) => return Ok(Some(words)),
                        None => return Ok(None),
                    },
                }
                continue;
            }
            let Some(length) = self.bulk else {
                match self.input.first() {
                    Some(b'$') | None => {}
                    Some(other) => {
                        return Err(protocol(&format!("expected '$', got '{}'", other.escape_ascii())));
                    }
                }
                let Some(length) = self.header()? else {
                    return self.more(limits);
                };
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= limits.bulk);
                self.bulk = Some(length.ok_or_else(|| protocol("invalid bulk length"))?);
                continue;
            };
            if self.input.len() < length + 2 {
                return self.more(limits);
            }
            if &self.input[length..length + 2] != b"\r\n" {
                return Err(protocol("expected the end of a bulk string"));
            }
            let argument = self.input.split_to(length).freeze();
            let _ = self.input.split_to(2);
            self.taken += argument.len();
            self.arguments.push(argument);
            self.bulk = None;
            self.missing -= 1;
            if self.missing == 0 {
                self.taken = 0;
                return Ok(Some(std::mem::take(&mut self.arguments)));
            }
        }
    }

    fn more(&self, limits: &Limits) -> Result<Option<Vec<Bytes>>, Fault> {
        if self.held() > limits.held {
            return Err(protocol("too much in one command"));
        }
        Ok(None)
    }

    /// The number on the line that begins here, behind its type.
    fn header(&mut self) -> Result<Option<i64>, Fault> {
        let searched = &self.input[..self.input.len().min(MOST_HEADER)];
        let Some(end) = searched.iter().position(|byte| *byte == b'\n') else {
            return match searched.len() {
                MOST_HEADER => Err(protocol("too big a count or length")),
                _ => Ok(None),
            };
        };
        let line = self.input.split_to(end + 1);
        let number = line[1..]
            .strip_suffix(b"\r\n")
            .filter(|digits| digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-'))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok());
        match (number, line[0]) {
            (Some(number), _) => Ok(Some(number)),
            (None, b'*') => Err(protocol("invalid multibulk length")),
            (None, _) => Err(protocol("invalid bulk length")),
        }
    }

    /// The words of an inline command; empty for an empty line.
    fn line(&mut self) -> Result<Option<Vec<Bytes>>, Fault> {
        let searched = &self.input[..self.input.len().min(MOST_LINE)];
        let end = searched.iter().position(|byte| *byte == b'\n');
        let text = searched[..end.unwrap_or(searched.len())].trim_ascii_end();
        if is_http(text) {
            return Err(Fault::Http);
        }
        if !text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(protocol("expected '*', got something else"));
        }
        let Some(end) = end else {
            return match searched.len() {
                MOST_LINE => Err(protocol("too big inline request")),
                _ => Ok(None),
            };
        };
        let line = self.input.split_to(end + 1).freeze();
        let words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        Ok(Some(words.map(|word| line.slice_ref(word)).collect()))
    }
}

/// Whether a line, or its beginning, is one of an HTTP request: its first line, or a header.
fn is_http(text: &[u8]) -> bool {
    let first = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let rest = text[first.len()..].trim_ascii_start();
    let followed = text.len() > first.len();
    first.ends_with(b":")
        || (followed && HTTP_WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)))
        || (first.eq_ignore_ascii_case(b"GET") && (rest.starts_with(b"/") || rest.starts_with(b"http")))
        || rest.windows(6).any(|part| part == b" HTTP/")
}

fn protocol(text: &str) -> Fault {
    Fault::Protocol(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], step: usize) -> (Vec<Vec<Bytes>>, Option<Fault>) {
        let mut decoder = Decoder::default();
        let mut commands = Vec::new();
        for piece in bytes.chunks(step) {
            decoder.input().extend_from_slice(piece);
            loop {
                match decoder.next(&KNOWN) {
                    Ok(Some(command)) => commands.push(command),
                    Ok(None) => break,
                    Err(fault) => return (commands, Some(fault)),
                }
            }
        }
        assert!(!decoder.begun());
        (commands, None)
    }

    #[test]
    fn commands_are_the_same_however_they_are_cut() {
        let sent = b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\nPING  x\r\n\r\n*0\r\n*-1\r\n*1\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
        let whole = all(sent, sent.len());
        let words: Vec<Vec<&[u8]>> = whole
            .0
            .iter()
            .map(|c| c.iter().map(|a| &a[..]).collect())
            .collect();
        let expected: [&[&[u8]]; 4] = [&[b"ECHO", b"a\r\n"], &[b"PING", b"x"], &[b""], &[b"PING"]];
        assert_eq!(words, expected);
        for step in 1..sent.len() {
            assert_eq!(all(sent, step), whole, "in pieces of {step}");
        }
    }

    #[test]
    fn what_breaks_the_protocol_or_a_limit_is_a_fault() {
        let long = "x".repeat(MOST_LINE);
        for (sent, says) in [
            ("*4097\r\n", "invalid multibulk length"),
            ("*x\r\n", "invalid multibulk length"),
            ("*1\n", "invalid multibulk length"),
            ("*1\r\n:5\r\n", "expected '$', got ':'"),
            ("*1\r\n$1048577\r\n", "invalid bulk length"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
            ("*1\r\n$1\r\nabc", "expected the end of a bulk string"),
            ("*11111111111111111111111111111111", "too big a count or length"),
            ("\x16\x03\x01", "expected '*', got something else"),
            (long.as_str(), "too big inline request"),
        ] {
            assert_eq!(
                all(sent.as_bytes(), sent.len()).1,
                Some(protocol(says)),
                "{sent:.20}"
            );
        }
    }

    #[test]
    fn a_command_is_held_up_to_a_bound() {
        let mut decoder = Decoder::default();
        let bulk = format!("$1000000\r\n{}\r\n", "x".repeat(1_000_000));
        decoder.input().extend_from_slice(b"*9\r\n");
        for held in 1..=4 {
            decoder.input().extend_from_slice(bulk.as_bytes());
            assert_eq!(
                (decoder.next(&KNOWN), decoder.held()),
                (Ok(None), held * 1_000_000)
            );
        }
        decoder.input().extend_from_slice(bulk.as_bytes());
        assert_eq!(decoder.next(&KNOWN), Err(protocol("too much in one command")));
    }

    #[test]
    fn lines_of_http_are_told_from_commands() {
        for line in [
            "GET / HTTP/1.1",
            "POST /x",
            "post / HTTP/1.1",
            "Host: localhost",
            "HEAD /",
            "PRI * HTTP/2.0",
        ] {
            assert_eq!(
                all(format!("{line}\r\nPING\r\n").as_bytes(), 1).1,
                Some(Fault::Http),
                "{line}"
            );
        }
        for line in ["PING", "GET key", "HELLO 3", "POSTPONE x"] {
            assert_eq!(all(format!("{line}\r\n").as_bytes(), 1).1, None, "{line}");
        }
    }
}
