//! What the cluster's programs leave behind when they end: containers, mounts, files outside its folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::wait::wait_for;

use super::PATIENCE;
use super::programs::Programs;

/// Ends every container and the shims that hold them. containerd itself would leave them running.
pub(super) fn end_containers(programs: &Programs, folder: &Path) {
    let list = |what: &str| -> Vec<String> {
        let output = programs.ctr(&[what, "list", "--quiet"]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect()
    };
    for task in list("tasks") {
        // One that has just ended is refused.
        let _ = programs.ctr(&["tasks", "delete", "--force", &task]).output();
    }
    for container in list("containers") {
        let _ = programs.ctr(&["containers", "delete", &container]).output();
    }
    wait_for("the end of the containers' shims", PATIENCE, || {
        shims(folder).is_empty().then_some(())
    });
}

/// The shims of this folder's containerd; they have its address on their command line.
fn shims(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains("containerd-shim") && line.contains(&folder))
        .collect()
}

/// What is mounted below the folder, the deepest first.
pub(crate) fn mounts(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mounts").expect("the mounts are listed");
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut points: Vec<String> = points
        .filter(|point| Path::new(point).starts_with(folder))
        .map(ToOwned::to_owned)
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.len()));
    points
}

/// Unmounts all below the folder: secrets of pods, root file systems, the pods' network namespaces.
pub(super) fn unmount(folder: &Path) {
    for point in mounts(folder) {
        let _ = Command::new("umount").args(["--lazy", &point]).output();
    }
}

/// Removes what lies outside the folder: links to the containers' logs, and the network plug-ins' records.
pub(super) fn remove_files(folder: &Path, network: &str) {
    for link in fs::read_dir("/var/log/containers")
        .into_iter()
        .flatten()
        .flatten()
    {
        if fs::read_link(link.path()).is_ok_and(|target| target.starts_with(folder)) {
            let _ = fs::remove_file(link.path());
        }
    }
    for record in fs::read_dir("/var/lib/cni/results")
        .into_iter()
        .flatten()
        .flatten()
    {
        if record
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{network}-"))
        {
            let _ = fs::remove_file(record.path());
        }
    }
}
