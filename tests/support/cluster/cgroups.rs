//! A cgroup of the cluster's own. In the root one a kubelet removes the cgroups of pods that it does not know.

use std::fs;
use std::path::{Path, PathBuf};

/// The cluster's cgroup in every hierarchy (one of them with cgroup v2), removed with this value.
pub(super) struct Cgroups {
    name: String,
    folders: Vec<PathBuf>,
}

impl Cgroups {
    /// Makes them; the reason why not, where this may not be done here.
    pub(super) fn create(name: &str) -> Result<Self, String> {
        let root = Path::new("/sys/fs/cgroup");
        let mut hierarchies = if root.join("cgroup.controllers").exists() {
            delegate(root);
            vec![root.to_owned()]
        } else {
            let entries =
                fs::read_dir(root).map_err(|error| format!("{} is not readable: {error}", root.display()))?;
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.join("cgroup.procs").exists())
                .collect()
        };
        // Links such as cpu,cpuacct lead to a hierarchy that stands there under its own name too.
        hierarchies.retain(|path| !path.is_symlink());
        if hierarchies.is_empty() {
            return Err("no cgroup is mounted under /sys/fs/cgroup".to_owned());
        }
        let mut cgroups = Self {
            name: name.to_owned(),
            folders: Vec::new(),
        };
        for hierarchy in hierarchies {
            let folder = hierarchy.join(name);
            fs::create_dir_all(&folder)
                .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
            for file in ["cpuset.cpus", "cpuset.mems"] {
                // Only cgroup v1 starts with none, and takes no process then.
                if let Ok(value) = fs::read(hierarchy.join(file)) {
                    let _ = fs::write(folder.join(file), value);
                }
            }
            delegate(&folder);
            cgroups.folders.push(folder);
        }
        Ok(cgroups)
    }

    /// The path below the hierarchies' roots.
    pub(super) fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for folder in &self.folders {
            remove(folder);
        }
    }
}

/// Lets the children of a cgroup v2 have every controller that it has; nothing with v1.
fn delegate(folder: &Path) {
    for controller in fs::read_to_string(folder.join("cgroup.controllers"))
        .unwrap_or_default()
        .split_whitespace()
    {
        // One that cannot be had is missed where it is needed.
        let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// Removes a cgroup and those below; the files in it are no files that could be removed.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // An error says that it is gone, or that a process is left in it, which a test sees.
    let _ = fs::remove_dir(folder);
}
