use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::reading::{METRICS, RAM_USED, TEMPERATURE};
use super::*;

/// Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

const MIB: f64 = 1024.0 * 1024.0;

/// A folder with a program that does what `behaviour` says. The program is a link to one that was there before: a file
/// that another thread's child still has open for writing cannot be executed.
fn folder(behaviour: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tegrastats.sh");
    symlink(program, folder.path().join("tegrastats")).unwrap();
    fs::write(folder.path().join("behaviour"), behaviour).unwrap();
    folder
}

fn roots(folder: &TempDir) -> Roots {
    let below = |name| folder.path().join(name);
    Roots::new(below("proc"), below("sys"), below("root"))
}

fn section(folder: &TempDir) -> Section {
    let path = folder.path().join("tegrastats");
    Section::new("collectors.tegrastats", json!({"path": path}))
}

fn collector(folder: &TempDir) -> Tegrastats {
    let mut problems = Problems::default();
    let made = build(&section(folder), roots(folder), &mut problems);
    assert_eq!(problems, Problems::default());
    made.unwrap()
}

async fn collect(collector: &mut Tegrastats) -> (Samples, Result<(), CollectError>) {
    let mut samples = Samples::default();
    let result = timeout(PATIENCE, collector.collect(&mut samples)).await;
    (samples, result.expect("a collection ends"))
}

fn text(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

fn unreachable(folder: &TempDir, reason: &str) -> Result<(), CollectError> {
    Err(CollectError::Unreachable {
        target: folder.path().join("tegrastats").display().to_string(),
        reason: reason.to_string(),
    })
}

#[tokio::test]
async fn one_process_serves_many_collections_with_its_newest_line() {
    let folder = folder(
        "echo \"$*\" >> \"$here/starts\"; n=0
         while :; do n=$((n+1)); echo \"RAM $n/3964MB\"; sleep 0.01; done",
    );
    let mut collector = collector(&folder);
    let mut seen = Vec::new();
    let collecting = async {
        while seen.len() < 4 {
            let (samples, result) = collect(&mut collector).await;
            assert_eq!(result, Ok(()));
            seen.push(samples.get(&RAM_USED, &[]).unwrap());
            seen.dedup();
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, collecting).await.expect("lines go on");
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(text(&folder, "starts"), "--interval 1000\n");
}

#[tokio::test]
async fn a_program_that_ends_is_told_and_started_again() {
    let folder = folder(
        "echo started >> \"$here/starts\"
         if [ $(wc -l < \"$here/starts\") = 1 ]; then echo 'lost the device' >&2; exit 7; fi
         echo RAM 2/4MB; exec sleep 1000",
    );
    let mut collector = collector(&folder);
    let (samples, result) = collect(&mut collector).await;
    let reason = "it ended (exit status: 7), and said `lost the device`; it is started again";
    assert_eq!((samples.len(), result), (0, unreachable(&folder, reason)));
    let again = async {
        loop {
            let (samples, result) = collect(&mut collector).await;
            if result.is_ok() {
                return samples.get(&RAM_USED, &[]);
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(PATIENCE, again).await, Ok(Some(2.0 * MIB)));
    assert_eq!(text(&folder, "starts"), "started\nstarted\n");
}

#[tokio::test]
async fn a_line_that_was_written_before_the_end_is_given_beside_the_error() {
    let folder = folder("echo RAM 3/4MB; exit 0");
    let mut collector = collector(&folder);
    let ended = async {
        loop {
            let (samples, result) = collect(&mut collector).await;
            assert_eq!(samples.get(&RAM_USED, &[]), Some(3.0 * MIB));
            match result {
                Ok(()) => tokio::task::yield_now().await,
                ended => return ended,
            }
        }
    };
    let reason = "it ended (exit status: 0); it is started again";
    assert_eq!(timeout(PATIENCE, ended).await, Ok(unreachable(&folder, reason)));
}

#[tokio::test]
async fn a_flood_without_an_end_of_line_is_cut_off() {
    let folder = folder("exec tr '\\000' x < /dev/zero");
    let reason = "it wrote a line of more than 16384 bytes; it is started again";
    assert_eq!(
        collect(&mut collector(&folder)).await.1,
        unreachable(&folder, reason)
    );
}

#[tokio::test]
async fn the_first_collection_waits_for_the_first_line() {
    let folder = folder(
        "echo started >> \"$here/starts\"
         while [ ! -f \"$here/go\" ]; do sleep 0.01; done; echo CPU@-40C; exec sleep 1000",
    );
    let mut collector = collector(&folder);
    let mut samples = Samples::default();
    let given_up = timeout(Duration::ZERO, collector.collect(&mut samples)).await;
    assert!(given_up.is_err());
    fs::write(folder.path().join("go"), "").unwrap();
    let (samples, result) = collect(&mut collector).await;
    assert_eq!(
        (samples.get(&TEMPERATURE, &["CPU"]), result),
        (Some(-40.0), Ok(()))
    );
    assert_eq!(text(&folder, "starts"), "started\n");
}

#[tokio::test]
async fn an_old_line_is_no_news() {
    let folder = folder("echo RAM 3/4MB; exec sleep 1000");
    let mut collector = collector(&folder);
    assert_eq!(collect(&mut collector).await.1, Ok(()));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(14)).await;
    let mut samples = Samples::default();
    let result = collector.collect(&mut samples).await;
    // The listener may have given it up already.
    let reasons = [
        "its newest line is older than 13s",
        "it wrote no line for 13s; it is started again",
    ];
    assert!(
        reasons
            .iter()
            .any(|reason| result == unreachable(&folder, reason)),
        "{result:?}"
    );
    assert_eq!(samples.len(), 0);
}

#[tokio::test]
async fn a_program_that_may_not_be_executed_is_told_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tegrastats");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    let target = path.display().to_string();
    assert_eq!(
        collect(&mut collector(&folder)).await.1,
        Err(CollectError::Forbidden {
            target: target.clone(),
            reason: "let the agent's user execute it, or set `path` to where it may".to_string()
        })
    );
    let unreadable = Sighting::Unreadable {
        remedy: format!("let the agent's user execute it: chmod a+x {target}"),
        what: target.clone(),
    };
    assert_eq!(find(&section(&folder), &roots(&folder)), unreadable);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let readable = Sighting::Readable { what: target };
    assert_eq!(find(&section(&folder), &roots(&folder)), readable);
}

/// As a host's program in an image without its loader: the file is there, and cannot be found when it is started.
#[tokio::test]
async fn a_program_that_cannot_run_here_gives_way_to_the_kernels_files() {
    let folder = tempfile::tempdir().unwrap();
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/support/tegrastats_without_loader.sh"
    );
    symlink(program, folder.path().join("tegrastats")).unwrap();
    let mut collector = collector(&folder);
    let reason = "there is no such program, or not what it needs to run, and this device is no Jetson, so set `path` to \
                  where tegrastats is or leave the collector out";
    assert_eq!(collect(&mut collector).await.1, unreachable(&folder, reason));
    for (path, text) in [
        (
            "proc/device-tree/compatible",
            "nvidia,p3450-0000\0nvidia,tegra210\0",
        ),
        ("proc/meminfo", "MemTotal: 4096 kB\nMemFree: 1024 kB\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (samples, result) = collect(&mut collector).await;
    assert_eq!((samples.get(&RAM_USED, &[]), result), (Some(3.0 * MIB), Ok(())));
}

#[tokio::test]
async fn a_jetson_without_the_program_is_found_and_no_other_machine_is() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let found = || find(&section(&folder), &roots(&folder));
    write("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    write("sys/class/thermal/thermal_zone0/temp", "45000\n");
    assert_eq!(found(), Sighting::Absent);
    write(
        "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/in1_label",
        "VDD_IN\n",
    );
    assert_eq!(found(), Sighting::Absent);
    write(
        "proc/device-tree/compatible",
        "friendlyarm,nanopi\0rockchip,rk3588\0",
    );
    assert_eq!(found(), Sighting::Absent);
    let readable = Sighting::Readable {
        what: "the Jetson's files below /sys".to_string(),
    };
    write(
        "proc/device-tree/compatible",
        "nvidia,p3450-0000\0nvidia,tegra210\0",
    );
    assert_eq!(found(), readable);
    write("proc/device-tree/compatible", "");
    write("sys/devices/gpu.0/load", "0\n");
    assert_eq!(found(), readable);
    assert_eq!(
        find(
            &Section::new("tegrastats", json!({"metrics": []})),
            &roots(&folder)
        ),
        Sighting::Absent
    );
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let value: Value = serde_saphyr::from_str(SAMPLE).unwrap();
    let mut problems = Problems::default();
    let shown = Settings::read(&Section::new("tegrastats", value.clone()), &mut problems).unwrap();
    let defaults = Settings::read(&Section::new("tegrastats", Value::Null), &mut problems).unwrap();
    assert_eq!((&shown, problems), (&defaults, Problems::default()));
    assert_eq!(effective(&Section::new("tegrastats", Value::Null)), Some(value));
}

#[test]
fn each_metric_is_declared_once_and_well() {
    let names: BTreeSet<_> = METRICS.iter().map(|def| def.name).collect();
    let dotted: BTreeSet<_> = METRICS.iter().filter_map(|def| def.dotted).collect();
    assert_eq!((names.len(), dotted.len()), (METRICS.len(), METRICS.len()));
    for def in METRICS {
        assert!(def.labels.is_sorted() && def.help.ends_with('.'), "{}", def.name);
        assert!(def.name.starts_with("tegrastats_"), "{}", def.name);
        assert!(
            def.dotted.unwrap().starts_with("Chouette.tegrastats."),
            "{}",
            def.name
        );
    }
}
