//! The journal's medium: full, in use by another process, not to be written at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::account::{self, Account, reading};
use crate::support::agent::{Agent, tawny};
use crate::support::backlog::{GLOBAL, HOST, hasty_agent, settings};
use crate::support::http;
use crate::support::intake::{Intake, KEY};
use crate::support::services::skip;
use crate::support::wait::{PATIENCE, wait_for};

/// A small filesystem in memory; it is gone with this value.
struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this size; `None`, and a skip, where that is not allowed.
    fn mount(place: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(place).expect("the mount point is made");
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0700"),
                "tawny-test",
            ])
            .arg(place)
            .output();
        let why = match mounted {
            Ok(done) if done.status.success() => {
                return Some(Self {
                    place: place.to_owned(),
                });
            }
            Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        skip(&format!("a small filesystem cannot be mounted: {why}"));
        None
    }

    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = File::options()
            .append(true)
            .create(true)
            .open(self.ballast())
            .expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that still has files there keeps them; nobody else sees them any more.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let intake = Intake::start();
    let mut agent = hasty_agent(&intake, "v2");
    let Some(disk) = SmallDisk::mount(&agent.journal(), "4m") else {
        return;
    };
    agent.configure(&settings(true, "").replace("collectors", "journal: {bound: 2MiB}\ncollectors"));
    agent.start_again();
    Account::wait(&agent, "the first points to arrive", |account| {
        account.delivered > 0
    });

    // From here on nothing is delivered, so that the journal has to grow.
    intake.down();
    disk.fill();
    let ready = || http::get(&agent.url("/-/ready"), &[]).expect("the agent lives");
    let told = wait_for("the agent to say that it is not ready", PATIENCE, || {
        disk.fill();
        Some(ready()).filter(|answer| answer.status != 200)
    });
    assert_eq!(told.status, 503);
    let why = told.text();
    assert!(
        why.contains("journal") && why.contains("No space left on device"),
        "{why}"
    );
    assert_eq!(reading(&agent, "tawny_ready"), Some(0.0));
    assert_eq!(reading(&agent, "tawny_journal_writable"), Some(0.0));
    assert!(agent.answers("/-/healthy").is_some());

    // Some windows more wait in memory meanwhile.
    let closed = || reading(&agent, "tawny_windows_closed_total").expect("a count");
    let before = closed();
    wait_for("windows to close", PATIENCE, || {
        (closed() >= before + 4.0).then_some(())
    });
    disk.make_room();
    wait_for("the agent to be ready again", PATIENCE, || {
        (ready().status == 200).then_some(())
    });
    assert_eq!(reading(&agent, "tawny_journal_writable"), Some(1.0));
    intake.up();
    let wrapped = Account::of(&agent).expect("an account").wrapped;
    Account::wait(&agent, "what waited to arrive", |account| {
        account.delivered >= wrapped
    });

    // Nothing was lost: every second of every gauge is there.
    assert_eq!(reading(&agent, "tawny_lost_items_total").unwrap_or(0.0), 0.0);
    assert!(agent.terminate().success());
    let waits = account::truth(&account::exported(&agent), HOST, &GLOBAL);
    let points = intake.points();
    let seen = points.keys().chain(waits.keys());
    let mut times = seen
        .filter(|key| key.name == "Chouette.host.memory.used")
        .map(|key| key.time)
        .collect::<Vec<_>>();
    times.sort_unstable();
    times.dedup();
    let longest = times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .expect("points");
    assert!(longest <= 3, "a gap of {longest} s: {times:?}");
}

#[test]
fn a_second_process_is_told_who_has_the_journal() {
    let intake = Intake::start();
    let mut first = hasty_agent(&intake, "v2");
    first.configure(&settings(true, ""));
    first.start_again();
    let mut second = Agent::new(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &intake.datadog_url()),
        ("TAWNY_JOURNAL_DIR", &first.journal().display().to_string()),
    ]);
    second.launch();
    let status = second.wait_exit();
    assert_eq!(status.code(), Some(1));
    let log = second.log();
    let id = first.id();
    assert!(log.contains(&format!("process {id}")), "it names {id}: {log}");
    assert!(log.contains("TAWNY_JOURNAL_DIR"), "it says what to do: {log}");
    // The first one is not disturbed.
    let before = Account::of(&first).map_or(0, |account| account.delivered);
    Account::wait(&first, "further points to arrive", |account| {
        account.delivered > before
    });
    assert!(first.terminate().success());
}

#[test]
fn the_journal_can_be_read_while_an_agent_has_it() {
    let intake = Intake::start();
    intake.down();
    let mut agent = hasty_agent(&intake, "v2");
    agent.configure(&settings(true, ""));
    agent.start_again();
    let account = Account::wait(&agent, "some points", |account| account.pending > 0);
    assert!(account::exported(&agent).len() as u64 >= account.pending);
    for command in [&["journal"][..], &["journal", "verify"]] {
        let output = agent.command_output(command);
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stdout.is_empty(), "{command:?} says something");
    }
}

#[test]
fn a_journal_that_cannot_be_written_is_a_clear_error() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("file");
    fs::write(&file, "no directory").expect("a file");
    let place = file.join("journal").display().to_string();
    let variables = [
        ("API_KEY", KEY),
        ("DATADOG_URL", "http://127.0.0.1:9/api"),
        ("TAWNY_JOURNAL_DIR", place.as_str()),
    ];
    let output = tawny(&["run"], &variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&place), "it names the place: {said}");
    assert!(said.contains("Not a directory"), "it says why: {said}");
}
