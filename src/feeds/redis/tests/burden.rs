//! What the feed costs the Redis: only commands that Redis 5 knows, and none that blocks it for long.

use std::sync::Arc;
use std::time::Duration;

use super::recorder::{Fake, Kept};
use super::server::{Given, Server, ask, write};
use super::{T, count, quick, run, until};

const EXPIRY: Duration = Duration::from_secs(30);

/// What the feed may call; all of it is in Redis 5.0.
const KNOWN: [&str; 34] = [
    "auth",
    "client",
    "client|setinfo",
    "config|get",
    "config|resetstat",
    "del",
    "evalsha",
    "exists",
    "get",
    "hdel",
    "hexists",
    "hget",
    "hlen",
    "hmget",
    "hscan",
    "hset",
    "hstrlen",
    "hvals",
    "info",
    "lindex",
    "llen",
    "lpush",
    "lrange",
    "lset",
    "ltrim",
    "pexpire",
    "rpush",
    "script|load",
    "set",
    "zadd",
    "zcard",
    "zcount",
    "zrangebyscore",
    "zremrangebyrank",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_300_000_records_blocks_nobody_and_every_command_is_of_redis_5() {
    let test = "a_window_of_300_000_records_blocks_nobody_and_every_command_is_of_redis_5";
    // The server's clock runs on while a busy machine does something else. A script that is too long is so at each of
    // its 600 calls, so a few are no proof; and of three looks one will do.
    let mut slow = Vec::new();
    for _ in 0..3 {
        let Some(server) = Server::start(test) else {
            return;
        };
        slow = slow_calls(&server).await;
        if slow.len() <= 3 {
            return;
        }
    }
    panic!("{slow:#?}");
}

/// Has 300,000 records of one window read, and gives the commands that took more than 20 ms.
async fn slow_calls(server: &Server) -> Vec<String> {
    let to = server.connect().await;
    for round in 0..15 {
        let records: Vec<Given> = (0..20_000)
            .map(|index| {
                let metric = format!("m{}", index % 1000);
                count(&format!("{round}-{index}"), &metric, 1, T as f64)
            })
            .collect();
        write(&to, "metrics:raw", &records).await;
    }
    // One for each of the rarer paths.
    let odd = [
        Given {
            score: 1.0,
            ..count("open", "open", 1, (T + 400) as f64)
        },
        Given {
            score: (T + 9999) as f64,
            ..count("ahead", "ahead", 1, (T + 9999) as f64)
        },
        Given {
            value: b"{".to_vec(),
            ..count("bad", "bad", 1, T as f64)
        },
    ];
    write(&to, "metrics:raw", &odd).await;
    let _: u64 = ask(
        &to,
        &[
            "HSET",
            "chouette:metrics:raw.values",
            "orphan",
            &String::from_utf8_lossy(&count("o", "orphan", 1, T as f64).value),
        ],
    )
    .await;
    let _: String = ask(&to, &["CONFIG", "SET", "slowlog-log-slower-than", "20000"]).await;
    let _: String = ask(&to, &["SLOWLOG", "RESET"]).await;
    let _: String = ask(&to, &["CONFIG", "RESETSTAT"]).await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 300, kept.clone(), None);
    let feed = run(server, &fake, EXPIRY, quick());
    until("two wait: for their time, and for the next window", async || {
        fake.facts().records.get("metrics") == Some(&300_001) && fake.facts().waiting == 2
    })
    .await;
    fake.set_now(T + 310);
    until("all but one are read", async || {
        fake.facts().records.get("metrics") == Some(&300_002) && fake.facts().waiting == 1
    })
    .await;
    let slow: Vec<redis::Value> = ask(&to, &["SLOWLOG", "GET"]).await;
    let slow: Vec<String> = slow
        .iter()
        .map(|entry| format!("{entry:?}").chars().take(400).collect())
        .collect();
    let calls: String = ask(&to, &["INFO", "commandstats"]).await;
    feed.stop().await;
    let called = calls
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let strange: Vec<&str> = called
        .filter(|name| !KNOWN.contains(name) && !["slowlog|get", "zscore", "zrem", "ping"].contains(name))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!(kept.counts().values().sum::<f64>(), 300_002.0);
    // One window in one block, although it is far more than a claim usually is; the late ones apart.
    assert!(kept.kinds().len() <= 3, "{:?}", kept.kinds());
    slow
}
