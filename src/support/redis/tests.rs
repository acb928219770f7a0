//! The link against real servers.

mod groups;

use std::time::Duration;

use redis::{Script, cmd};

use crate::support::http::install_provider;
use crate::support::redis::fixture::Fixture;
use crate::support::redis::link::{Link, LinkError};
use crate::support::redis::target::{Target, TargetKind};
use crate::support::secret::Secret;

/// Asks again while the server is away, as callers do.
async fn patiently<T: redis::FromRedisValue>(link: &Link, command: &redis::Cmd) -> T {
    let asking = async {
        loop {
            match link.query(command).await {
                Ok(answer) => return answer,
                Err(LinkError::Refused { reason, .. }) => panic!("{reason}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .unwrap()
}

async fn away(link: &Link) -> String {
    match link.query::<String>(&cmd("PING")).await {
        Err(LinkError::Away { reason, .. }) => reason,
        other => panic!("not away: {other:?}"),
    }
}

#[tokio::test]
async fn commands_pipelines_and_scripts_are_answered() {
    let Some(redis) = Fixture::start("commands_pipelines_and_scripts_are_answered", &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    assert_eq!(
        link.query::<String>(cmd("SET").arg("a").arg(7)).await,
        Ok("OK".to_string())
    );
    let mut pipeline = redis::pipe();
    pipeline
        .atomic()
        .cmd("GET")
        .arg("a")
        .cmd("INCRBY")
        .arg("a")
        .arg(2);
    assert_eq!(link.pipeline::<(i64, i64)>(&pipeline).await, Ok((7, 9)));
    let script = Script::new("return redis.call('GET', KEYS[1])");
    assert_eq!(link.invoke::<i64>(&script.key("a")).await, Ok(9));
    let refused = link.query::<i64>(cmd("LPUSH").arg("a").arg(1)).await.unwrap_err();
    assert!(
        matches!(&refused, LinkError::Refused { code, .. } if code == "WRONGTYPE"),
        "{refused}"
    );
    let script = Script::new("return redis.call('LPUSH', KEYS[1], 1)");
    let refused = link.invoke::<i64>(&script.key("a")).await.unwrap_err();
    assert!(
        matches!(&refused, LinkError::Refused { code, .. } if code == "WRONGTYPE"),
        "{refused}"
    );
    assert_eq!(link.epoch(), 1);
}

#[tokio::test]
async fn after_a_restart_it_is_connected_anew() {
    let Some(mut redis) = Fixture::start("after_a_restart_it_is_connected_anew", &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    patiently::<String>(&link, &cmd("PING")).await;
    redis.stop();
    // The broken connection first, then the closed port.
    assert!(matches!(
        link.query::<String>(&cmd("PING")).await,
        Err(LinkError::Unanswered { .. })
    ));
    assert!(away(&link).await.contains("refused"));
    redis.restart();
    patiently::<String>(&link, &cmd("PING")).await;
    assert_eq!(link.epoch(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_leaves_it_open_and_is_away_then() {
    let Some(redis) = Fixture::start("a_server_that_hangs_leaves_it_open_and_is_away_then", &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    patiently::<String>(&link, &cmd("PING")).await;
    redis.signal(true);
    tokio::time::pause();
    let hung = link.query::<String>(&cmd("PING")).await.unwrap_err();
    assert!(matches!(hung, LinkError::Unanswered { .. }), "{hung}");
    // The kernel still accepts connections for it.
    assert_eq!(away(&link).await, "no answer within 2 s");
    tokio::time::resume();
    redis.signal(false);
    patiently::<String>(&link, &cmd("PING")).await;
}

#[tokio::test]
async fn a_password_is_read_anew_and_never_told() {
    let test = "a_password_is_read_anew_and_never_told";
    let Some(redis) = Fixture::start(test, &["--requirepass", "hunter2"]) else {
        return;
    };
    let without = away(&Link::new(redis.target())).await;
    assert!(
        without.ends_with("(it wants a password; set `redis.password`)"),
        "{without}"
    );
    let path = redis.folder().join("password");
    std::fs::write(&path, "hunter3\n").unwrap();
    let mut target = redis.target();
    target.password = Secret::new(&format!("file:{}", path.display()));
    target.database = 3;
    let link = Link::new(target.clone());
    let wrong = away(&link).await;
    assert!(!wrong.contains("hunter"), "{wrong}");
    std::fs::write(&path, "hunter2 \n").unwrap();
    patiently::<String>(&link, cmd("SET").arg("a").arg(1)).await;
    target.database = 0;
    let other = Link::new(target);
    assert_eq!(patiently::<Option<i64>>(&other, cmd("GET").arg("a")).await, None);
}

#[tokio::test]
async fn a_user_sees_what_its_rules_let_it_see() {
    let test = "a_user_sees_what_its_rules_let_it_see";
    // One argument each: newer servers take what has spaces for the name.
    let user = [
        "--user",
        "me",
        "on",
        ">hunter2",
        "~chouette:*",
        "-@all",
        "+get",
        "+select",
    ];
    let Some(redis) = Fixture::start_if_able(test, &user) else {
        return;
    };
    let mut target = redis.target();
    target.username = "me".to_string();
    target.password = Secret::new("hunter2");
    // It may not even ask for PING, and is connected all the same.
    let link = Link::new(target.clone());
    let read = link.query::<Option<String>>(cmd("GET").arg("chouette:a")).await;
    assert_eq!(read, Ok(None));
    let refused = link
        .query::<String>(cmd("SET").arg("chouette:a").arg(1))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, LinkError::Refused { code, .. } if code == "NOPERM"),
        "{refused}"
    );
    target.password = Secret::new("hunter3");
    let wrong = away(&Link::new(target)).await;
    assert!(
        wrong.starts_with("WRONGPASS") && !wrong.contains("hunter"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_socket_leads_to_the_server_as_well() {
    let Some(redis) = Fixture::start("a_socket_leads_to_the_server_as_well", &[]) else {
        return;
    };
    let path = redis.folder().join("redis.sock");
    let Some(other) = Fixture::start(
        "a_socket_leads_to_the_server_as_well",
        &["--unixsocket", &path.display().to_string()],
    ) else {
        return;
    };
    let target = Target::parse(&format!("unix://{}?db=2", path.display())).unwrap();
    assert_eq!(target.kind, TargetKind::Unix { path });
    let link = Link::new(target);
    patiently::<String>(&link, cmd("SET").arg("a").arg(5)).await;
    let direct = Link::new(Target::parse(&format!("redis://localhost:{}/2", other.port())).unwrap());
    assert_eq!(
        direct.query::<Option<i64>>(cmd("GET").arg("a")).await,
        Ok(Some(5))
    );
}

#[tokio::test]
async fn tls_trusts_the_named_certificate_and_no_other() {
    install_provider();
    let test = "tls_trusts_the_named_certificate_and_no_other";
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tls");
    let (certificate, key) = (
        format!("{folder}/localhost.pem"),
        format!("{folder}/localhost.key"),
    );
    let arguments = [
        "--port",
        "0",
        "--tls-port",
        "{port}",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ];
    let Some(redis) = Fixture::start_if_able(test, &arguments) else {
        return;
    };
    let url = format!("rediss://127.0.0.1:{}", redis.port());
    let unknown = away(&Link::new(Target::parse(&url).unwrap())).await;
    assert!(
        unknown.ends_with("(set `redis.ca_file` to the certificate of its issuer)"),
        "{unknown}"
    );
    for host in ["localhost", "127.0.0.1"] {
        let mut target = Target::parse(&format!("rediss://{host}:{}", redis.port())).unwrap();
        target.ca_file = Some(certificate.clone().into());
        assert_eq!(
            Link::new(target).query::<String>(&cmd("PING")).await,
            Ok("PONG".to_string())
        );
    }
    let plain = Target::server("127.0.0.1", redis.port());
    away(&Link::new(plain)).await;
}
