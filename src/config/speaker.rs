//! Finds out under which name this device speaks.

use std::fs;
use std::path::Path;

use crate::component::settings::Problems;
use crate::config::layers::Origin;
use crate::config::settings::{RootSettings, Settings};

/// Names that cloned images share.
const SHARED: [&str; 16] = [
    "localhost",
    "localhost.localdomain",
    "(none)",
    "raspberrypi",
    "raspberry",
    "jetson",
    "jetson-desktop",
    "nvidia-desktop",
    "tegra-ubuntu",
    "ubuntu",
    "debian",
    "dietpi",
    "orangepi",
    "rock",
    "alpine",
    "pi",
];

/// Sets `host` where nobody did, and warns of a name that others may have too. Equal names overwrite each other.
pub(super) fn find(settings: &mut Settings, warnings: &mut Problems) -> Option<Origin> {
    let mut origin = None;
    if settings.host.trim().is_empty() {
        let tagged = settings
            .global_tags
            .iter()
            .find_map(|tag| tag.strip_prefix("host:"));
        let (name, from) = match tagged.map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => (name.to_string(), "the global tag `host`"),
            None => (machine(&settings.roots), "the machine's name"),
        };
        settings.host = name;
        origin = Some(Origin::Found(from));
    }
    let name = settings.host.to_ascii_lowercase();
    let container = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if SHARED.contains(&name.as_str()) || name.is_empty() {
        warnings.add_with_hint(
            "host",
            format!(
                "`{}` is a name that many devices have, and equal names overwrite each other",
                settings.host
            ),
            "set HOST to a name of its own",
        );
    } else if container && origin.is_some() {
        warnings.add_with_hint(
            "host",
            format!(
                "`{}` looks like a container's id, which changes when it is made anew",
                settings.host
            ),
            "set HOST, or mount the host's / and set HOST_ROOT",
        );
    }
    origin
}

/// The machine's name; the host's one where its root is mounted.
fn machine(roots: &RootSettings) -> String {
    let mut places = Vec::new();
    if roots.root != Path::new("/") {
        places.push(roots.root.join("etc/hostname"));
    }
    if roots.proc != Path::new("/proc") {
        places.push(roots.proc.join("1/root/etc/hostname"));
        // The kernel answers here with the reader's own name where it reads another container's `/proc`.
        places.push(roots.proc.join("sys/kernel/hostname"));
    }
    places
        .iter()
        .filter_map(|place| fs::read_to_string(place).ok())
        .filter_map(|text| {
            text.lines()
                .map(str::trim)
                .find(|line| is_name(line))
                .map(String::from)
        })
        .next()
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

fn is_name(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(settings: Settings) -> (String, Option<Origin>, Vec<String>) {
        let (mut settings, mut warnings) = (settings, Problems::default());
        let origin = find(&mut settings, &mut warnings);
        let texts = warnings.iter().map(ToString::to_string).collect();
        (settings.host, origin, texts)
    }

    #[test]
    fn host_wins_over_the_tag_and_the_tag_over_the_machine() {
        let global_tags = vec!["env:prod".to_string(), "host:edge-7".to_string()];
        let set = Settings {
            host: "edge-1".to_string(),
            global_tags: global_tags.clone(),
            ..Settings::default()
        };
        assert_eq!(found(set), ("edge-1".to_string(), None, vec![]));
        let mut tagged = Settings {
            global_tags,
            ..Settings::default()
        };
        let origin = Some(Origin::Found("the global tag `host`"));
        assert_eq!(found(tagged.clone()), ("edge-7".to_string(), origin, vec![]));
        find(&mut tagged, &mut Problems::default());
        assert_eq!(tagged.speaker().tags, ["env:prod"]);
    }

    #[test]
    fn the_name_of_the_host_is_read_below_its_root() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        fs::write(folder.path().join("etc/hostname"), "# edge\n\nedge-9\n").unwrap();
        let mut settings = Settings::default();
        settings.roots.root = folder.path().into();
        let origin = Some(Origin::Found("the machine's name"));
        assert_eq!(found(settings), ("edge-9".to_string(), origin, vec![]));
    }

    #[test]
    fn a_name_that_many_have_is_warned_of() {
        for name in ["localhost", "raspberrypi", "RaspberryPi"] {
            let settings = Settings {
                host: name.to_string(),
                ..Settings::default()
            };
            assert!(
                found(settings).2[0].contains("a name that many devices have"),
                "{name}"
            );
        }
    }
}
