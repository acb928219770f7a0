//! What is read, and when.

use std::sync::Arc;
use std::time::Duration;

use super::recorder::{Fake, Kept};
use super::server::{Given, Server, ask, write};
use super::{T, count, emptied, quick, run, until};
use crate::component::feed::Handed;

const EXPIRY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_windows_are_summed_and_an_open_one_waits() {
    let Some(server) = Server::start("closed_windows_are_summed_and_an_open_one_waits") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 25, kept.clone(), None);
    let mut records = Vec::new();
    for index in 0..300i64 {
        records.push(count(
            &format!("k{index}"),
            "jobs",
            index,
            (T + index / 10) as f64,
        ));
    }
    write(&to, "metrics:raw", &records).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    until("the open window alone waits", async || {
        let keys: u64 = ask(&to, &["HLEN", "chouette:metrics:raw.values"]).await;
        keys == 100
    })
    .await;
    let sums = |from: i64| (from..from + 100).sum::<i64>() as f64;
    assert_eq!(
        kept.windows(),
        [
            (T, "jobs".to_owned(), sums(0)),
            (T + 10, "jobs".to_owned(), sums(100))
        ]
    );
    fake.set_now(T + 32);
    emptied(&to, "metrics:raw").await;
    assert_eq!(kept.windows()[2], (T + 20, "jobs".to_owned(), sums(200)));
    feed.stop().await;
    assert_eq!(fake.facts().records["metrics"], 300);
    assert!(
        kept.remembered.lock().unwrap().is_empty(),
        "what is cleaned up is forgotten"
    );
    let left: Vec<String> = ask(&to, &["KEYS", "*"]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_records_own_time_decides_where_the_score_is_wrong() {
    let Some(server) = Server::start("the_records_own_time_decides_where_the_score_is_wrong") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 25, kept.clone(), None);
    let scored = |key: &str, score: f64, time: i64| Given {
        score,
        ..count(key, key, 1, time as f64)
    };
    let mut records = vec![
        scored("early", 0.0, T + 21),
        scored("early_and_closed", f64::NEG_INFINITY, T + 3),
        scored("late", f64::INFINITY, T + 4),
        scored("late_and_open", (T + 10_000) as f64, T + 22),
        scored("from_the_future", 5.0, T + 626),
        scored("not_quite", 5.0, T + 625),
        count("far", "far", 1, 1e300),
    ];
    for index in 0..1500 {
        records.push(Given {
            score: 1.0,
            ..count(&format!("many{index}"), "many", 1, (T + 23) as f64)
        });
    }
    write(&to, "metrics:raw", &records).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    until("all that is closed is read", async || kept.windows().len() == 4).await;
    let mut windows = kept.windows();
    windows.sort_by(|left, right| left.1.cmp(&right.1));
    assert_eq!(
        windows,
        [
            (T, "early_and_closed".to_owned(), 1.0),
            (T + 10, "far".to_owned(), 1.0),
            (T + 10, "from_the_future".to_owned(), 1.0),
            (T, "late".to_owned(), 1.0),
        ]
    );
    fake.set_now(T + 32);
    until("the window is read", async || kept.counts().len() == 7).await;
    assert_eq!(kept.counts()["many"], 1500.0);
    let score: String = ask(&to, &["ZSCORE", "chouette:metrics:raw.keys", "not_quite"]).await;
    assert_eq!(score, (T + 625).to_string());
    fake.set_now(T + 700);
    emptied(&to, "metrics:raw").await;
    feed.stop().await;
    assert_eq!((fake.facts().ahead, fake.facts().records["metrics"]), (2, 1507));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_original_agent_left_comes_first_and_logs_come_too() {
    let Some(server) = Server::start("what_the_original_agent_left_comes_first_and_logs_come_too") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 25, kept.clone(), None);
    write(&to, "metrics:raw", &[count("k", "jobs", 3, T as f64)]).await;
    let given = |key: &str, score: i64, value: String| Given {
        key: key.to_owned(),
        score: score as f64,
        value: value.into_bytes(),
    };
    let point = format!(
        r#"{{"metric": "old", "type": "count", "points": [[{T}, 4.5]], "tags": ["a:b"], "interval": 10}}"#
    );
    write(&to, "metrics:wrapped", &[given("w", T + 999_999, point)]).await;
    let mut logs = Vec::new();
    for index in 0..6000i64 {
        let text = format!(r#"{{"ddsource": "x", "level": "info", "message": {{"msg": "{index}"}}}}"#);
        logs.push(given(&format!("l{index}"), T + index, text));
    }
    write(&to, "logs:wrapped", &logs).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    for queue in ["metrics:raw", "metrics:wrapped", "logs:wrapped"] {
        emptied(&to, queue).await;
    }
    until("nothing waits", async || fake.facts().waiting == 0).await;
    feed.stop().await;
    let metrics: Vec<&str> = kept.kinds().into_iter().filter(|kind| *kind != "logs").collect();
    assert_eq!(metrics, ["points", "windows"]);
    let mut times = Vec::new();
    for (_, handed) in kept.blocks.lock().unwrap().iter() {
        match handed {
            Handed::Points(points) => {
                let point = &points[0];
                assert_eq!(
                    (points.len(), point.time, point.value, point.interval),
                    (1, T, 4.5, 10)
                );
            }
            Handed::Logs(logs) => {
                assert!(logs.len() <= 9000, "{}", logs.len());
                times.extend(logs.iter().map(|log| log.time));
            }
            Handed::Windows(_) => {}
        }
    }
    // Without a date of its own, a record's time is its score.
    assert_eq!(times, (T..T + 6000).collect::<Vec<i64>>());
    let facts = fake.facts();
    assert_eq!(
        (facts.records["points"], facts.records["logs"], facts.waiting),
        (1, 6000, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_becomes_few_blocks_of_whole_windows() {
    let Some(server) = Server::start("a_backlog_becomes_few_blocks_of_whole_windows") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 500, kept.clone(), None);
    let mut records = Vec::new();
    for index in 0..100_000i64 {
        let metric = format!("m{}", index % 100);
        records.push(count(&format!("k{index}"), &metric, 1, (T + index / 1000) as f64));
    }
    write(&to, "metrics:raw", &records).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    emptied(&to, "metrics:raw").await;
    feed.stop().await;
    let windows = kept.windows();
    // Ten windows of a hundred series, each whole: no window in two blocks.
    assert_eq!(windows.len(), 1000);
    assert!(windows.iter().all(|(_, _, sum)| *sum == 100.0));
    assert!(kept.kinds().len() <= 2, "{:?}", kept.kinds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_huge_window_is_cut_at_the_bounds() {
    let Some(server) = Server::start("one_huge_window_is_cut_at_the_bounds") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 500, kept.clone(), None);
    let records: Vec<Given> = (0..5000)
        .map(|index| count(&format!("k{index}"), &format!("m{index}"), 1, T as f64))
        .collect();
    write(&to, "metrics:raw", &records).await;
    let pace = super::Pace {
        chunk: 100,
        points: 500,
        most_points: 1000,
        ..quick()
    };
    let feed = run(&server, &fake, EXPIRY, pace);
    emptied(&to, "metrics:raw").await;
    feed.stop().await;
    assert_eq!(kept.counts().len(), 5000);
    let blocks = kept.kinds().len();
    assert!((4..=5).contains(&blocks), "{blocks}");
}
