//! Tries the Redis: whether it answers, what it is, and whether it is one that the agent can use.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::timeout;

use crate::cli::check::{Outcome, PATIENCE, Tried};
use crate::config::redis::Server;
use crate::journal::redis::{Danger, checks};
use crate::support::redis::link::{Link, LinkError};

/// The oldest Redis that the agent can use: streams came with it.
const OLDEST: u32 = 5;
/// How long the name of the Redis may take to resolve.
const NAME: Duration = Duration::from_secs(2);

/// Tries the Redis that is set.
pub(super) async fn try_redis(server: &Server) -> Vec<Tried> {
    asked("redis", server).await
}

/// Tries the Redis by the name that the original relied on. That it is not there is no failure: nobody set it.
pub(super) async fn try_by_name(server: &Server) -> Vec<Tried> {
    const WHAT: &str = "redis by its name";
    if server.target.resolves(NAME).await {
        return asked(WHAT, server).await;
    }
    let outcome = Outcome::Ok(format!(
        "none: REDIS_HOST is not set, and the name in {} does not resolve",
        server.target
    ));
    vec![tried(WHAT, outcome)]
}

/// What it is, and what endangers what lies in it.
async fn asked(what: &str, server: &Server) -> Vec<Tried> {
    let link = Link::new(server.target.clone());
    let outcome = match timeout(PATIENCE, description(&link)).await {
        Ok(Ok(text)) => Outcome::Ok(text),
        Ok(Err(reason)) => Outcome::Failed(reason),
        Err(_) => Outcome::Failed(format!(
            "{} does not answer within {} s",
            server.target,
            PATIENCE.as_secs()
        )),
    };
    let answers = matches!(outcome, Outcome::Ok(_));
    let mut all = vec![tried(what, outcome)];
    if answers && let Ok(dangers) = timeout(PATIENCE, checks(&link)).await {
        let warning =
            |danger: Danger| tried(&format!("{what} {}", danger.topic), Outcome::Warning(danger.text));
        all.extend(dangers.into_iter().map(warning));
    }
    all
}

fn tried(what: &str, outcome: Outcome) -> Tried {
    Tried {
        what: what.to_string(),
        outcome,
    }
}

/// What was reached, with its version.
async fn description(link: &Link) -> Result<String, String> {
    let answer = link.query::<Value>(cmd("INFO").arg("server")).await;
    let place = || link.reached().unwrap_or_else(|| link.target().to_string());
    let mut texts = Vec::new();
    match answer {
        Ok(value) => collect(&value, &mut texts),
        // Its user may not ask, and is let in all the same.
        Err(LinkError::Refused { code, .. }) if code == "NOPERM" => {
            return Ok(format!(
                "{} answers; its user may not ask for the version",
                place()
            ));
        }
        Err(error) => return Err(error.to_string()),
    }
    let versions: Vec<&str> = texts
        .iter()
        .filter_map(|text| line(text, "redis_version"))
        .collect();
    let oldest = versions.into_iter().min_by_key(|version| major(version));
    let Some(version) = oldest else {
        return Ok(format!("{} answers; it does not say its version", place()));
    };
    if major(version) < OLDEST {
        return Err(format!(
            "{} is Redis {version}; {OLDEST}.0 is the oldest that works",
            place()
        ));
    }
    let valkey = texts.iter().find_map(|text| line(text, "valkey_version"));
    let named = match valkey {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {version}"),
    };
    Ok(format!("{} answers: {named}", place()))
}

/// The texts in an answer; a cluster's has one for each node.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, item)| collect(item, texts)),
        _ => {}
    }
}

fn line<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
}

fn major(version: &str) -> u32 {
    let first = version.split('.').next().unwrap_or_default();
    first.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::support::redis::fixture::Fixture;
    use crate::support::redis::target::Target;
    use crate::support::secret::Secret;

    fn server(target: Target) -> Server {
        Server {
            target,
            prefix: "chouette".to_string(),
        }
    }

    /// Answers every command with the same line; tells whether it heard the word.
    async fn answering(answer: &'static str) -> (Target, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            let mut request = vec![0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut request).await {
                heard.extend_from_slice(&request[..read]);
                for _ in request[..read].split(|byte| *byte == b'*').skip(1) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
            String::from_utf8_lossy(&heard).into_owned()
        });
        (Target::server("127.0.0.1", port), served)
    }

    #[tokio::test]
    async fn a_redis_is_named_with_its_version_and_what_endangers_the_queue() {
        let Some(redis) = Fixture::start(
            "a_redis_is_named_with_its_version_and_what_endangers_the_queue",
            &[],
        ) else {
            return;
        };
        let tried = try_redis(&server(redis.target())).await;
        let [
            Tried {
                outcome: Outcome::Ok(text),
                ..
            },
            danger,
        ] = &tried[..]
        else {
            panic!("{tried:?}")
        };
        assert_eq!(danger.what, "redis persistence");
        assert!(
            matches!(&danger.outcome, Outcome::Warning(text) if text.contains("appendonly yes")),
            "{danger:?}"
        );
        let start = format!("127.0.0.1:{} answers: ", redis.port());
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains("Redis ") || text.contains("Valkey "), "{text}");
    }

    #[tokio::test]
    async fn redis_is_asked_with_a_password_and_the_reason_is_told() {
        let (mut target, served) = answering("-WRONGPASS invalid password\r\n").await;
        target.password = Secret::new("hunter2");
        let tried = try_redis(&server(target)).await.remove(0);
        assert!(served.await.unwrap().contains("hunter2"), "the password was sent");
        let Outcome::Failed(text) = tried.outcome else {
            panic!("{tried:?}")
        };
        assert!(
            text.contains("WRONGPASS") && text.contains("redis.password"),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn a_redis_that_is_too_old_is_a_failure() {
        let (target, _served) = answering("$20\r\nredis_version:4.0.14\r\n").await;
        let port = target.nodes[0].1;
        let tried = try_redis(&server(target)).await.remove(0);
        let told = format!("127.0.0.1:{port} is Redis 4.0.14; 5.0 is the oldest that works");
        assert_eq!(tried.outcome, Outcome::Failed(told));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_no_failure() {
        let tried = try_by_name(&server(Target::server("no-such-host.invalid", 6379)))
            .await
            .remove(0);
        assert!(
            matches!(&tried.outcome, Outcome::Ok(text) if text.starts_with("none: ")),
            "{tried:?}"
        );
    }
}
