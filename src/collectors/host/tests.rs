use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A device of files: its `/proc`, `/sys` and `/`.
fn device(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["proc", "sys", "root"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for (path, text) in files {
        write(&folder, path, text);
    }
    folder
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn host(folder: &TempDir, settings: Value) -> Host {
    let below = |name| folder.path().join(name);
    let roots = Roots::new(below("proc"), below("sys"), below("root"));
    let mut problems = Problems::default();
    let host = build(&Section::new("collectors.host", settings), roots, &mut problems);
    assert_eq!(problems, Problems::default());
    host.unwrap()
}

async fn collect(host: &mut Host) -> (Samples, Result<(), CollectError>) {
    let mut samples = Samples::default();
    let result = host.collect(&mut samples).await;
    (samples, result)
}

#[tokio::test]
async fn the_first_cpu_reading_gives_no_share_and_the_second_does() {
    let folder = device(&[("proc/stat", "cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 0 0 0 0\n")]);
    let mut host = host(&folder, json!({"groups": ["cpu"]}));
    let (samples, result) = collect(&mut host).await;
    assert_eq!((samples.get(&cpu::USAGE, &[]), result), (None, Ok(())));
    assert_eq!(samples.get(&cpu::SECONDS, &["idle"]), Some(10.0));
    assert_eq!(samples.get(&cpu::CPUS, &[]), Some(1.0));

    write(
        &folder,
        "proc/stat",
        "cpu  120 0 105 1060 65 0 0 0 0 0\ncpu0 0 0 0 0\n",
    );
    let (samples, _) = collect(&mut host).await;
    assert_eq!(samples.get(&cpu::USAGE, &[]), Some(0.25));

    write(&folder, "proc/stat", "cpu  120 0 105 1160 65 0 0 0 0 0\n");
    let (samples, _) = collect(&mut host).await;
    assert_eq!(samples.get(&cpu::USAGE, &[]), Some(0.0));
}

#[tokio::test]
async fn a_cpu_reading_that_failed_starts_anew() {
    let folder = device(&[("proc/stat", "cpu  100 0 0 100\n")]);
    let mut host = host(&folder, json!({"groups": ["cpu"]}));
    assert_eq!(collect(&mut host).await.1, Ok(()));
    write(&folder, "proc/stat", "cpu\n");
    let target = folder.path().join("proc/stat").display().to_string();
    let reason = "expected the ticks of mode user, and nothing stands there".to_string();
    assert_eq!(
        collect(&mut host).await.1,
        Err(CollectError::Malformed { target, reason })
    );
    write(&folder, "proc/stat", "cpu  200 0 0 200\n");
    assert_eq!(collect(&mut host).await.0.get(&cpu::USAGE, &[]), None);
    write(&folder, "proc/stat", "cpu  201 0 0 203\n");
    assert_eq!(collect(&mut host).await.0.get(&cpu::USAGE, &[]), Some(0.25));
}

#[tokio::test]
async fn a_group_that_fails_leaves_the_others_theirs() {
    let folder = device(&[
        ("proc/loadavg", "0.00 0.50 1.00 1/93 11406\n"),
        ("proc/uptime", "never\n"),
    ]);
    let mut host = host(
        &folder,
        json!({"groups": ["la", "ram", "uptime", "pressure", "temperature"]}),
    );
    let (samples, result) = collect(&mut host).await;
    let periods = ["1m", "5m", "15m"].map(|period| samples.get(&load::AVERAGE, &[period]));
    assert_eq!((periods, samples.len()), ([Some(0.0), Some(0.5), Some(1.0)], 3));
    let proc = folder.path().join("proc").display().to_string();
    assert_eq!(
        result.unwrap_err().to_string(),
        format!(
            "{proc}/meminfo cannot be reached: No such file or directory (os error 2); {proc}/uptime answered what \
             cannot be read: expected the seconds since boot as a number, and `never` stands there"
        )
    );
}

#[tokio::test]
async fn swap_can_be_had_without_memory_and_both_are_read_once() {
    let text = "MemTotal: 8 kB\nMemFree: 2 kB\nMemAvailable: 3 kB\nSwapTotal: 4 kB\nSwapFree: 4 kB\n";
    let folder = device(&[("proc/meminfo", text)]);
    let names = |samples: &Samples| samples.iter().map(|sample| sample.def.name).collect::<Vec<_>>();
    let (samples, _) = collect(&mut host(&folder, json!({"groups": ["swap"]}))).await;
    assert_eq!(names(&samples), ["host_swap_used_bytes", "host_swap_total_bytes"]);
    assert_eq!(samples.get(&memory::SWAP_USED, &[]), Some(0.0));
    let (samples, _) = collect(&mut host(&folder, json!({"groups": ["ram", "swap"]}))).await;
    assert_eq!(samples.len(), 5);
    let original = json!({"groups": ["ram"], "metrics": "original"});
    let (samples, _) = collect(&mut host(&folder, original)).await;
    assert_eq!(
        names(&samples),
        ["host_memory_used_bytes", "host_memory_available_bytes"]
    );
}

#[tokio::test]
async fn filesystems_are_measured_below_the_moved_root() {
    let mounts = "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /data ext4 ro 0 0\n/dev/sdc1 /gone ext4 rw 0 0\n";
    let folder = device(&[("proc/1/mounts", mounts), ("root/data/file", "")]);
    let (samples, result) = collect(&mut host(&folder, json!({"groups": ["fs"]}))).await;
    assert_eq!(result, Ok(()));
    let truth = rustix::fs::statvfs(folder.path()).unwrap();
    let size = (truth.f_blocks * truth.f_frsize) as f64;
    let sizes = ["/dev/sda1", "/dev/sdb1", "/dev/sdc1"].map(|name| samples.get(&filesystem::SIZE, &[name]));
    assert_eq!(sizes, [Some(size), Some(size), None]);
    let read_only = |name| samples.get(&filesystem::READ_ONLY, &[name]);
    assert_eq!(
        (read_only("/dev/sda1"), read_only("/dev/sdb1")),
        (Some(0.0), Some(1.0))
    );
}

#[tokio::test]
async fn a_root_that_holds_none_of_the_mounts_is_an_error_with_advice() {
    let folder = device(&[("proc/1/mounts", "/dev/sdb1 /data ext4 rw 0 0\n")]);
    let (samples, result) = collect(&mut host(&folder, json!({"groups": ["fs"]}))).await;
    assert!(samples.is_empty());
    let text = result.unwrap_err().to_string();
    assert!(
        text.ends_with("mount the device's `/` into the container and say where by HOST_ROOT"),
        "{text}"
    );
}

#[tokio::test]
async fn the_root_that_has_no_device_is_named_by_sysfs() {
    let folder = device(&[]);
    let device = fs::metadata(folder.path().join("root")).unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let path = format!("sys/dev/block/{major}:{minor}/uevent");
    write(
        &folder,
        &path,
        "MAJOR=179\nMINOR=2\nDEVNAME=mmcblk0p2\nDEVTYPE=partition\n",
    );
    write(
        &folder,
        "proc/1/mounts",
        "/dev/root / ext4 rw 0 0\n/dev/mmcblk0p2 /srv ext4 rw 0 0\n",
    );
    let (samples, _) = collect(&mut host(
        &folder,
        json!({"groups": ["fs"], "metrics": "original"}),
    ))
    .await;
    let devices: Vec<_> = samples.iter().map(|sample| sample.labels[0].as_str()).collect();
    assert_eq!(devices, ["/dev/mmcblk0p2", "/dev/mmcblk0p2"]);
}

#[tokio::test]
async fn the_network_of_a_moved_proc_is_the_one_of_its_first_process() {
    let headings = "Inter-| Receive | Transmit\n face |bytes |bytes\n";
    let line = "0 0 0 0 0 0 0 7 0 0 0 0 0 0 0";
    let folder = device(&[
        ("proc/net/dev", &format!("{headings}eth0: 1 {line}\n")),
        (
            "proc/1/net/dev",
            &format!("{headings}lo: 9 {line}\nwlan0: 2 {line}\nveth5: 3 {line}\n"),
        ),
    ]);
    let original = json!({"groups": ["network"], "metrics": "original"});
    let (samples, _) = collect(&mut host(&folder, original)).await;
    let received = ["eth0", "lo", "wlan0", "veth5"].map(|name| samples.get(&network::RECEIVED, &[name]));
    assert_eq!(received, [None, None, Some(2.0), Some(3.0)]);
    assert_eq!(samples.get(&network::TRANSMITTED, &["wlan0"]), Some(7.0));
    assert_eq!(samples.len(), 4);
    let (samples, _) = collect(&mut host(&folder, json!({"groups": ["network"]}))).await;
    assert_eq!(
        (samples.get(&network::RECEIVED, &["veth5"]), samples.len()),
        (None, 8)
    );
}

#[tokio::test]
async fn chips_of_one_name_are_told_apart_by_their_device() {
    let folder = device(&[
        ("sys/class/hwmon/hwmon0/name", "nvme\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "31850\n"),
        ("sys/class/hwmon/hwmon0/temp1_label", "Composite\n"),
        ("sys/class/hwmon/hwmon1/name", "nvme\n"),
        ("sys/class/hwmon/hwmon1/temp1_input", "40000\n"),
        ("sys/class/hwmon/hwmon2/name", "board\n"),
        ("sys/class/hwmon/hwmon2/temp1_input", "1000\n"),
        ("sys/class/hwmon/hwmon2/temp1_label", "same\n"),
        ("sys/class/hwmon/hwmon2/temp2_input", "2000\n"),
        ("sys/class/hwmon/hwmon2/temp2_label", "same\n"),
        ("sys/class/hwmon/hwmon2/temp3_input", "3000\n"),
        ("sys/class/hwmon/hwmon2/temp3_fault", "1\n"),
        ("sys/class/hwmon/hwmon2/in0_input", "5000\n"),
    ]);
    let link = folder.path().join("sys/class/hwmon/hwmon0/device");
    std::os::unix::fs::symlink("../../nvme/nvme0", link).unwrap();
    let (samples, result) = collect(&mut host(&folder, json!({"groups": ["temperature"]}))).await;
    let found: Vec<_> = samples
        .iter()
        .map(|sample| (sample.labels[0].as_str(), sample.labels[1].as_str(), sample.value))
        .collect();
    assert_eq!(
        (found, result),
        (
            vec![
                ("nvme-nvme0", "Composite", 31.85),
                ("nvme-hwmon1", "temp1", 40.0),
                ("board", "temp1", 1.0),
                ("board", "temp2", 2.0),
            ],
            Ok(())
        )
    );
}

#[tokio::test]
async fn a_reading_that_hangs_is_not_begun_again_and_comes_back() {
    let folder = device(&[]);
    // Opening a pipe waits for its writer, as a dead filesystem does for its server.
    let pipe = folder.path().join("proc/loadavg");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut host = host(&folder, json!({"groups": ["la"]}));
    let mut samples = Samples::default();
    let given_up = tokio::time::timeout(Duration::ZERO, host.collect(&mut samples)).await;
    assert!(given_up.is_err());
    let hangs = CollectError::Unreachable {
        target: "the device".to_string(),
        reason: "an earlier reading still hangs, on a filesystem or a sensor that does not answer"
            .to_string(),
    };
    assert_eq!(collect(&mut host).await.1, Err(hangs));

    release(&pipe, "0.25 0 0 1/1 1\n");
    let recovered = async {
        loop {
            let (samples, result) = collect(&mut host).await;
            if result.is_ok() {
                return samples.get(&load::AVERAGE, &["1m"]);
            }
            tokio::task::yield_now().await;
        }
    };
    let value = tokio::time::timeout(Duration::from_secs(20), recovered).await;
    assert_eq!(value, Ok(Some(0.25)));
}

/// Lets the reader of a pipe go on, and puts a file in its place.
fn release(pipe: &Path, text: &str) {
    let writer = fs::OpenOptions::new().write(true).open(pipe).unwrap();
    fs::remove_file(pipe).unwrap();
    fs::write(pipe, text).unwrap();
    drop(writer);
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let value: Value = serde_saphyr::from_str(SAMPLE).unwrap();
    let mut problems = Problems::default();
    let shown = Settings::read(&Section::new("host", value), &mut problems);
    let defaults = Settings::read(&Section::new("host", Value::Null), &mut problems);
    assert_eq!(format!("{shown:?}"), format!("{defaults:?}"));
    assert_eq!(problems, Problems::default());
}

#[test]
fn each_metric_is_declared_once_and_well() {
    let names: BTreeSet<_> = METRICS.iter().map(|def| def.name).collect();
    let dotted: BTreeSet<_> = METRICS.iter().filter_map(|def| def.dotted).collect();
    assert_eq!((names.len(), dotted.len()), (METRICS.len(), METRICS.len()));
    for def in METRICS {
        assert_eq!(
            def.name.ends_with("_total"),
            def.kind == crate::model::metric::Kind::Total,
            "{}",
            def.name
        );
        assert!(def.labels.is_sorted() && def.help.ends_with('.'), "{}", def.name);
        assert!(def.name.starts_with("host_"), "{}", def.name);
        assert!(def.dotted.unwrap().starts_with("Chouette.host."), "{}", def.name);
    }
}
