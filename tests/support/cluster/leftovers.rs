//! What the cluster's programs leave behind beside processes and mounts: containers, records outside its folder, and
//! settings of the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::leftovers;

use super::programs::Programs;

/// Ends every container and the shims that hold them, which containerd itself would leave running, and removes what the
/// network plug-ins wrote down about them.
pub(super) fn end_containers(programs: &Programs, folder: &Path) {
    let list = |what: &str| -> Vec<String> {
        let output = programs.ctr(&[what, "list", "--quiet"]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.split_whitespace().map(ToOwned::to_owned).collect()
    };
    for task in list("tasks") {
        // One that has just ended is refused.
        let _ = programs.ctr(&["tasks", "delete", "--force", &task]).output();
    }
    let containers = list("containers");
    for container in &containers {
        let _ = programs.ctr(&["containers", "delete", container]).output();
    }
    leftovers::wait_for_shims(folder);
    for record in files("/var/lib/cni/results") {
        let name = record.file_name().unwrap_or_default().to_string_lossy();
        if containers.iter().any(|container| name.contains(container)) {
            let _ = fs::remove_file(&record);
        }
    }
}

/// Removes the links to the containers' logs, which the kubelet makes at this one place.
pub(super) fn remove_links(folder: &Path) {
    for link in files("/var/log/containers") {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(folder)) {
            let _ = fs::remove_file(&link);
        }
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The settings of the machine's kernel that a kubelet changes, as they were; they come back with this value's end.
pub(super) struct KernelSettings(Vec<(PathBuf, Vec<u8>)>);

impl KernelSettings {
    pub(super) fn remember() -> Self {
        let names = [
            "vm/overcommit_memory",
            "vm/panic_on_oom",
            "kernel/panic",
            "kernel/panic_on_oops",
            "kernel/keys/root_maxkeys",
            "kernel/keys/root_maxbytes",
        ];
        let paths = names.map(|name| Path::new("/proc/sys").join(name));
        let known = paths
            .into_iter()
            .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)));
        Self(known.collect())
    }
}

impl Drop for KernelSettings {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            // An error says that it cannot be changed here, so that it has not been.
            let _ = fs::write(path, value);
        }
    }
}
