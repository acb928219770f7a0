//! What a Jetson says in one reading, and the metrics that it becomes.

use crate::collectors::device::tegrastats::settings::Group;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

pub(super) static RAM_USED: MetricDef = MetricDef::gauge(
    "tegrastats_ram_used_bytes",
    "Memory in use, shared by CPU and GPU.",
)
.dotted("Chouette.tegrastats.ram.used");

pub(super) static RAM_FREE: MetricDef =
    MetricDef::gauge("tegrastats_ram_free_bytes", "Memory that is not in use.")
        .dotted("Chouette.tegrastats.ram.free");

pub(super) static TEMPERATURE: MetricDef = MetricDef::gauge(
    "tegrastats_temperature_celsius",
    "Temperature by zone; one that is switched off is left out, and so is PMIC, which is no measurement.",
)
.labels(&["zone"])
.dotted("Chouette.tegrastats.temperature");

pub(super) static SWAP_USED: MetricDef = MetricDef::gauge("tegrastats_swap_used_bytes", "Swap space in use.")
    .dotted("Chouette.tegrastats.swap.used");

pub(super) static SWAP_FREE: MetricDef =
    MetricDef::gauge("tegrastats_swap_free_bytes", "Swap space that is not in use.")
        .dotted("Chouette.tegrastats.swap.free");

pub(super) static SWAP_CACHED: MetricDef = MetricDef::gauge(
    "tegrastats_swap_cached_bytes",
    "Swap space whose content is in memory too.",
)
.dotted("Chouette.tegrastats.swap.cached");

pub(super) static IRAM_USED: MetricDef = MetricDef::gauge(
    "tegrastats_iram_used_bytes",
    "Memory of the video engines in use.",
)
.dotted("Chouette.tegrastats.iram.used");

pub(super) static IRAM_FREE: MetricDef = MetricDef::gauge(
    "tegrastats_iram_free_bytes",
    "Memory of the video engines that is not in use.",
)
.dotted("Chouette.tegrastats.iram.free");

pub(super) static CPU_LOAD: MetricDef = MetricDef::gauge(
    "tegrastats_cpu_load_ratio",
    "Share of the time that the core was busy; a core that is switched off has none.",
)
.labels(&["core"])
.dotted("Chouette.tegrastats.cpu.percentage")
.scale(100.0);

pub(super) static CPU_FREQUENCY: MetricDef =
    MetricDef::gauge("tegrastats_cpu_frequency_hertz", "Clock of the core.")
        .labels(&["core"])
        .dotted("Chouette.tegrastats.cpu.frequency");

pub(super) static CPU_ONLINE: MetricDef = MetricDef::gauge(
    "tegrastats_cpu_online",
    "1 for a core that is switched on, 0 for one that is off.",
)
.labels(&["core"])
.dotted("Chouette.tegrastats.cpu.online");

pub(super) static EMC_LOAD: MetricDef = MetricDef::gauge(
    "tegrastats_emc_load_ratio",
    "Share of the memory controller's bandwidth in use at its clock.",
)
.dotted("Chouette.tegrastats.emc.percentage")
.scale(100.0);

pub(super) static EMC_FREQUENCY: MetricDef = MetricDef::gauge(
    "tegrastats_emc_frequency_hertz",
    "Clock of the memory controller.",
)
.dotted("Chouette.tegrastats.emc.frequency");

pub(super) static GPU_LOAD: MetricDef = MetricDef::gauge(
    "tegrastats_gpu_load_ratio",
    "Share of the time that the graphics engine was busy.",
)
.labels(&["engine"])
.dotted("Chouette.tegrastats.gpu.percentage")
.scale(100.0);

pub(super) static GPU_FREQUENCY: MetricDef = MetricDef::gauge(
    "tegrastats_gpu_frequency_hertz",
    "Clock of the graphics engine by cluster (GPC), from 0; 0 for a cluster that is switched off.",
)
.labels(&["cluster", "engine"])
.dotted("Chouette.tegrastats.gpu.frequency");

pub(super) static POWER: MetricDef =
    MetricDef::gauge("tegrastats_power_watts", "Power that the rail takes now.")
        .labels(&["rail"])
        .dotted("Chouette.tegrastats.power");

pub(super) static POWER_AVERAGE: MetricDef = MetricDef::gauge(
    "tegrastats_power_average_watts",
    "Power that the rail took on average since tegrastats was started.",
)
.labels(&["rail"])
.dotted("Chouette.tegrastats.power.average");

pub(super) static ENGINE_ON: MetricDef = MetricDef::gauge(
    "tegrastats_engine_on",
    "1 for an engine (video, vision, audio, deep learning) that is switched on, 0 for one that is off.",
)
.labels(&["engine"])
.dotted("Chouette.tegrastats.engine.on");

pub(super) static ENGINE_LOAD: MetricDef = MetricDef::gauge(
    "tegrastats_engine_load_ratio",
    "Share of the time that the engine was busy, where its board tells.",
)
.labels(&["engine"])
.dotted("Chouette.tegrastats.engine.percentage")
.scale(100.0);

pub(super) static ENGINE_FREQUENCY: MetricDef =
    MetricDef::gauge("tegrastats_engine_frequency_hertz", "Clock of the engine.")
        .labels(&["engine"])
        .dotted("Chouette.tegrastats.engine.frequency");

pub(super) static METRICS: &[&MetricDef] = &[
    &RAM_USED,
    &RAM_FREE,
    &TEMPERATURE,
    &SWAP_USED,
    &SWAP_FREE,
    &SWAP_CACHED,
    &IRAM_USED,
    &IRAM_FREE,
    &CPU_LOAD,
    &CPU_FREQUENCY,
    &CPU_ONLINE,
    &EMC_LOAD,
    &EMC_FREQUENCY,
    &GPU_LOAD,
    &GPU_FREQUENCY,
    &POWER,
    &POWER_AVERAGE,
    &ENGINE_ON,
    &ENGINE_LOAD,
    &ENGINE_FREQUENCY,
];

/// What zones say that are switched off, in degrees Celsius.
const OFF: f64 = -256.0;

/// Nothing is colder.
const ABSOLUTE_ZERO: f64 = -273.15;

/// One reading in base units; what is not known is not in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) ram: Option<Space>,
    pub(super) swap: Option<Space>,
    pub(super) swap_cached: Option<f64>,
    pub(super) iram: Option<Space>,
    /// From core 0 on, also those that are off.
    pub(super) cores: Vec<Core>,
    pub(super) emc: Option<Engine>,
    /// By engine.
    pub(super) gpus: Vec<(String, Engine)>,
    pub(super) engines: Vec<(String, Engine)>,
    /// By zone, in degrees Celsius.
    pub(super) zones: Vec<(String, f64)>,
    pub(super) rails: Vec<Rail>,
}

/// Memory of one kind, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Space {
    pub(super) used: f64,
    pub(super) total: f64,
}

/// One CPU core.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Core {
    pub(super) online: bool,
    pub(super) load: Option<f64>,
    pub(super) frequency: Option<f64>,
}

/// What has a clock and is busy or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Engine {
    pub(super) on: bool,
    pub(super) load: Option<f64>,
    /// One a cluster.
    pub(super) frequencies: Vec<f64>,
}

/// One supply, in watts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rail {
    pub(super) name: String,
    pub(super) now: f64,
    pub(super) average: Option<f64>,
}

impl Reading {
    /// Adds the metrics of the groups that are asked for.
    pub(super) fn push(&self, groups: &[Group], out: &mut Samples) {
        for group in groups {
            match group {
                Group::Ram => space(self.ram, [&RAM_USED, &RAM_FREE], out),
                Group::Swap => {
                    space(self.swap, [&SWAP_USED, &SWAP_FREE], out);
                    once(&SWAP_CACHED, &[], self.swap_cached, out);
                }
                Group::Iram => space(self.iram, [&IRAM_USED, &IRAM_FREE], out),
                Group::Temp => self.push_zones(out),
                Group::Cpu => self.push_cores(out),
                Group::Emc => {
                    let emc = self.emc.as_ref();
                    once(&EMC_LOAD, &[], emc.and_then(|emc| emc.load), out);
                    let frequency = emc.and_then(|emc| emc.frequencies.first().copied());
                    once(&EMC_FREQUENCY, &[], frequency, out);
                }
                Group::Gpu => self.push_gpus(out),
                Group::Power => {
                    for rail in &self.rails {
                        once(&POWER, &[&rail.name], Some(rail.now), out);
                        once(&POWER_AVERAGE, &[&rail.name], rail.average, out);
                    }
                }
                Group::Engines => {
                    for (name, engine) in &self.engines {
                        once(&ENGINE_ON, &[name], Some(f64::from(engine.on)), out);
                        once(&ENGINE_LOAD, &[name], engine.load, out);
                        let frequency = engine.frequencies.first().copied();
                        once(&ENGINE_FREQUENCY, &[name], frequency, out);
                    }
                }
            }
        }
    }

    fn push_zones(&self, out: &mut Samples) {
        // PMIC says 100 (or 50) always: the predecessor leaves it out for that reason.
        let real = |(zone, celsius): &&(String, f64)| {
            !zone.eq_ignore_ascii_case("pmic") && *celsius != OFF && *celsius >= ABSOLUTE_ZERO
        };
        for (zone, celsius) in self.zones.iter().filter(real) {
            once(&TEMPERATURE, &[zone], Some(*celsius), out);
        }
    }

    fn push_cores(&self, out: &mut Samples) {
        for (number, core) in self.cores.iter().enumerate() {
            let number = number.to_string();
            once(&CPU_ONLINE, &[&number], Some(f64::from(core.online)), out);
            once(&CPU_LOAD, &[&number], core.load, out);
            once(&CPU_FREQUENCY, &[&number], core.frequency, out);
        }
    }

    fn push_gpus(&self, out: &mut Samples) {
        for (name, engine) in &self.gpus {
            once(&GPU_LOAD, &[name], engine.load, out);
            for (cluster, frequency) in engine.frequencies.iter().enumerate() {
                once(
                    &GPU_FREQUENCY,
                    &[&cluster.to_string(), name],
                    Some(*frequency),
                    out,
                );
            }
        }
    }
}

fn space(space: Option<Space>, [used, free]: [&'static MetricDef; 2], out: &mut Samples) {
    once(used, &[], space.map(|space| space.used), out);
    once(free, &[], space.map(|space| space.total - space.used), out);
}

/// Adds what is known. Of two with one name the first counts.
fn once(def: &'static MetricDef, labels: &[&str], value: Option<f64>, out: &mut Samples) {
    if let Some(value) = value
        && out.get(def, labels).is_none()
    {
        out.push(def, labels, value);
    }
}
