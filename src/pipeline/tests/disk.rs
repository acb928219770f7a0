//! The same with the journal on disk, which is opened again after every reboot and kill.

use std::path::Path;

use super::*;
use crate::journal::disk::{DiskJournal, DiskSettings, Sync};

fn open(folder: &Path, clock: &Clock) -> Arc<dyn Journal> {
    let settings = DiskSettings {
        directory: folder.to_path_buf(),
        bound: 1 << 20,
        sync: Sync::Every(Duration::from_secs(300)),
        outputs: vec![OutputId::new("test")],
    };
    Arc::new(DiskJournal::open(settings, clock.clone()).unwrap())
}

#[tokio::test]
async fn a_boot_in_1970_that_ends_before_it_is_sent_is_dated_after_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = Arc::new(ScriptedOutput::new());
    output.always(Some(Answer::retry(None)));
    let clock = Clock::manual(Timestamp::from_seconds(0));
    let mut device = Device::start(clock.clone(), NOW, open(folder.path(), &clock), output.clone());
    device.live(300).await;
    clock.step_to(Timestamp::from_seconds(device.truth));
    device.live(20).await;
    device.closer.finish().await;
    let (truth, recorded) = (device.truth, device.recorded);
    drop(device);

    clock.reboot_at(Timestamp::from_seconds(0));
    output.always(None);
    let mut device = Device::start(clock.clone(), truth, open(folder.path(), &clock), output);
    device.live(60).await;
    assert_eq!(device.output.accepted(), []);
    clock.step_to(Timestamp::from_seconds(device.truth));
    device.live(30).await;
    device.finish().await;
    device.assert_complete(NOW, recorded + device.recorded).await;
}

#[tokio::test]
async fn a_year_ahead_and_back_loses_nothing_on_disk() {
    for restarts in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let output = Arc::new(ScriptedOutput::new());
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let mut device = Device::start(clock.clone(), NOW, open(folder.path(), &clock), output.clone());
        device.live(103).await;
        clock.step_to(Timestamp::from_seconds(device.truth + YEAR));
        device.live(300).await;
        clock.step_to(Timestamp::from_seconds(device.truth));
        let mut recorded = 0.0;
        if restarts {
            device.closer.finish().await;
            recorded = device.recorded;
            let truth = device.truth;
            drop(device);
            device = Device::start(clock.clone(), truth, open(folder.path(), &clock), output);
        }
        device.live(100).await;
        device.finish().await;
        device.assert_complete(NOW, recorded + device.recorded).await;
    }
}

#[tokio::test]
async fn kills_and_outages_lose_and_double_nothing_on_disk() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let output = Arc::new(ScriptedOutput::new());
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let mut device = Device::start(clock.clone(), NOW, open(folder.path(), &clock), output.clone());
        let mut recorded = 0.0;
        for _ in 0..300 {
            if random.u8(..) < 12 {
                output.always(random.bool().then(|| Answer::retry(None)));
            }
            if random.u8(..) < 4 {
                device.closer.finish().await;
                recorded += device.recorded;
                let truth = device.truth;
                drop(device);
                device = Device::start(clock.clone(), truth, open(folder.path(), &clock), output.clone());
            }
            device.live(1).await;
        }
        output.always(None);
        for _ in 0..40 {
            clock.advance(Duration::from_secs(9));
            device.live(1).await;
        }
        device.finish().await;
        let accepted = output.accepted();
        let sum: f64 = accepted.iter().map(|point| point.2).sum();
        assert_eq!(sum, recorded + device.recorded, "seed {seed}");
        let balance = device
            .journal
            .balance(&OutputId::new("test"), BlockKind::Points)
            .await;
        assert_eq!(
            (balance.wrapped, balance.delivered),
            (accepted.len() as u64, accepted.len() as u64)
        );
    }
}
