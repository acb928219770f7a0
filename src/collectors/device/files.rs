//! Small files of the kernel, any of which may be missing: what is missing is unknown, what is wrong is told.

use std::path::Path;

use crate::component::collector::CollectError;
use crate::support::root::{self, Roots};

/// Reads files, and remembers those in which something else stands than should.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) roots: &'a Roots,
    faults: Vec<CollectError>,
}

impl<'a> Files<'a> {
    pub(super) fn new(roots: &'a Roots) -> Self {
        let faults = Vec::new();
        Self { roots, faults }
    }

    /// The whole text; `None` where the file is missing, or refuses: drivers do so in many ways while what they drive
    /// sleeps or is switched off.
    pub(super) fn text(&self, path: &Path) -> Option<String> {
        let mut buffer = Vec::new();
        root::read(path, &mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// The text without white space around it; `None` also where nothing is left.
    pub(super) fn line(&self, path: &Path) -> Option<String> {
        let text = self.text(path)?;
        Some(text.trim().to_string()).filter(|text| !text.is_empty())
    }

    /// The number that a file holds; `None` where it is unknown.
    pub(super) fn number(&mut self, path: &Path) -> Option<f64> {
        let text = self.line(path)?;
        match text.parse::<i64>() {
            Ok(number) => Some(number as f64),
            Err(_) => {
                self.fault(
                    path,
                    &format!("expected a whole number, got `{}`", shortened(&text)),
                );
                None
            }
        }
    }

    /// The names in a folder, sorted; none where it is missing.
    pub(super) fn names(&self, path: &Path) -> Vec<String> {
        root::list(path).unwrap_or_default()
    }

    /// Remembers that something else stands in a file than should.
    pub(super) fn fault(&mut self, path: &Path, reason: &str) {
        self.faults.push(CollectError::Malformed {
            target: path.display().to_string(),
            reason: reason.to_string(),
        });
    }

    /// The first fault, with the others in its reason: the driver takes one a run.
    pub(super) fn faults(self) -> Result<(), CollectError> {
        let mut faults = self.faults.into_iter();
        let Some(mut first) = faults.next() else {
            return Ok(());
        };
        if let CollectError::Malformed { reason, .. } = &mut first {
            for other in faults {
                reason.push_str(&format!("; {other}"));
            }
        }
        Err(first)
    }
}

/// Keeps an error readable whatever stands in a file.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(60).collect()
}

/// Whether the device tree names a board or chip that begins with one of `prefixes`. The tree is the hardware's own
/// description: no other machine has such a name in it.
pub(super) fn is_compatible(roots: &Roots, prefixes: &[&str]) -> bool {
    // The first is a link to the second, which a container may see at another place.
    let places = [
        roots.proc("device-tree/compatible"),
        roots.sys("firmware/devicetree/base/compatible"),
    ];
    let files = Files::new(roots);
    let texts = places.iter().find_map(|place| files.text(place));
    let is_one = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    texts.is_some_and(|names| names.split('\0').any(is_one))
}
