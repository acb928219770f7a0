//! What went wrong with a Redis, and whether the command may have been executed.

use redis::{ErrorKind, RedisError};

use crate::support::secret::MASK;

/// Why a command did not succeed. Its text holds no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The server is not there, does not let us in, or cannot serve now. Nothing was executed: try again later.
    #[error("{target} cannot be reached: {reason}")]
    Away {
        /// Where.
        target: String,
        /// What happened, without secrets.
        reason: String,
    },
    /// The command went out and no answer came back: it may have been executed.
    #[error("{target} did not answer: {reason}")]
    Unanswered {
        /// Where.
        target: String,
        /// What happened.
        reason: String,
    },
    /// The server answers with an error; it is connected.
    #[error("{target} refuses: {reason}")]
    Refused {
        /// Where.
        target: String,
        /// The error's first word (`WRONGTYPE`, `NOPERM`, `OOM`, `MISCONF`, …).
        code: String,
        /// What it says.
        reason: String,
    },
}

/// What an error means for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing was executed; the same connection will do it later.
    Later,
    /// Nothing was executed, and this connection is the wrong one.
    Elsewhere,
    /// Nobody knows whether it was executed; the connection is lost.
    Unknown,
    /// An answer.
    Answer,
}

/// An error, read.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) meaning: Meaning,
    /// The server's word for it; empty where it is not the server's.
    pub(super) code: String,
    pub(super) reason: String,
}

/// Reads the error of a command, script or pipeline that has so many commands.
pub(super) fn read(error: &RedisError, commands: usize) -> Failure {
    let aborted = error.kind() == ErrorKind::Server(redis::ServerErrorKind::ExecAbort);
    let Some(errors) = error.clone().into_server_errors() else {
        let elsewhere = matches!(
            error.kind(),
            ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Client
                | ErrorKind::InvalidClientConfig
                | ErrorKind::AuthenticationFailed
        );
        let (meaning, code) = match error.code() {
            // A cluster's own words come without the list of errors.
            Some(code) => (meaning(code), code.to_string()),
            None if elsewhere => (Meaning::Elsewhere, String::new()),
            None => (Meaning::Unknown, String::new()),
        };
        return Failure {
            meaning,
            reason: told(error.to_string(), &code),
            code,
        };
    };
    let (code, details) = match errors.first() {
        Some((_, first)) => (first.code(), first.details().unwrap_or_default()),
        None => ("EXECABORT", ""),
    };
    let code = inner(details).unwrap_or(code);
    let meaning = match meaning(code) {
        // Some of the commands were executed, and not these.
        Meaning::Later | Meaning::Elsewhere if !aborted && errors.len() < commands => Meaning::Unknown,
        meaning => meaning,
    };
    Failure {
        meaning,
        code: code.to_string(),
        reason: told(format!("{code} {details}").trim_end().to_string(), code),
    }
}

fn meaning(code: &str) -> Meaning {
    match code {
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "ASK" | "NOREPLICAS" => {
            Meaning::Later
        }
        "READONLY" | "MOVED" | "NOAUTH" | "WRONGPASS" => Meaning::Elsewhere,
        _ => Meaning::Answer,
    }
}

/// The word inside a script's error as Redis 5 and 6 tell it: `Error running script (call to …): @user_script:1:
/// @user_script: 1: -READONLY You can't …`.
fn inner(details: &str) -> Option<&str> {
    if !details.starts_with("Error running script") {
        return None;
    }
    let (_, place) = details.rsplit_once("@user_script:")?;
    let (_, text) = place.trim_start().split_once(": ")?;
    let word = text.trim_start_matches('-').split(' ').next()?;
    let is_code = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(word)
}

/// The text with what to do about it.
pub(super) fn told(text: String, code: &str) -> String {
    let hint = match code {
        "NOAUTH" => "it wants a password; set `redis.password`",
        "WRONGPASS" => "the user or the password is wrong; look at `redis.username` and `redis.password`",
        "NOPERM" => "its user may not do this; see the ACL in the reference",
        "READONLY" => "it is a replica; name the master, or Sentinels that know it",
        "MOVED" => "it is a node of a cluster; name it as `redis.cluster`",
        "MISCONF" => "it cannot save to its disk",
        "OOM" => "its memory is full; raise `maxmemory`",
        _ if text.contains("UnknownIssuer") => "set `redis.ca_file` to the certificate of its issuer",
        _ if text.contains("InvalidContentType") => "it seems to speak no TLS on this port",
        _ if text.contains("no password is set") || text.contains("without any password configured") => {
            "it wants no password; leave `redis.password` out"
        }
        _ if text.contains("wrong number of arguments for 'auth'") => {
            "Redis before 6 knows no users; leave `redis.username` out"
        }
        _ => return text,
    };
    format!("{text} ({hint})")
}

/// The text without the secret: servers that do not know a command repeat its arguments.
pub(super) fn without(text: &str, secret: &str) -> String {
    match secret {
        "" => text.to_string(),
        secret => text.replace(secret, MASK),
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    /// What an answer of the server means.
    fn answered(line: &str) -> (Meaning, String) {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let error = match value {
            Value::ServerError(error) => RedisError::from(error),
            other => panic!("no error: {other:?}"),
        };
        let failure = read(&error, 1);
        (failure.meaning, failure.code)
    }

    #[test]
    fn every_word_of_the_server_has_a_meaning() {
        let cases = [
            (
                "LOADING Redis is loading the dataset in memory",
                Meaning::Later,
                "LOADING",
            ),
            ("BUSY Redis is busy running a script", Meaning::Later, "BUSY"),
            ("CLUSTERDOWN Hash slot not served", Meaning::Later, "CLUSTERDOWN"),
            ("TRYAGAIN Multiple keys request", Meaning::Later, "TRYAGAIN"),
            (
                "READONLY You can't write against a read only replica.",
                Meaning::Elsewhere,
                "READONLY",
            ),
            ("NOAUTH Authentication required.", Meaning::Elsewhere, "NOAUTH"),
            ("WRONGTYPE Operation against a key", Meaning::Answer, "WRONGTYPE"),
            ("OOM command not allowed", Meaning::Answer, "OOM"),
            ("NOPERM this user has no permissions", Meaning::Answer, "NOPERM"),
            ("ERR syntax error", Meaning::Answer, "ERR"),
            (
                "ERR Error running script (call to f_12): @user_script:1: @user_script: 1: -READONLY You can't write",
                Meaning::Elsewhere,
                "READONLY",
            ),
            (
                "ERR Error running script (call to f_12): @user_script:9: WRONGTYPE Operation against a key",
                Meaning::Answer,
                "WRONGTYPE",
            ),
            (
                "ERR Error running script (call to f_12): @user_script:9: attempt to compare",
                Meaning::Answer,
                "ERR",
            ),
        ];
        for (line, meaning, code) in cases {
            assert_eq!(answered(line), (meaning, code.to_string()), "{line}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_it_open_whether_it_was_executed() {
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(read(&broken, 1).meaning, Meaning::Unknown);
        let odd = RedisError::from((ErrorKind::UnexpectedReturnType, "not a number"));
        assert_eq!(read(&odd, 1).meaning, Meaning::Unknown);
    }

    #[test]
    fn a_server_that_repeats_the_password_is_not_repeated() {
        let text = "ERR unknown command `AUTH`, with args beginning with: `hunter2`, ";
        assert_eq!(
            without(text, "hunter2"),
            "ERR unknown command `AUTH`, with args beginning with: `********`, "
        );
        assert_eq!(without(text, ""), text);
    }
}
