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

use crate::collectors::host::reader::Reader;
use crate::collectors::host::settings::Settings;
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::component::turn::Turn;
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
    let settings = Arc::new(Settings::read(section, problems)?);
    Some(Host(Turn::new(Reader::new(settings, roots))))
}

/// Reads the device. A filesystem or a sensor that hangs holds one thread and no more.
#[derive(Debug)]
pub struct Host(Turn<Reader>);

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    Some(Settings::read(section, &mut Problems::default())?.shown())
}

#[async_trait]
impl Collector for Host {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        self.0.read(out).await
    }
}

#[cfg(test)]
mod tests;
