//! The device itself, from the kernel's own files: a group of metrics a child, each read at once.
//!
//! * `cpu`, `load`, `memory` (with swap), `pressure`, `uptime`: what runs
//! * `filesystem` (with `mounts`), `disk`, `network`, `temperature`: what it runs on
//! * `settings`: groups and choices of devices
//! * `reader`: all groups, one after the other
//! * `reading`: files and samples, as the groups see them
//!
//! The names and tags of the predecessor's metrics, and what it means by used and busy, stay as they were.
//! Everything comes from `/proc`, `/sys` and `statvfs`, which tell as much as any library on top of them and are the
//! same when an agent in a container reads the host's.

mod cpu;
mod disk;
mod filesystem;
mod load;
mod memory;
mod mounts;
mod network;
mod pressure;
mod reader;
mod reading;
mod settings;
mod temperature;
mod uptime;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::collectors::host::reader::Reader;
use crate::collectors::host::settings::Settings;
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;
use crate::support::root::Roots;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "host",
    role: Role::Collector,
    summary: "Reads the device's CPU, memory, filesystems, disks, network, load, pressure and temperatures.",
    sample: SAMPLE,
    metrics: METRICS,
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
    find: Some(|_, _| Sighting::Readable {
        what: "this device".to_string(),
    }),
};

const SAMPLE: &str = "\
# What is read. A group that the device does not have (pressure, temperature) gives nothing.
groups: [cpu, fs, la, ram, network, swap, disk, pressure, temperature, uptime]
# `original`: only what Chouette-IoT gives in its groups cpu, fs, la, ram and network, about every device; `groups` is
# then the first four, unless it is given. A metric more is money at some backends.
metrics: all
# Which devices, by patterns in which * stands for any text. With an `include` nothing is left out by default.
filesystems:
  include: []
  exclude: [/dev/loop*]
  # Reported though they lie on no device below /dev. A network filesystem here can hold the others up.
  types: [jffs2, ubifs, zfs]
interfaces:
  include: []
  exclude: [veth*, cali*]
disks:
  include: []
  exclude: [loop*, ram*, zram*, fd*, sr*]
";

static METRICS: &[&MetricDef] = &[
    &cpu::USAGE,
    &cpu::SECONDS,
    &cpu::CPUS,
    &filesystem::USED,
    &filesystem::FREE,
    &filesystem::SIZE,
    &filesystem::INODES,
    &filesystem::FREE_INODES,
    &filesystem::READ_ONLY,
    &load::AVERAGE,
    &memory::USED,
    &memory::AVAILABLE,
    &memory::TOTAL,
    &network::RECEIVED,
    &network::TRANSMITTED,
    &network::RECEIVED_PACKETS,
    &network::TRANSMITTED_PACKETS,
    &network::RECEIVE_ERRORS,
    &network::TRANSMIT_ERRORS,
    &network::RECEIVE_DROPS,
    &network::TRANSMIT_DROPS,
    &memory::SWAP_USED,
    &memory::SWAP_TOTAL,
    &disk::READ_BYTES,
    &disk::WRITTEN_BYTES,
    &disk::READS,
    &disk::WRITES,
    &disk::READ_SECONDS,
    &disk::WRITE_SECONDS,
    &disk::IO_SECONDS,
    &pressure::WAITING,
    &pressure::STALLED,
    &temperature::TEMPERATURE,
    &uptime::UPTIME,
];

/// Makes the collector from its section of the settings and the roots that it reads below; `None` where the section
/// cannot be used, the reason being among `problems`. It reads nothing yet.
pub fn build(section: &Section, roots: Roots, problems: &mut Problems) -> Option<Host> {
    Some(Host {
        settings: Arc::new(Settings::read(section, problems)?),
        roots,
        reader: None,
        run: None,
    })
}

/// Reads the device.
///
/// Its files and filesystems are read on a thread that may block. A run that its driver gave up is waited for before
/// another one is begun, so that a device that hangs holds one thread and no more.
#[derive(Debug)]
pub struct Host {
    settings: Arc<Settings>,
    roots: Roots,
    /// What reads, with what it remembers; away while a run is under way, and lost with one that panics.
    reader: Option<Box<Reader>>,
    run: Option<JoinHandle<Run>>,
}

type Run = (Box<Reader>, Samples, Result<(), CollectError>);

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    Some(Settings::read(section, &mut Problems::default())?.shown())
}

#[async_trait]
impl Collector for Host {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        if let Some(run) = self.run.take() {
            if !run.is_finished() {
                self.run = Some(run);
                return Err(failed(
                    "an earlier reading still hangs, on a filesystem or a sensor that does not answer",
                ));
            }
            // Its samples are old by now.
            self.reader = run.await.ok().map(|(reader, ..)| reader);
        }
        let new = || Box::new(Reader::new(self.settings.clone(), self.roots.clone()));
        let mut reader = self.reader.take().unwrap_or_else(new);
        let mut samples = std::mem::take(out);
        let run = self.run.insert(spawn_blocking(move || {
            let result = reader.read(&mut samples);
            (reader, samples, result)
        }));
        let joined = run.await;
        self.run = None;
        match joined {
            Ok((reader, samples, result)) => {
                self.reader = Some(reader);
                *out = samples;
                result
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(failed("the agent stops")),
            },
        }
    }
}

fn failed(reason: &str) -> CollectError {
    CollectError::Unreachable {
        target: "the device".to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
