//! Room on mounted filesystems: the table of mounts (proc_pid_mounts(5)) and `statvfs` of each device.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{StatVfs, major, minor, statfs, statvfs};

use crate::collectors::host::mounts::{devices, parse};
use crate::collectors::host::reading::{Files, Sink, malformed};
use crate::collectors::host::settings::Settings;
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::support::root::{self, Roots};

macro_rules! gauge {
    ($name:literal, $help:literal, $dotted:literal) => {
        MetricDef::gauge($name, $help).labels(&["device"]).dotted($dotted)
    };
}

pub(super) static USED: MetricDef = gauge!(
    "host_filesystem_used_bytes",
    "Bytes in use on the filesystem.",
    "Chouette.host.fs.used"
);

pub(super) static FREE: MetricDef = gauge!(
    "host_filesystem_free_bytes",
    "Bytes that users other than root can still fill.",
    "Chouette.host.fs.free"
);

pub(super) static SIZE: MetricDef = gauge!(
    "host_filesystem_size_bytes",
    "Size of the filesystem, what is reserved for root included.",
    "Chouette.host.fs.total"
);

pub(super) static INODES: MetricDef = gauge!(
    "host_filesystem_inodes",
    "Files that the filesystem has room for, where it has a limit.",
    "Chouette.host.fs.inodes.total"
);

pub(super) static FREE_INODES: MetricDef = gauge!(
    "host_filesystem_free_inodes",
    "Files that can still be made, where there is a limit.",
    "Chouette.host.fs.inodes.free"
);

pub(super) static READ_ONLY: MetricDef = gauge!(
    "host_filesystem_read_only",
    "1 where the filesystem cannot be written to at any of its mounts, as after an I/O error; else 0.",
    "Chouette.host.fs.read_only"
);

/// What statfs(2) says of an overlay, such as the root of a container.
const OVERLAY_MAGIC: u64 = 0x794c_7630;

/// Room in bytes and inodes.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    size: u64,
    used: u64,
    free: u64,
    /// All and free ones; `None` for filesystems without a table of them.
    inodes: Option<(u64, u64)>,
}

/// What df(1) and psutil make of it; `None` for what has no size.
fn room(stat: &StatVfs) -> Option<Room> {
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    (stat.f_blocks > 0).then(|| Room {
        size: bytes(stat.f_blocks),
        used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
        free: bytes(stat.f_bavail),
        inodes: (stat.f_files > 0).then_some((stat.f_files, stat.f_ffree)),
    })
}

/// Reads the table and asks for the room on every device. What cannot be asked is left out: a mount of the device may
/// be out of sight of a container, or gone since.
pub(super) fn fetch(files: &mut Files, settings: &Settings, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let roots = files.roots.clone();
    let path = roots.proc_of_reader("mounts");
    let text = files.text(&path)?;
    let mut mounts = parse(&text).map_err(|reason| malformed(&path, reason))?;
    for mount in &mut mounts {
        if mount.device == "/dev/root"
            && let Some(device) = real_root(&roots, &mount.mountpoint)
        {
            mount.device = Cow::Owned(device);
        }
    }
    check_root(&roots)?;
    let devices = devices(&mounts, settings);
    let mut found = 0;
    for device in &devices {
        let stat = |mountpoint: &&str| statvfs(roots.device_path(mountpoint)).ok();
        let Some(room) = device.mountpoints.iter().find_map(stat).as_ref().and_then(room) else {
            continue;
        };
        found += 1;
        let labels = [device.name];
        sink.push(&USED, &labels, room.used as f64);
        sink.push(&FREE, &labels, room.free as f64);
        sink.extra(&SIZE, &labels, room.size as f64);
        if let Some((all, free)) = room.inodes {
            sink.extra(&INODES, &labels, all as f64);
            sink.extra(&FREE_INODES, &labels, free as f64);
        }
        sink.extra(&READ_ONLY, &labels, f64::from(u8::from(device.read_only)));
    }
    if found == 0 && !devices.is_empty() && roots.is_moved() {
        return Err(misplaced(
            &roots,
            "none of the device's filesystems is found below it",
        ));
    }
    Ok(())
}

/// A kernel that mounted its root without help calls it `/dev/root`, which is no device; sysfs knows the real one.
fn real_root(roots: &Roots, mountpoint: &str) -> Option<String> {
    let device = fs::metadata(roots.device_path(mountpoint)).ok()?.dev();
    let path = roots.sys(&format!("dev/block/{}:{}/uevent", major(device), minor(device)));
    let mut buffer = Vec::new();
    root::read(&path, &mut buffer).ok()?;
    let text = String::from_utf8_lossy(&buffer);
    let name = text.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(format!("/dev/{name}"))
}

/// Refuses to take the container's own root for the device's.
fn check_root(roots: &Roots) -> Result<(), CollectError> {
    if !roots.is_moved() || roots.is_root_moved() {
        return Ok(());
    }
    // The type is signed on some machines and not on others; the magic is its lower half everywhere.
    let overlaid = statfs("/").is_ok_and(|stat| stat.f_type as u64 & 0xffff_ffff == OVERLAY_MAGIC);
    if overlaid {
        return Err(misplaced(roots, "it is this container's own"));
    }
    Ok(())
}

fn misplaced(roots: &Roots, what: &str) -> CollectError {
    CollectError::Unreachable {
        target: roots.device_path("/").display().to_string(),
        reason: format!("{what}; mount the device's `/` into the container and say where by HOST_ROOT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_and_free_leave_out_what_is_reserved_for_root() {
        let mut stat = statvfs("/").unwrap();
        (stat.f_frsize, stat.f_blocks, stat.f_bfree, stat.f_bavail) = (4096, 100, 40, 35);
        (stat.f_files, stat.f_ffree) = (50, 20);
        let expected = Room {
            size: 409_600,
            used: 245_760,
            free: 143_360,
            inodes: Some((50, 20)),
        };
        assert_eq!(room(&stat), Some(expected));
        stat.f_files = 0;
        assert_eq!(room(&stat).unwrap().inodes, None);
        stat.f_blocks = 0;
        assert_eq!(room(&stat), None);
    }
}
