//! Kills at random times, while the intake fails and recovers in random ways: what was journalled arrives once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::account::{self, Account};
use crate::support::backlog::{GLOBAL, HOST, hasty_agent, settings};
use crate::support::intake::{Answer, Intake, PointKey};
use crate::support::wait::pause_random;

/// How long the agent is killed again and again.
const CHAOS: Duration = Duration::from_secs(60);

/// What the intake does for a while.
fn misbehave(intake: &Intake, random: &mut fastrand::Rng) {
    let answer = match random.u8(0..7) {
        0 => Answer::Status(500),
        1 => Answer::Lost,
        2 => Answer::Hang,
        3 => Answer::HalfClosed,
        4 => return intake.down(),
        _ => Answer::Judge,
    };
    intake.always(answer);
    intake.up();
}

/// The seed of this run: a new one, or the one that a failed run has printed.
fn seed() -> u64 {
    match std::env::var("TAWNY_TEST_SEED") {
        Ok(seed) => seed.parse().expect("TAWNY_TEST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    }
}

/// Adds what waits in the journal to what has to arrive.
fn learn(truth: &mut BTreeMap<PointKey, f64>, found: BTreeMap<PointKey, f64>) {
    for (key, value) in found {
        let known = truth.entry(key.clone()).or_insert(value);
        assert_eq!(
            known.to_bits(),
            value.to_bits(),
            "{key:?} has changed in the journal"
        );
    }
}

#[test]
fn a_minute_of_kills_loses_nothing_and_doubles_nothing() {
    let seed = seed();
    eprintln!("TAWNY_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let intake = Intake::start();
    let mut agent = hasty_agent(&intake, "v2");
    let mut truth = BTreeMap::new();
    let mut kills = 0;

    let end = Instant::now() + CHAOS;
    while Instant::now() < end {
        // However seldom the journal is brought to its medium, a kill of the process alone must cost nothing.
        let sync = if random.bool() { "batch" } else { "30s" };
        agent.configure(&format!("journal: {{sync: {sync}}}\n{}", settings(true, "")));
        agent.launch();
        // A window of one second is journalled three seconds after it began at the soonest.
        let killed = Instant::now() + Duration::from_millis(random.u64(500..9000));
        while Instant::now() < killed {
            misbehave(&intake, &mut random);
            pause_random(&mut random, 20..1200);
        }
        agent.kill_9();
        kills += 1;
        let waits = account::exported(&agent);
        learn(&mut truth, account::truth(&waits, HOST, &GLOBAL));
    }
    assert!(kills >= 6, "{kills} kills");

    // Everything recovers, and the agent only delivers.
    intake.always(Answer::Judge);
    intake.up();
    agent.configure(&settings(false, ""));
    agent.start_again();
    let account = Account::wait_settled(&agent);
    assert!(agent.terminate().success());
    assert_eq!(account::exported(&agent).len(), 0, "points that wait");

    assert!(
        truth.len() > 100,
        "{} points were seen in the journal",
        truth.len()
    );
    let score = intake.score(&truth).without_extra();
    assert!(score.is_perfect(), "seed {seed}: {score}");
    let counts = intake.counts();
    assert_eq!(
        (counts.rewritten, counts.too_old, counts.too_far_ahead),
        (0, 0, 0),
        "seed {seed}: {counts:?}"
    );
    // What was delivered between two looks at the journal is in the account all the same.
    let accepted = intake.points().len() as u64;
    assert_eq!(account.dropped, BTreeMap::new(), "seed {seed}");
    assert_eq!(
        (account.wrapped, account.delivered),
        (accepted, accepted),
        "seed {seed}: {account:?}"
    );
    eprintln!(
        "{kills} kills, {accepted} points, {} of them sent twice",
        counts.repeated
    );
}
