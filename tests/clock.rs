//! A clock that is wrong, under the running agent: `libfaketime` shows it another wall clock, and leaves the time since
//! boot alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::account::{self, Account, Exported, reading};
use crate::support::agent::Agent;
use crate::support::backlog::{GLOBAL, HOST, hasty_agent, settings};
use crate::support::intake::{Answer, Intake, PointKey};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

const YEAR: i64 = 365 * 86_400;

/// A device with a clock that the test sets.
struct Device {
    agent: Agent,
    intake: Intake,
    /// The file with the seconds that its clock is ahead of the right one.
    offset: PathBuf,
    /// When the agent was first started, by the right clock.
    began: i64,
}

/// The right clock, unix seconds.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("this machine is past 1970");
    i64::try_from(since.as_secs()).expect("seconds fit")
}

impl Device {
    /// A device whose clock is `offset` seconds ahead, and whose intake is out of order; `None` without libfaketime.
    fn boot(offset: i64) -> Option<Self> {
        let library = need(Service::Faketime)?;
        let intake = Intake::start();
        intake.always(Answer::Status(500));
        let agent = hasty_agent(&intake, "v2");
        let mut device = Self {
            offset: agent.home().join("offset"),
            agent,
            intake,
            began: now(),
        };
        device.set_clock(offset);
        let file = device.offset.display().to_string();
        let agent = &mut device.agent;
        agent.set("LD_PRELOAD", &library.display().to_string());
        agent.set("FAKETIME_TIMESTAMP_FILE", &file);
        agent.set("FAKETIME_NO_CACHE", "1");
        agent.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        agent.configure(&settings(true, ""));
        agent.start_again();
        Some(device)
    }

    /// Sets the running device's clock.
    fn set_clock(&self, offset: i64) {
        // In one step: a file that is being written would be read as no offset.
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{offset:+}\n")).expect("the offset is written");
        fs::rename(&new, &self.offset).expect("the offset is put in place");
    }

    /// Waits until the agent has closed this many more windows.
    fn runs_for(&self, windows: u32) {
        let closed = || reading(&self.agent, "tawny_windows_closed_total");
        let before = closed().unwrap_or(0.0);
        wait_for(&format!("{windows} windows"), PATIENCE, || {
            closed().filter(|closed| *closed >= before + f64::from(windows))
        });
    }

    /// Waits until the agent believes its clock, or does not.
    fn wait_believed(&self, believed: bool) {
        let wanted = f64::from(u8::from(believed));
        wait_for("the agent's judgement of its clock", PATIENCE, || {
            (reading(&self.agent, "tawny_clock_believed") == Some(wanted)).then_some(())
        });
    }

    /// Stops the agent, lets it deliver what it has, and checks that all of it arrived with times of the true run.
    fn all_arrives_in_time(mut self, least: usize) {
        assert!(self.agent.terminate().success());
        let ended = now();
        self.set_clock(0);
        let waits = account::exported(&self.agent);
        assert!(waits.len() >= least, "{} points wait", waits.len());
        assert_eq!(
            self.intake.points(),
            BTreeMap::new(),
            "the intake took nothing yet"
        );

        self.intake.always(Answer::Judge);
        self.agent.configure(&settings(false, ""));
        self.agent.start_again();
        let account = Account::wait_settled(&self.agent);
        assert!(self.agent.terminate().success());

        assert_eq!(account.dropped, BTreeMap::new(), "{account:?}");
        assert_eq!(
            (account.wrapped, account.delivered),
            (waits.len() as u64, waits.len() as u64)
        );
        let points = self.intake.points();
        assert_eq!(
            counts(points.keys().cloned()),
            counts(waits.iter().map(key)),
            "points of each series"
        );
        let counts = self.intake.counts();
        assert_eq!(
            (counts.rewritten, counts.too_old, counts.too_far_ahead),
            (0, 0, 0),
            "{counts:?}"
        );
        let astray = points
            .keys()
            .filter(|key| key.time < self.began - 1 || key.time > ended + 1);
        let astray = astray.map(|key| (&key.name, key.time)).collect::<Vec<_>>();
        assert!(astray.is_empty(), "outside {}..={ended}: {astray:?}", self.began);
        // They are spread over the run as they were collected, and not piled up.
        let memory = points
            .keys()
            .filter(|key| key.name == "Chouette.host.memory.used");
        let times = memory.map(|key| key.time).collect::<Vec<_>>();
        let span = times.last().expect("points") - times.first().expect("points");
        assert!(span + 2 >= times.len() as i64, "{times:?}");
    }
}

fn key(point: &Exported) -> PointKey {
    point.key(HOST, &GLOBAL)
}

/// How many points each series has, whatever their times.
fn counts(keys: impl Iterator<Item = PointKey>) -> BTreeMap<PointKey, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(PointKey { time: 0, ..key }).or_default() += 1;
    }
    counts
}

#[test]
fn a_device_that_boots_in_1970_loses_nothing_and_gets_its_times_right() {
    // A minute after midnight.
    let Some(device) = Device::boot(60 - now()) else {
        return;
    };
    device.wait_believed(false);
    device.runs_for(15);
    assert_eq!(
        device.intake.series_requests().len(),
        0,
        "nothing is sent by such a clock"
    );
    assert!(device.agent.answers("/-/ready").is_some());

    device.set_clock(0);
    device.wait_believed(true);
    device.runs_for(5);
    device
        .intake
        .wait_until("a request", PATIENCE, |ledger| !ledger.requests.is_empty());
    device.all_arrives_in_time(200);
}

#[test]
fn a_clock_that_jumps_a_year_ahead_and_back_loses_nothing() {
    let Some(device) = Device::boot(0) else { return };
    device.wait_believed(true);
    device.runs_for(5);
    device.set_clock(YEAR);
    device.wait_believed(false);
    device.runs_for(5);
    device.set_clock(0);
    device.wait_believed(true);
    device.runs_for(5);
    device.all_arrives_in_time(150);
}

#[test]
fn a_device_that_has_no_time_until_it_is_stopped_delivers_at_its_next_start() {
    let Some(device) = Device::boot(60 - now()) else {
        return;
    };
    device.runs_for(8);
    // The clock is put right while the agent is away. Its next start is in the same boot, so the time since that tells
    // when these points were made.
    device.all_arrives_in_time(80);
}
