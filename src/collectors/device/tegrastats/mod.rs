//! An NVIDIA Jetson, as its program tegrastats tells of it, or its kernel where that is missing.
//!
//! * `settings`: the program, and groups of metrics
//! * `line`: a line of the program
//! * `jetson`: the kernel's files
//! * `reading`: what both come to, and the metrics
//!
//! The program runs once and for good: it needs an interval for its loads, and a process a collection would be a load
//! of its own. The names and tags of the predecessor's two groups stay as they were.

mod jetson;
mod line;
mod reading;
mod settings;

use std::io::ErrorKind;
use std::path::Path;

use async_trait::async_trait;
use rustix::fs::{Access, access};
use serde_json::Value;

use crate::collectors::device::tegrastats::jetson::Jetson;
use crate::collectors::device::tegrastats::settings::Settings;
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::component::turn::Turn;
use crate::model::sample::Samples;
use crate::support::command::{Failure, Listener, What};
use crate::support::root::Roots;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "tegrastats",
    role: Role::Collector,
    summary: "Reads a Jetson's memory, temperatures, clocks, loads and power from tegrastats, or from its kernel.",
    sample: SAMPLE,
    metrics: reading::METRICS,
};

/// How it is made.
pub static ENTRY: Entry<dyn Collector> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        Some(Box::new(build(
            section,
            cx.roots.clone(),
            &mut findings.problems,
        )?))
    },
    effective,
    find: Some(|section, cx| find(section, cx.roots)),
};

const SAMPLE: &str = "\
# The program. Where it is missing and the device is a Jetson, the kernel's files are read instead.
path: /usr/bin/tegrastats
# What is reported: ram, temp, swap, iram, cpu, emc, gpu, power, engines.
metrics: [ram, temp]
# How often the program looks; its loads are those of this time. How often its newest line is taken says `interval`.
sample_interval: 1s
";

/// Makes the collector from its section of the settings and the roots that it reads below; `None` where the section
/// cannot be used, the reason being among `problems`. It starts nothing yet.
pub fn build(section: &Section, roots: Roots, problems: &mut Problems) -> Option<Tegrastats> {
    let settings = Settings::read(section, problems)?;
    Some(Tegrastats {
        kernel: Turn::new(Jetson::new(settings.clone(), roots)),
        settings,
        listener: None,
    })
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    Some(Settings::read(section, &mut Problems::default())?.shown())
}

/// Looks for the program, else for a Jetson.
pub fn find(section: &Section, roots: &Roots) -> Sighting {
    let Some(settings) = Settings::read(section, &mut Problems::default()) else {
        return Sighting::Absent;
    };
    let what = settings.path.display().to_string();
    if is_there(&settings.path) {
        return match access(&settings.path, Access::EXEC_OK) {
            Ok(()) => Sighting::Readable { what },
            Err(_) => Sighting::Unreadable {
                remedy: format!("let the agent's user execute it: chmod a+x {what}"),
                what,
            },
        };
    }
    match jetson::is_one(roots) {
        true => Sighting::Readable {
            what: "the Jetson's files below /sys".to_string(),
        },
        false => Sighting::Absent,
    }
}

/// Listens to the program, or reads the kernel's files.
#[derive(Debug)]
pub struct Tegrastats {
    settings: Settings,
    /// From the first collection that finds the program.
    listener: Option<Listener>,
    kernel: Turn<Jetson>,
}

#[async_trait]
impl Collector for Tegrastats {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        if self.listener.is_none() && !is_there(&self.settings.path) {
            return self.kernel.read(out).await;
        }
        let program = || Listener::start(self.settings.program());
        let heard = self.listener.get_or_insert_with(program).heard().await;
        let patience = self.settings.patience();
        // What was written just before an end is still true, and is given beside the error.
        let fresh = heard.line.filter(|line| line.at.elapsed() <= patience);
        let parsed = fresh.map(|line| line::parse(&line.text));
        if let Some(Ok(reading)) = &parsed {
            reading.push(&self.settings.groups, out);
        }
        let target = self.settings.path.display().to_string();
        if let Some(failure) = heard.failure {
            if is_not_found(&failure) {
                // It was removed, or what it needs to run is not here: a program of the host's that is mounted into an
                // image without its loader looks like this. The next collection looks again.
                self.listener = None;
                return self.kernel.read(out).await;
            }
            return Err(failed(target, &failure));
        }
        match parsed {
            Some(Ok(_)) if out.is_empty() => Err(CollectError::NoData { target }),
            Some(Ok(_)) => Ok(()),
            Some(Err(reason)) => Err(CollectError::Malformed { target, reason }),
            None => Err(CollectError::Unreachable {
                target,
                reason: format!("its newest line is older than {patience:?}"),
            }),
        }
    }
}

fn is_not_found(failure: &Failure) -> bool {
    matches!(&failure.what, What::NotStarted { kind, .. } if *kind == ErrorKind::NotFound)
}

fn failed(target: String, failure: &Failure) -> CollectError {
    match &failure.what {
        What::NotStarted { kind, .. } if *kind == ErrorKind::PermissionDenied => CollectError::Forbidden {
            target,
            reason: "let the agent's user execute it, or set `path` to where it may".to_string(),
        },
        What::NotStarted { .. } => CollectError::Unreachable {
            target,
            reason: format!("{failure}; set `path` to where tegrastats is"),
        },
        _ => CollectError::Unreachable {
            target,
            reason: format!("{failure}; it is started again"),
        },
    }
}

fn is_there(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file())
}

#[cfg(test)]
mod tests;
