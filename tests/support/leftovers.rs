//! What containers leave behind when the program that held them has ended: shims with their processes, and mounts.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait::{PATIENCE, wait_for};

/// The ids and the command lines of all processes that name this folder of a test's.
pub(crate) fn processes(folder: &Path) -> Vec<(Pid, String)> {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").expect("the processes are listed").flatten();
    let lines = processes.filter_map(|process| {
        let id = process
            .file_name()
            .to_str()?
            .parse()
            .ok()
            .and_then(Pid::from_raw)?;
        let line = fs::read(process.path().join("cmdline")).ok()?;
        Some((id, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    lines.filter(|(_, line)| line.contains(&folder)).collect()
}

/// The shims of the containers whose runtime lives in this folder; they have its address on their command line.
fn shims(folder: &Path) -> Vec<Pid> {
    let shims = processes(folder)
        .into_iter()
        .filter(|(_, line)| line.contains("containerd-shim"));
    shims.map(|(id, _)| id).collect()
}

/// Ends the containers of a runtime that has ended itself. A shim is the parent of its container's first process, with
/// which all others end.
pub(crate) fn end_shims(folder: &Path) {
    wait_for("the end of the containers' shims", PATIENCE, || {
        let shims = shims(folder);
        for &shim in &shims {
            for child in children(shim) {
                // An error says that it has ended meanwhile.
                let _ = kill_process(child, Signal::KILL);
            }
            let _ = kill_process(shim, Signal::KILL);
        }
        shims.is_empty().then_some(())
    });
}

/// Waits for the end of the shims whose containers were ended.
pub(crate) fn wait_for_shims(folder: &Path) {
    wait_for("the end of the containers' shims", PATIENCE, || {
        shims(folder).is_empty().then_some(())
    });
}

fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let threads = fs::read_dir(format!("/proc/{parent}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| Pid::from_raw(id.parse().ok()?))
                .collect::<Vec<_>>()
        })
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

/// Unmounts all below the folder: root file systems, secrets of pods, network namespaces.
pub(crate) fn unmount(folder: &Path) {
    for point in mounts(folder) {
        let _ = Command::new("umount").args(["--lazy", &point]).output();
    }
}
