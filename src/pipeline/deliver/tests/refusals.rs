use super::*;
use crate::component::output::SendError;

#[tokio::test]
async fn one_refused_series_of_a_thousand_is_set_aside_and_the_rest_sent_once() {
    let mut bench = Bench::with(ScriptedOutput::new(), 5000).await;
    let name = |index| {
        if index == 617 {
            "poison".to_string()
        } else {
            format!("m{index}")
        }
    };
    bench.gauges(NOW - 10, (0..1000).map(name)).await;
    bench.turn().await;
    assert!(
        bench.output.requests().len() <= 22,
        "{}",
        bench.output.requests().len()
    );
    let mut names = bench.names();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), bench.names().len()), (999, 999));
    assert_eq!(bench.journal.totals(), (1000, 999, 0, 0, 1));
    assert_eq!(bench.state(), OutputState::Active);
}

#[tokio::test]
async fn where_everything_is_refused_nothing_is_set_aside_and_the_output_parks() {
    for series in [1, 2, 9, 40] {
        let mut bench = Bench::new().await;
        bench
            .gauges(NOW - 10, (0..series).map(|index| format!("m{index}")))
            .await;
        bench.output.always(Some(Answer::refused()));
        bench.turn().await;
        assert!(matches!(bench.state(), OutputState::Parked { .. }), "{series}");
        assert_eq!(bench.journal.totals(), (series, 0, series, 0, 0));
        bench.after(20).await;
        let tried = bench.output.requests().len();
        bench.after(2).await;
        assert_eq!(bench.output.requests().len(), tried, "it waits half a minute");
        bench.output.always(None);
        bench.after(10).await;
        assert_eq!(bench.state(), OutputState::Active);
        assert_eq!(bench.journal.totals(), (series, series, 0, 0, 0));
    }
}

#[tokio::test]
async fn when_more_than_ten_series_are_refused_the_fault_is_not_theirs() {
    for (poisoned, refused) in [(10, 10), (11, 0)] {
        let mut bench = Bench::with(ScriptedOutput::new(), 5000).await;
        let name = |index| match index % 30 == 0 && index < poisoned * 30 {
            true => format!("poison{index}"),
            false => format!("m{index}"),
        };
        bench.gauges(NOW - 10, (0..500).map(name)).await;
        bench.turn().await;
        assert_eq!(bench.journal.totals().4, refused);
        let parked = matches!(bench.state(), OutputState::Parked { .. });
        assert_eq!(parked, refused == 0);
    }
}

#[tokio::test]
async fn a_bad_key_parks_until_a_probe_and_a_real_request_succeed() {
    let unauthorized = || SendError::Unauthorized {
        reason: "403".to_string(),
    };
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.output.always(Some(Answer::Fail(unauthorized())));
    bench.output.probe_with(Err(unauthorized()));
    bench.turn().await;
    let OutputState::Parked { reason, .. } = bench.state() else {
        panic!("not parked");
    };
    assert_eq!(reason, "the key is not accepted: 403");
    bench.after(31).await;
    assert_eq!((bench.output.requests().len(), bench.output.probes()), (1, 1));

    bench.output.probe_with(Ok(None));
    bench.after(61).await;
    assert_eq!((bench.output.requests().len(), bench.output.probes()), (2, 2));
    assert!(matches!(bench.state(), OutputState::Parked { .. }));

    bench.output.always(None);
    bench.after(121).await;
    assert_eq!(
        (bench.state(), bench.journal.totals()),
        (OutputState::Active, (1, 1, 0, 0, 0))
    );
}

#[tokio::test]
async fn a_wrong_address_parks() {
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.output.script([Answer::Fail(SendError::Misdirected {
        reason: "302 to other".to_string(),
    })]);
    bench.turn().await;
    let OutputState::Parked { next_try, reason } = bench.state() else {
        panic!("not parked");
    };
    assert_eq!(
        reason,
        "this is not the place for it; check the address: 302 to other"
    );
    let wait = next_try.since(Timestamp::from_seconds(NOW));
    assert!(wait > Duration::from_secs(22) && wait <= Duration::from_secs(30));
}

#[tokio::test]
async fn too_large_requests_shrink_and_grow_again() {
    let mut output = ScriptedOutput::new();
    output.series_limit = 8;
    let mut bench = Bench::with(output, 1000).await;
    let too_large = || {
        Answer::Fail(SendError::TooLarge {
            reason: "413".to_string(),
        })
    };
    bench.output.script([too_large(), too_large()]);
    bench
        .gauges(NOW - 10, (0..220).map(|index| format!("m{index}")))
        .await;
    bench.turn().await;
    let sizes: Vec<usize> = bench.output.requests().iter().map(|request| request.0).collect();
    assert_eq!(sizes[..4], [8, 4, 2, 2]);
    assert_eq!(sizes[2..52], [2; 50]);
    assert_eq!(sizes[52], 4, "after fifty requests");
    assert_eq!(bench.journal.totals(), (220, 220, 0, 0, 0));
}
