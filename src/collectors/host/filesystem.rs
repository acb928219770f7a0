//! Room on mounted filesystems: the table of mounts (proc_pid_mounts(5)) and `statvfs` of each device.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{StatVfs, major, minor, statfs, statvfs};

use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::support::root::{self, Roots};

use super::reading::{Files, Sink, malformed, shortened};
use super::settings::Settings;

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

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    device: Cow<'a, str>,
    mountpoint: Cow<'a, str>,
    kind: &'a str,
    read_only: bool,
}

/// Reads the table of mounts.
pub(super) fn parse(text: &str) -> Result<Vec<Mount<'_>>, String> {
    let mount = |line| {
        let columns: Option<[&str; 4]> = line_columns(line);
        let Some([device, mountpoint, kind, options]) = columns else {
            return Err(format!("expected a mount, got `{}`", shortened(line)));
        };
        Ok(Mount {
            device: unescaped(device),
            mountpoint: unescaped(mountpoint),
            kind,
            read_only: options.split(',').any(|option| option == "ro"),
        })
    };
    let mounts: Vec<Mount<'_>> = text.lines().map(mount).collect::<Result<_, _>>()?;
    if mounts.is_empty() {
        return Err("expected at least one mount".to_string());
    }
    Ok(mounts)
}

fn line_columns(line: &str) -> Option<[&str; 4]> {
    let mut columns = line.split_ascii_whitespace();
    Some([columns.next()?, columns.next()?, columns.next()?, columns.next()?])
}

/// Undoes the kernel's `\040` for a space, and the like.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('\\');
    let mut plain = String::from(parts.next().unwrap_or_default());
    for part in parts {
        match part.get(..3).map(|digits| u8::from_str_radix(digits, 8)) {
            Some(Ok(byte)) if byte.is_ascii() => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            _ => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    Cow::Owned(plain)
}

/// One device and where it can be seen.
#[derive(Debug, PartialEq, Eq)]
struct Device<'a> {
    name: &'a str,
    mountpoints: Vec<&'a str>,
    read_only: bool,
}

/// The devices among the mounts, each once, in the order of the table. As with the predecessor's psutil they are what
/// a block device bears, and further types as told. Of mounts on one place only the last can be seen.
fn devices<'a>(mounts: &'a [Mount<'_>], settings: &Settings) -> Vec<Device<'a>> {
    let mut devices: Vec<Device<'_>> = Vec::new();
    for (index, mount) in mounts.iter().enumerate() {
        let fuse = mount.kind == "fuse" || mount.kind.starts_with("fuse.");
        let wanted = (mount.device.starts_with("/dev/") && !fuse)
            || settings.filesystem_types.iter().any(|kind| kind == mount.kind);
        let hidden = || {
            mounts[index + 1..]
                .iter()
                .any(|later| later.mountpoint == mount.mountpoint)
        };
        if !wanted || !settings.filesystems.takes(&mount.device) || hidden() {
            continue;
        }
        match devices.iter_mut().find(|device| device.name == mount.device) {
            Some(device) => {
                device.mountpoints.push(&mount.mountpoint);
                device.read_only &= mount.read_only;
            }
            None => devices.push(Device {
                name: &mount.device,
                mountpoints: vec![&mount.mountpoint],
                read_only: mount.read_only,
            }),
        }
    }
    devices
}

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
    use serde_json::{Value, json};

    use crate::component::settings::{Problems, Section};

    use super::*;

    fn settings(value: Value) -> Settings {
        Settings::read(&Section::new("host", value), &mut Problems::default()).unwrap()
    }

    fn named(text: &str, value: Value) -> Vec<(String, Vec<String>, bool)> {
        let mounts = parse(text).unwrap();
        let found = devices(&mounts, &settings(value));
        let owned = |device: Device<'_>| {
            let mountpoints = device.mountpoints.iter().map(ToString::to_string).collect();
            (device.name.to_string(), mountpoints, device.read_only)
        };
        found.into_iter().map(owned).collect()
    }

    #[test]
    fn a_captured_line_is_read_and_its_escapes_undone() {
        let mounts =
            parse("/dev/sda1 /mnt/my\\040disk\\134x ext4 rw,relatime,errors=remount-ro 0 0\n").unwrap();
        let expected = Mount {
            device: "/dev/sda1".into(),
            mountpoint: "/mnt/my disk\\x".into(),
            kind: "ext4",
            read_only: false,
        };
        assert_eq!(mounts, [expected]);
        assert_eq!(unescaped("a\\9b\\0"), "a\\9b\\0");
    }

    #[test]
    fn what_is_no_mount_is_refused() {
        assert_eq!(parse(""), Err("expected at least one mount".to_string()));
        assert_eq!(
            parse("/dev/sda1 /\n"),
            Err("expected a mount, got `/dev/sda1 /`".to_string())
        );
    }

    #[test]
    fn a_device_that_is_mounted_twice_counts_once() {
        let text =
            "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /data ext4 ro 0 0\n/dev/sda1 /var/lib/kubelet ext4 ro 0 0\n";
        assert_eq!(
            named(text, Value::Null),
            [
                (
                    "/dev/sda1".to_string(),
                    vec!["/".to_string(), "/var/lib/kubelet".to_string()],
                    false
                ),
                ("/dev/sdb1".to_string(), vec!["/data".to_string()], true),
            ]
        );
    }

    #[test]
    fn only_what_a_device_bears_is_a_device_and_more_types_can_be_named() {
        let text = "proc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\noverlay / overlay rw 0 0
/dev/fuse /etc/pve fuse rw 0 0\n/dev/sdc1 /mnt/stick fuseblk rw 0 0\n/dev/loop3 /snap/core/1 squashfs ro 0 0
tank/data /data zfs rw 0 0\nnas:/x /nas nfs4 rw 0 0\n";
        let names = |value| {
            named(text, value)
                .into_iter()
                .map(|device| device.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Value::Null), ["/dev/sdc1", "tank/data"]);
        assert_eq!(
            names(json!({"metrics": "original"})),
            ["/dev/sdc1", "/dev/loop3", "tank/data"]
        );
        assert_eq!(
            names(json!({"filesystems": {"types": ["nfs4"]}})),
            ["/dev/sdc1", "nas:/x"]
        );
    }

    #[test]
    fn a_mount_under_another_one_is_not_seen() {
        let text = "/dev/sda1 /mnt ext4 rw 0 0\n/dev/sda2 /mnt ext4 rw 0 0\n";
        assert_eq!(
            named(text, Value::Null),
            [("/dev/sda2".to_string(), vec!["/mnt".to_string()], false)]
        );
    }

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
