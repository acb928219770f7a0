//! The table of mounted filesystems (proc_pid_mounts(5)), and which devices are in it.

use std::borrow::Cow;

use crate::collectors::host::reading::shortened;
use crate::collectors::host::settings::Settings;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    pub(super) device: Cow<'a, str>,
    pub(super) mountpoint: Cow<'a, str>,
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
pub(super) struct Device<'a> {
    pub(super) name: &'a str,
    pub(super) mountpoints: Vec<&'a str>,
    pub(super) read_only: bool,
}

/// The devices among the mounts, each once, in the order of the table. As with the predecessor's psutil they are what
/// a block device bears, and further types as told. Of mounts on one place only the last can be seen.
pub(super) fn devices<'a>(mounts: &'a [Mount<'_>], settings: &Settings) -> Vec<Device<'a>> {
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
}
