//! The running agent against the stub of Datadog's intake: whatever it answers, in the end every point that the
//! journal held has arrived once, or is accounted for.

use std::collections::BTreeMap;
use std::fs;

use crate::support::account::{self, Account, output_state, reading, wait_for_state};
use crate::support::backlog::Backlog;
use crate::support::intake::{Answer, KEY, Request};
use crate::support::wait::{PATIENCE, wait_for};

const WRONG: &str = "ffffffffffffffffffffffffffffffff";

/// Answers that pass are in line, then everything is taken: it has to arrive completely.
fn arrives_after(version: &str, output: &str, answers: Vec<Answer>) -> (Backlog, Account) {
    let mut backlog = Backlog::gather(version, output);
    backlog.intake.then(answers);
    backlog.resume();
    let account = backlog.all_arrive();
    (backlog, account)
}

/// The output parks at this answer, keeps everything, and delivers once the intake takes requests again.
fn parks_and_recovers(answer: Answer) -> Backlog {
    let mut backlog = Backlog::gather("v2", "");
    backlog.intake.always(answer);
    backlog.resume();
    wait_for_state(&backlog.agent, "parked");
    let parked = Account::of(&backlog.agent).expect("an account");
    assert_eq!((parked.delivered, parked.dropped), (0, BTreeMap::new()));
    // An outage of the destination is no fault of the agent.
    assert!(backlog.agent.answers("/-/ready").is_some());
    backlog.intake.always(Answer::Judge);
    backlog.all_arrive();
    backlog
}

fn headers_are_right(request: &Request, content_type: &str, encoding: &str) {
    assert_eq!(request.header("dd-api-key"), Some(KEY));
    assert_eq!(request.header("content-type"), Some(content_type));
    assert_eq!(request.header("content-encoding"), Some(encoding));
    assert!(!request.path.contains(KEY), "{}", request.path);
}

#[test]
fn what_waited_arrives_once_under_the_right_host_and_tags_with_v2() {
    let (backlog, account) = arrives_after("v2", "", vec![]);
    let requests = backlog.intake.series_requests();
    assert_eq!(requests[0].path, "/api/v2/series");
    headers_are_right(&requests[0], "application/x-protobuf", "zstd");
    assert_eq!(account.resent, 0);
    assert_eq!(backlog.intake.counts().repeated, 0);
    // Points of one series over many windows share one entry.
    let first = &requests[0];
    assert!(
        first.series.len() * 2 <= first.points(),
        "{} points",
        first.points()
    );
}

#[test]
fn what_waited_arrives_once_under_the_right_host_and_tags_with_v1() {
    let (backlog, _) = arrives_after("v1", "", vec![]);
    let requests = backlog.intake.series_requests();
    assert_eq!(requests[0].path, "/api/v1/series");
    headers_are_right(&requests[0], "application/json", "deflate");
    assert_eq!(backlog.intake.counts().repeated, 0);
}

#[test]
fn everything_arrives_after_500s() {
    let (backlog, account) = arrives_after(
        "v2",
        "",
        vec![Answer::Status(500), Answer::Status(503), Answer::Status(500)],
    );
    assert_eq!((account.resent, backlog.intake.counts().repeated), (0, 0));
}

#[test]
fn everything_arrives_after_500s_with_v1() {
    arrives_after("v1", "", vec![Answer::Status(500), Answer::Status(408)]);
}

#[test]
fn a_429_is_not_asked_again_before_its_time() {
    let (backlog, _) = arrives_after("v2", "", vec![Answer::TooMany { retry_after: 4 }]);
    let at = backlog
        .intake
        .series_requests()
        .iter()
        .map(|request| request.at)
        .collect::<Vec<_>>();
    // The intake notes whole seconds; four seconds between two moments are at least four between their floors.
    assert!(at[1] - at[0] >= 4, "{at:?}");
}

fn is_cut_until_it_fits(version: &str, most_bytes: usize) {
    let mut backlog = Backlog::gather(version, "");
    backlog.intake.most_bytes(most_bytes);
    backlog.resume();
    backlog.all_arrive();
    let requests = backlog.intake.series_requests();
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(413))
        .count();
    assert!(
        refused > 0 && requests.len() > refused,
        "{refused} of {}",
        requests.len()
    );
    assert_eq!(backlog.intake.counts().repeated, 0);
}

#[test]
fn a_413_makes_requests_smaller_until_they_are_taken() {
    is_cut_until_it_fits("v2", 900);
}

#[test]
fn a_413_makes_requests_smaller_until_they_are_taken_with_v1() {
    is_cut_until_it_fits("v1", 900);
}

fn loses_one_series(version: &str) {
    const POISONED: &str = "Chouette.host.memory.used";
    let mut backlog = Backlog::gather(version, "");
    backlog.intake.poison(POISONED);
    backlog.resume();
    let account = Account::wait_settled(&backlog.agent);

    let held = backlog.truth.len();
    backlog.truth.retain(|key, _| key.name != POISONED);
    let refused = (held - backlog.truth.len()) as u64;
    assert!(refused > 0);
    let score = backlog.intake.score(&backlog.truth);
    assert!(score.is_perfect(), "{score}");
    assert_eq!(account.dropped, BTreeMap::from([("refused".to_owned(), refused)]));
    assert_eq!(
        (account.wrapped, account.delivered),
        (held as u64, held as u64 - refused)
    );
    assert_eq!(
        backlog.intake.counts().repeated,
        0,
        "what was taken is not sent again"
    );
    let log = backlog.agent.log();
    assert!(log.contains(POISONED), "the log names the series: {log}");
    backlog.nothing_is_left();
}

#[test]
fn a_series_that_is_refused_is_set_aside_and_the_rest_is_delivered() {
    loses_one_series("v2");
}

#[test]
fn a_series_that_is_refused_is_set_aside_and_the_rest_is_delivered_with_v1() {
    loses_one_series("v1");
}

#[test]
fn an_intake_that_refuses_everything_costs_nothing() {
    let backlog = parks_and_recovers(Answer::Status(400));
    let requests = backlog.intake.series_requests();
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(400))
        .count();
    assert!(
        (2..200).contains(&refused),
        "it looks for an offender, and gives up: {refused}"
    );
}

#[test]
fn a_redirect_is_not_followed_and_the_key_stays() {
    let backlog = parks_and_recovers(Answer::Redirect);
    backlog.nothing_went_elsewhere();
}

#[test]
fn a_wrong_address_parks_the_output() {
    parks_and_recovers(Answer::Status(404));
}

#[test]
fn a_new_key_is_used_without_a_restart() {
    let mut backlog = Backlog::gather("v2", "");
    let path = backlog.agent.home().join("key");
    fs::write(&path, format!("{WRONG}\n")).expect("the key's file is written");
    backlog.agent.set("API_KEY", &format!("file:{}", path.display()));
    backlog.resume();
    wait_for_state(&backlog.agent, "parked");
    let parked = Account::of(&backlog.agent).expect("an account");
    assert_eq!((parked.delivered, parked.dropped), (0, BTreeMap::new()));

    fs::write(&path, format!("{KEY}\n")).expect("the key's file is written");
    backlog.all_arrive();
    let log = backlog.agent.log();
    assert!(!log.contains(WRONG) && !log.contains(KEY), "{log}");
}

#[test]
fn errors_in_a_202_are_counted_and_nothing_is_sent_again() {
    let mut backlog = Backlog::gather("v2", "");
    let complaints = vec!["a tag is odd".to_owned(), "another one too".to_owned()];
    backlog.intake.then([Answer::Errors(complaints)]);
    backlog.resume();
    Account::wait_settled(&backlog.agent);
    assert_eq!(
        reading(&backlog.agent, "tawny_output_complaints_total"),
        Some(2.0)
    );
    let log = backlog.agent.log();
    assert!(log.contains("a tag is odd"), "{log}");
    backlog.all_arrive();
    assert_eq!(backlog.intake.counts().repeated, 0);
}

#[test]
fn an_intake_that_hangs_is_asked_again() {
    let (backlog, account) = arrives_after("v2", "timeout: 1s", vec![Answer::Hang, Answer::Hang]);
    assert_eq!(backlog.intake.counts().repeated, 0, "it had taken nothing");
    assert!(account.resent > 0, "but nobody could know: {account:?}");
}

#[test]
fn what_is_sent_twice_because_the_answer_was_lost_is_counted() {
    let (backlog, account) = arrives_after("v2", "", vec![Answer::Lost]);
    let repeated = backlog.intake.counts().repeated;
    assert!(repeated > 0);
    assert_eq!(account.resent, repeated);
}

#[test]
fn half_an_answer_is_none_or_all() {
    let (backlog, account) = arrives_after("v2", "", vec![Answer::HalfClosed]);
    assert_eq!(account.resent, backlog.intake.counts().repeated);
}

#[test]
fn a_refused_connection_is_tried_again() {
    let mut backlog = Backlog::gather("v2", "");
    backlog.resume_without_intake();
    wait_for_state(&backlog.agent, "retrying");
    backlog.intake.up();
    backlog.all_arrive();
}

/// The intake's clock is set so that it forgets, with a 202, whatever is older than 20 s; the agent knows of 8 s.
#[test]
fn what_the_intake_would_forget_is_never_called_delivered() {
    const HISTORICAL: &str = "Chouette.host.la";
    let output = format!("max_age: 8s, historical: [{HISTORICAL}]");
    let mut backlog = Backlog::gather("v2", &output);
    backlog.intake.clock().set_offset(3600 - 20);
    backlog.intake.historical(HISTORICAL);
    let newest = backlog.truth.keys().map(|key| key.time).max().expect("points");
    let now = || backlog.intake.clock().now() - (3600 - 20);
    wait_for("all points to be too old for the agent", PATIENCE, || {
        (now() > newest + 9).then_some(())
    });

    backlog.resume();
    let historical = backlog.truth.keys().filter(|key| key.name == HISTORICAL).count() as u64;
    assert!(historical > 0);
    let account = Account::wait(&backlog.agent, "the historical points", |account| {
        account.delivered == historical
    });
    let wrapped = backlog.truth.len() as u64;
    assert_eq!(
        (account.wrapped, account.pending),
        (wrapped, wrapped - historical)
    );
    assert_eq!(account.dropped, BTreeMap::new());
    assert_eq!(output_state(&backlog.agent).as_deref(), Some("active"));
    assert!(backlog.agent.terminate().success());
    let waits = account::exported(&backlog.agent);
    assert!(waits.iter().all(|point| point.metric != HISTORICAL));
    assert_eq!(waits.len() as u64, wrapped - historical);

    // Then its time-to-live ends.
    backlog.agent.set("METRIC_TTL", "9");
    backlog.resume();
    let account = Account::wait_settled(&backlog.agent);
    assert_eq!(
        account.dropped,
        BTreeMap::from([("too_old".to_owned(), wrapped - historical)])
    );
    backlog.truth.retain(|key, _| key.name == HISTORICAL);
    let score = backlog.intake.score(&backlog.truth);
    assert!(score.is_perfect(), "{score}");
    assert_eq!(backlog.intake.counts().too_old, 0);
    backlog.nothing_is_left();
}
