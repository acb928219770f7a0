//! The commands that the feed knows, and the words in which Redis refuses the others.

use bytes::Bytes;

use crate::feeds::resp::access::{Access, Key};
use crate::feeds::resp::reply::{self, Reply};
use crate::feeds::resp::session::Action;
use crate::feeds::resp::write::{Halves, Write};

/// What is said to be spoken: nothing of what later versions added can be relied on here.
const REDIS_VERSION: &str = "5.0.0";
/// Options of ZADD, none of which means anything for a queue.
const ZADD_OPTIONS: [&[u8]; 6] = [b"nx", b"xx", b"gt", b"lt", b"ch", b"incr"];

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is none that could be executed: a transaction that holds it is given up.
    Refused(Reply),
    /// It has an answer, which may be an error.
    Done(Action),
}

/// The error for a wrong number of arguments.
pub(super) fn arity(name: &[u8]) -> Reply {
    reply::error(&format!(
        "ERR wrong number of arguments for '{}' command",
        name.escape_ascii()
    ))
}

/// Carries out a command whose name is in lower case, and that is about nobody's session.
pub(super) fn carry_out(name: &[u8], arguments: &[Bytes], access: &Access, three: bool) -> Verdict {
    let done = |reply: Reply| Verdict::Done(Action::Answer(reply));
    match (name, arguments) {
        (b"zadd", [_, _, _, ..]) => zadd(arguments, access),
        (b"hset" | b"hmset", [_, _, _, ..]) => hset(name, arguments, access),
        (b"ping", []) => done(reply::simple("PONG")),
        (b"ping" | b"echo", [text]) => done(reply::bulk(text)),
        (b"select", [index]) if index[..] == b"0"[..] => done(reply::simple("OK")),
        (b"select", [index]) if index.iter().all(u8::is_ascii_digit) => {
            done(reply::error("ERR DB index is out of range"))
        }
        (b"select", [_]) => done(reply::error("ERR invalid DB index")),
        (b"info", _) => done(reply::text(&info(), three)),
        (b"command", _) => done(reply::array(&[])),
        // Nothing can change behind a client's back: what it reads here, it cannot.
        (b"watch", [_, ..]) | (b"unwatch", []) => done(reply::simple("OK")),
        (b"zadd" | b"hset" | b"hmset" | b"ping" | b"echo" | b"select" | b"watch" | b"unwatch", _) => {
            Verdict::Refused(arity(name))
        }
        _ => Verdict::Refused(unknown(name, arguments)),
    }
}

fn unknown(name: &[u8], arguments: &[Bytes]) -> Reply {
    let mut text = format!(
        "ERR unknown command '{:.128}', with args beginning with: ",
        name.escape_ascii().to_string()
    );
    for argument in arguments {
        if text.len() > 256 {
            break;
        }
        let shown = &argument[..argument.len().min(128)];
        text.push_str(&format!("'{}' ", shown.escape_ascii()));
    }
    reply::error(&text)
}

/// The error for keys that are not the feed's.
fn foreign(access: &Access) -> Verdict {
    let prefix = access.prefix();
    Verdict::Refused(reply::error(&format!(
        "NOPERM only {prefix}:metrics:raw and {prefix}:logs:wrapped are here, each with .keys and .values"
    )))
}

fn wrong_type() -> Verdict {
    Verdict::Done(Action::Answer(reply::error(
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    )))
}

fn zadd(arguments: &[Bytes], access: &Access) -> Verdict {
    let failed = |text: &str| Verdict::Done(Action::Answer(reply::error(text)));
    let queue = match access.key(&arguments[0]) {
        None => return foreign(access),
        Some(Key::Values(_)) => return wrong_type(),
        Some(Key::Times(queue)) => queue,
    };
    let option = arguments[1].to_ascii_lowercase();
    if ZADD_OPTIONS.contains(&&option[..]) {
        return failed("ERR syntax error: options of ZADD are not supported here");
    }
    if arguments.len().is_multiple_of(2) {
        return failed("ERR syntax error");
    }
    let mut times = Vec::with_capacity(arguments.len() / 2);
    for pair in arguments[1..].chunks_exact(2) {
        let Some(time) = score(&pair[0]) else {
            return failed("ERR value is not a valid float");
        };
        times.push((pair[1].clone(), time));
    }
    Verdict::Done(Action::Store(Write {
        queue,
        halves: Halves::Times(times),
        says_ok: false,
    }))
}

/// A score as Redis reads it: infinities are some, NaN is none.
fn score(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

fn hset(name: &[u8], arguments: &[Bytes], access: &Access) -> Verdict {
    let queue = match access.key(&arguments[0]) {
        None => return foreign(access),
        Some(Key::Times(_)) => return wrong_type(),
        Some(Key::Values(queue)) => queue,
    };
    if arguments.len().is_multiple_of(2) {
        return Verdict::Done(Action::Answer(arity(name)));
    }
    let pairs = arguments[1..].chunks_exact(2);
    Verdict::Done(Action::Store(Write {
        queue,
        halves: Halves::Values(pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect()),
        says_ok: name == b"hmset",
    }))
}

/// The answer to HELLO.
pub(super) fn hello(id: u64, three: bool) -> Reply {
    let text = |text: &str| reply::bulk(text.as_bytes());
    let pairs = [
        ("server", text("redis")),
        ("version", text(REDIS_VERSION)),
        ("proto", reply::integer(if three { 3 } else { 2 })),
        ("id", reply::integer(id)),
        ("mode", text("standalone")),
        ("role", text("master")),
        ("modules", reply::array(&[])),
    ];
    reply::map(&pairs, three)
}

/// What libraries look for in INFO, and what people should know.
fn info() -> String {
    format!(
        "# Server\r\nredis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\ntawny_version:{}\r\nprocess_id:{}\r\n\
         # Persistence\r\nloading:0\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
    )
}
