//! Reads all groups, one after the other.

use std::sync::Arc;

use crate::collectors::host::reading::{Files, Sink};
use crate::collectors::host::settings::{Extent, Group, Settings};
use crate::collectors::host::{cpu, disk, filesystem, load, memory, network, pressure, temperature, uptime};
use crate::component::collector::CollectError;
use crate::component::turn;
use crate::model::sample::Samples;
use crate::support::root::Roots;

/// What is kept from run to run.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    settings: Arc<Settings>,
    files: Files,
    /// The last reading of the CPUs, to which the next one is compared.
    cpu: Option<cpu::Times>,
}

impl Reader {
    pub(super) fn new(settings: Arc<Settings>, roots: Roots) -> Self {
        let files = Files::new(roots);
        let cpu = None;
        Self { settings, files, cpu }
    }
}

impl turn::Reader for Reader {
    /// Reads every group; one that fails does not keep the others from it.
    fn read(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let Self { settings, files, cpu } = self;
        let extras = settings.extent == Extent::All;
        let sink = &mut Sink { out, extras };
        let mut failures = Vec::new();
        let (ram, swap) = (settings.has(Group::Ram), settings.has(Group::Swap));
        for group in &settings.groups {
            let result = match group {
                Group::Cpu => cpu::fetch(files, cpu, sink),
                Group::Fs => filesystem::fetch(files, settings, sink),
                Group::La => load::fetch(files, sink),
                Group::Ram => memory::fetch(files, ram, swap, sink),
                Group::Swap if ram => Ok(()),
                Group::Swap => memory::fetch(files, ram, swap, sink),
                Group::Network => network::fetch(files, &settings.interfaces, sink),
                Group::Disk => disk::fetch(files, &settings.disks, sink),
                Group::Pressure => pressure::fetch(files, sink),
                Group::Temperature => temperature::fetch(files, sink),
                Group::Uptime => uptime::fetch(files, sink),
            };
            failures.extend(result.err());
        }
        joined(failures).map_or(Ok(()), Err)
    }
}

/// The first failure, with the others in its reason: the driver takes one a run.
fn joined(failures: Vec<CollectError>) -> Option<CollectError> {
    let mut failures = failures.into_iter();
    let mut first = failures.next()?;
    if let CollectError::Unreachable { reason, .. }
    | CollectError::Malformed { reason, .. }
    | CollectError::Forbidden { reason, .. } = &mut first
    {
        for other in failures {
            reason.push_str(&format!("; {other}"));
        }
    }
    Some(first)
}
