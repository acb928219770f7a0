use super::*;

#[tokio::test]
async fn logs_that_no_output_takes_are_dropped_and_counted() {
    let bench = Bench::taking(
        Clock::manual(Timestamp::from_seconds(NOW)),
        Arc::default(),
        true,
        false,
    );
    let records = vec![log("one", NOW - 5), log("two", NOW - 7)];
    let taken = bench.hands.take(Handed::Logs(records), &bare(1)).await;
    assert!(taken.unwrap().is_empty());
    assert_eq!(bench.journal.appended().len(), 0);
    assert_eq!(bench.board.facts().lost, BTreeMap::from([("no_output", 2)]));
}
