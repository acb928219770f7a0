//! What the feed costs the Redis: only commands that Redis 5 knows, and none that blocks it for long.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::pipe;

use super::recorder::{Fake, Kept};
use super::server::{Given, Server, ask, write};
use super::{Pace, T, count, emptied, quick, run, until};
use crate::feeds::redis::keys::{Queue, State};
use crate::feeds::redis::piece::Answer;
use crate::feeds::redis::store::{Held, Range, Store};

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
    // The server's clock runs on while a busy machine does something else: of three looks one must be undisturbed.
    let mut slow = Vec::new();
    for _ in 0..3 {
        let Some(server) = Server::start(test) else {
            return;
        };
        slow = slow_calls(&server).await;
        if slow.is_empty() {
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

/// Prints what the machine reaches; for a build with optimisations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn how_fast_a_million_records_are_read() {
    let Some(server) = Server::start("how_fast_a_million_records_are_read") else {
        return;
    };
    let to = server.connect().await;
    fill(&to).await;
    let begin = std::time::Instant::now();
    plain(&to).await;
    let plain = begin.elapsed();
    fill(&to).await;
    let begin = std::time::Instant::now();
    bare(&server).await;
    let bare = begin.elapsed();
    fill(&to).await;
    let before = resident();
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 300, kept.clone(), None);
    let begin = std::time::Instant::now();
    let feed = run(&server, &fake, EXPIRY, Pace::default());
    let mut most = 0;
    until("all are read", async || {
        most = most.max(resident());
        fake.facts().records.get("metrics") == Some(&1_000_000)
    })
    .await;
    emptied(&to, "metrics:raw").await;
    let took = begin.elapsed();
    println!(
        "{:.0} records/s; the same calls from a bare client {:.0}, ratio {:.2}; what they do as plain commands {:.0}; \
         resident {before} kB before, {most} kB at most; {} blocks",
        1e6 / took.as_secs_f64(),
        1e6 / bare.as_secs_f64(),
        bare.as_secs_f64() / took.as_secs_f64(),
        1e6 / plain.as_secs_f64(),
        kept.kinds().len()
    );
    feed.stop().await;
}

fn key(index: i64) -> String {
    format!("{index:036}")
}

/// A million records of a thousand series over 100 s, oldest first.
async fn fill(to: &MultiplexedConnection) {
    for round in 0..50 {
        let records: Vec<Given> = (round * 20_000..(round + 1) * 20_000)
            .map(|index| {
                let metric = format!("m{}", index % 1000);
                count(&key(index), &metric, 1, T as f64 + index as f64 / 10_000.0)
            })
            .collect();
        write(to, "metrics:raw", &records).await;
    }
}

/// The feed's own calls from a client that looks at no record and journals nothing: what the Redis can do.
async fn bare(server: &Server) {
    let store = Store::new(server.target(), "chouette".to_owned(), "a", EXPIRY);
    let claim = store.draw(Queue::Raw);
    let range = Range {
        least: "-inf".to_owned(),
        greatest: "+inf".to_owned(),
    };
    let first = store.take(&claim, &range, 1000, true).await.unwrap();
    assert!(matches!(first, Answer::Piece(_)));
    futures_util::stream::iter(0..999)
        .map(|_| async {
            let piece = store.take(&claim, &range, 1000, false).await.unwrap();
            assert!(matches!(piece, Answer::Piece(_)));
        })
        .buffered(4)
        .collect::<Vec<()>>()
        .await;
    let settled = store.settle(&claim, State::Done, Some(1_000_000)).await;
    assert_eq!(settled, Ok(Held::Yes));
    futures_util::stream::iter(0..2001)
        .map(|_| store.clean(claim.id, Queue::Raw, false))
        .buffered(4)
        .collect::<Vec<_>>()
        .await;
}

/// What those calls do, as plain commands from a client that knows every key beforehand.
async fn plain(to: &MultiplexedConnection) {
    let (keys, values, list) = ("chouette:metrics:raw.keys", "chouette:metrics:raw.values", "list");
    let chunk = |number: i64| async move {
        let names: Vec<String> = (number * 1000..(number + 1) * 1000).map(key).collect();
        let mut all = pipe();
        all.cmd("ZRANGEBYSCORE")
            .arg(keys)
            .arg("-inf")
            .arg("+inf")
            .arg("LIMIT")
            .arg(0)
            .arg(1000);
        all.cmd("HMGET").arg(values).arg(&names);
        all.cmd("ZREMRANGEBYRANK").arg(keys).arg(0).arg(999);
        all.cmd("RPUSH").arg(list).arg(&names);
        for part in names.chunks(500) {
            all.cmd("LRANGE").arg(list).arg(0).arg(499);
            all.cmd("HDEL").arg(values).arg(part);
            all.cmd("LTRIM").arg(list).arg(500).arg(-1);
        }
        let _: Vec<redis::Value> = all.query_async(&mut to.clone()).await.unwrap();
    };
    futures_util::stream::iter((0..1000).map(chunk))
        .buffered(4)
        .collect::<Vec<()>>()
        .await;
}

/// In kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}
