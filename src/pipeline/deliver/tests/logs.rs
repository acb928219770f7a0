use super::*;
use crate::component::output::LogEntry;
use crate::pipeline::fakes::{log, log_block_of};

async fn bench(bulk_size: usize) -> Bench<LogEntry> {
    let mut output = ScriptedOutput::new();
    output.traits.takes = BlockKind::Logs;
    output.traits.repeat_harmless = false;
    Bench::of(output, bulk_size).await
}

impl Bench<LogEntry> {
    async fn logs(&self, time: i64, names: impl IntoIterator<Item = String>) {
        let records: Vec<_> = names.into_iter().map(|name| log(&name, time)).collect();
        let block = log_block_of(&records, self.stamp(time));
        let _ = self.journal.append(block).await.unwrap();
    }
}

fn numbered(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|index| format!("m{index}"))
}

#[tokio::test]
async fn logs_go_as_points_do_and_points_are_not_theirs() {
    let mut bench = bench(100).await;
    assert_eq!(bench.board.facts().outputs["test"].takes, BlockKind::Logs);
    bench.append(&[point("p", PointKind::Gauge, NOW - 10, 1.0)]).await;
    bench.logs(NOW - HOUR, ["old".to_string()]).await;
    bench.logs(NOW - 10, ["new".to_string()]).await;
    bench.turn().await;
    assert_eq!(bench.names(), ["new", "old"]);
    assert_eq!(bench.journal.totals(), (3, 2, 1, 0, 0));
    let facts = bench.board.facts().outputs["test"].clone();
    assert_eq!(facts.balance.keys().collect::<Vec<_>>(), [&BlockKind::Logs]);
    assert_eq!(facts.balance[&BlockKind::Logs].delivered, 2);
}

#[tokio::test]
async fn a_request_holds_a_thousand_logs_however_many_points_it_may() {
    let mut bench = bench(10_000).await;
    bench.logs(NOW - 10, numbered(2_500)).await;
    bench.turn().await;
    assert_eq!(bench.output.requests(), [(1000, true), (1000, true), (500, true)]);
    assert_eq!(bench.journal.totals(), (2500, 2500, 0, 0, 0));
}

#[tokio::test]
async fn one_refused_log_is_set_aside_and_the_rest_sent_once() {
    let mut bench = bench(1_000).await;
    let names = numbered(500).map(|name| {
        if name == "m123" {
            "poison".to_string()
        } else {
            name
        }
    });
    bench.logs(NOW - 10, names).await;
    bench.turn().await;
    let mut names = bench.names();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), bench.names().len()), (499, 499));
    assert_eq!(bench.journal.totals(), (500, 499, 0, 0, 1));
    assert_eq!(bench.state(), OutputState::Active);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_down_to_one_log() {
    let mut bench = bench(1_000).await;
    let too_large = || {
        Answer::Fail(crate::component::output::SendError::TooLarge {
            reason: "413".to_string(),
        })
    };
    bench.logs(NOW - 10, numbered(5)).await;
    bench.output.script([too_large(), too_large()]);
    bench.turn().await;
    assert_eq!(bench.journal.totals(), (5, 5, 0, 0, 0));
    assert_eq!(bench.names(), ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(bench.delivery.shrink, 4);
}

#[tokio::test]
async fn a_cut_log_is_counted_once_when_it_is_taken() {
    let mut bench = bench(100).await;
    bench
        .logs(
            NOW - 10,
            ["long1", "short", "long2", "poison-long"].map(String::from),
        )
        .await;
    bench.output.script([Answer::retry(None), Answer::retry(None)]);
    for _ in 0..5 {
        bench.after(60).await;
    }
    assert_eq!(bench.journal.totals(), (4, 3, 0, 0, 1));
    assert_eq!(bench.board.facts().outputs["test"].cut, 2);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_may_have_arrived_is_sent_again_and_counted() {
    let mut bench = bench(100).await;
    bench.logs(NOW - 10, ["a".to_string()]).await;
    bench.output.script([Answer::Hang]);
    bench.turn().await;
    bench.after(2).await;
    assert_eq!(bench.names(), ["a"]);
    assert_eq!(bench.board.facts().outputs["test"].resent, 1);
    assert_eq!(bench.journal.totals(), (1, 1, 0, 0, 0));
}

#[tokio::test]
async fn blocks_that_come_to_light_behind_those_that_were_read_are_sent() {
    let mut bench = bench(100).await;
    bench.logs(NOW - 10, ["a".to_string()]).await;
    bench.logs(NOW - HOUR, ["b".to_string()]).await;
    bench.turn().await;
    let hidden = |time| log_block_of(&[log("hidden", time)], bench.stamp(time));
    bench.journal.reveal(hidden(NOW - 10));
    bench.after(1).await;
    assert_eq!(bench.names(), ["a", "b", "hidden"]);
    let hidden = log_block_of(&[log("older", NOW - HOUR)], bench.stamp(NOW - HOUR));
    bench.journal.reveal(hidden);
    bench.after(1).await;
    assert_eq!(bench.names(), ["a", "b", "hidden", "older"]);
    assert_eq!(bench.journal.totals(), (4, 4, 0, 0, 0));
}
