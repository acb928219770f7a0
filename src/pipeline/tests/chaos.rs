//! A destination that fails in every way, a journal that is full at times, and a process that is killed at any moment.

use super::*;
use crate::component::output::SendError;
use crate::journal::points::decode;

fn any_answer(random: &mut fastrand::Rng) -> Option<Answer> {
    let reason = String::new;
    let after = random.bool().then(|| Duration::from_secs(random.u64(0..120)));
    match random.u8(0..9) {
        0 => Some(Answer::Fail(SendError::Retry {
            after,
            reason: reason(),
        })),
        1 => Some(Answer::Fail(SendError::Unanswered { reason: reason() })),
        2 => Some(Answer::Fail(SendError::TooLarge { reason: reason() })),
        3 => Some(Answer::Fail(SendError::Unauthorized { reason: reason() })),
        4 => Some(Answer::Fail(SendError::Misdirected { reason: reason() })),
        5 => Some(Answer::refused()),
        _ => None,
    }
}

#[tokio::test]
async fn whatever_fails_every_appended_point_is_accepted_once() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (journal, output) = parts();
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let mut device = Device::start(clock.clone(), NOW, journal.clone(), output.clone());
        for _ in 0..600 {
            if random.u8(..) < 12 {
                output.always(any_answer(&mut random));
            }
            if random.u8(..) < 4 {
                // A kill: what was in memory is gone.
                journal.fail(false);
                device = Device::start(clock.clone(), device.truth, journal.clone(), output.clone());
            }
            if random.u8(..) < 30 {
                let late = device.clock.now().before(Duration::from_secs(random.u64(0..100)));
                device.windows.record(late, 1.0);
            }
            device.live(1).await;
        }
        output.always(None);
        for _ in 0..140 {
            device.clock.advance(Duration::from_secs(9));
            device.live(1).await;
        }
        device.finish().await;

        let mut appended = Vec::new();
        for block in journal.appended() {
            let points = decode(&block.payload).unwrap().into_iter();
            appended.extend(points.map(|point| (point.time, point.value as i64)));
        }
        let accepted = output.accepted().into_iter();
        let mut accepted: Vec<(i64, i64)> = accepted.map(|point| (point.1, point.2 as i64)).collect();
        appended.sort_unstable();
        accepted.sort_unstable();
        assert_eq!(accepted, appended, "seed {seed}");
        let wrapped = appended.len() as u64;
        assert_eq!(journal.totals(), (wrapped, wrapped, 0, 0, 0), "seed {seed}");
    }
}

#[tokio::test]
async fn a_journal_that_is_full_at_times_loses_nothing_and_nothing_is_sent_twice() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (journal, output) = parts();
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let mut device = Device::start(clock, NOW, journal.clone(), output.clone());
        for _ in 0..600 {
            if random.u8(..) < 20 {
                journal.fail(random.bool());
            }
            if random.u8(..) < 12 {
                output.always(any_answer(&mut random));
            }
            device.live(1).await;
        }
        journal.fail(false);
        output.always(None);
        for _ in 0..140 {
            device.clock.advance(Duration::from_secs(9));
            device.live(1).await;
        }
        device.finish().await;
        let accepted = output.accepted();
        assert_eq!(
            accepted.iter().map(|point| point.2).sum::<f64>(),
            device.recorded,
            "seed {seed}"
        );
        let seconds: BTreeSet<i64> = accepted.iter().map(|point| point.1).collect();
        assert_eq!(seconds.len(), accepted.len(), "seed {seed}");
        let wrapped = accepted.len() as u64;
        assert_eq!(journal.totals(), (wrapped, wrapped, 0, 0, 0), "seed {seed}");
    }
}
