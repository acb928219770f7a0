//! A Jetson without tegrastats: what its kernel shows to everybody.

use std::path::{Path, PathBuf};

use tracing::info;

use crate::collectors::device::files::{Files, is_compatible};
use crate::collectors::device::tegrastats::reading::{Core, Engine, Rail, Reading, Space};
use crate::collectors::device::tegrastats::settings::Settings;
use crate::component::collector::CollectError;
use crate::component::turn::Reader;
use crate::model::sample::Samples;
use crate::support::root::Roots;

/// How the graphics engine's device is called, by the chip and the release; the number before it is its address.
const GPUS: [&str; 7] = [
    "gpu.0",
    "57000000.gpu",
    "57000000.gm20b",
    "17000000.gp10b",
    "17000000.gv11b",
    "17000000.ga10b",
    "17000000.gpu",
];

/// What tegrastats calls it.
const GPU: &str = "GR3D";

/// Whether this is a Jetson. Thermal zones and power sensors are on many machines, so one of three things is asked for
/// that only a Jetson has: a chip of its family in the device tree, the release of its system, or both its power sensors
/// and its graphics engine.
pub(super) fn is_one(roots: &Roots) -> bool {
    is_compatible(roots, &["nvidia,tegra"])
        || roots.device_path("/etc/nv_tegra_release").is_file()
        || !sensors(&Files::new(roots)).is_empty() && gpu(&Files::new(roots)).is_some()
}

/// Reads the kernel's files.
#[derive(Clone, Debug)]
pub(super) struct Jetson {
    settings: Settings,
    roots: Roots,
    /// The last reading of the cores, to which the next one is compared.
    before: Vec<Option<Ticks>>,
    told: bool,
}

impl Jetson {
    pub(super) fn new(settings: Settings, roots: Roots) -> Self {
        Self {
            settings,
            roots,
            before: Vec::new(),
            told: false,
        }
    }
}

impl Reader for Jetson {
    fn read(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        if !is_one(&self.roots) {
            return Err(CollectError::Unreachable {
                target: self.settings.path.display().to_string(),
                reason: "there is no such program, or not what it needs to run, and this device is no Jetson, so set \
                         `path` to where tegrastats is or leave the collector out"
                    .to_string(),
            });
        }
        if !std::mem::replace(&mut self.told, true) {
            let path = self.settings.path.display();
            info!(
                collector = "tegrastats",
                %path,
                "There is no such program, or not what it needs to run, so the kernel's files are read. They do not \
                 show emc, iram, engines and average power, which only root or tegrastats can see."
            );
        }
        let mut files = Files::new(&self.roots);
        let (ram, swap, swap_cached) = memory(&mut files);
        let reading = Reading {
            ram,
            swap,
            swap_cached,
            cores: cores(&mut files, &mut self.before),
            gpus: gpu(&files).map(|gpu| gpu.read(&mut files)).into_iter().collect(),
            zones: zones(&mut files),
            rails: rails(&mut files),
            ..Reading::default()
        };
        reading.push(&self.settings.groups, out);
        files.faults()?;
        if out.is_empty() {
            let target = "the Jetson's kernel".to_string();
            return Err(CollectError::NoData { target });
        }
        Ok(())
    }
}

/// Memory, swap and what of swap is in memory too. As tegrastats counts: buffers and caches are not in use.
fn memory(files: &mut Files<'_>) -> (Option<Space>, Option<Space>, Option<f64>) {
    let path = files.roots.proc("meminfo");
    let text = files.text(&path).unwrap_or_default();
    let bytes = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kibibytes: u32 = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some(f64::from(kibibytes) * 1024.0)
    };
    let idle = ["MemFree", "Buffers", "Cached", "SReclaimable"].map(|key| bytes(key).unwrap_or(0.0));
    let ram = bytes("MemTotal").map(|total| Space {
        used: total - idle.iter().sum::<f64>().min(total),
        total,
    });
    if ram.is_none() && !text.is_empty() {
        files.fault(&path, "expected a line `MemTotal:` in kB");
    }
    let swap = bytes("SwapTotal")
        .zip(bytes("SwapFree"))
        .map(|(total, free)| Space {
            used: total - free.min(total),
            total,
        });
    (ram, swap, bytes("SwapCached"))
}

/// How long a core was busy and how long it was there, in ticks.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    busy: u64,
    all: u64,
}

/// The cores: those that the kernel counts the time of are on.
fn cores(files: &mut Files<'_>, before: &mut Vec<Option<Ticks>>) -> Vec<Core> {
    let text = files.text(&files.roots.proc("stat")).unwrap_or_default();
    let ticks = |number: usize| {
        let name = format!("cpu{number}");
        let mut columns = text.lines().find_map(|line| {
            let mut columns = line.split_ascii_whitespace();
            (columns.next()? == name).then_some(columns)
        })?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user and nice already.
        let columns: Vec<u64> = columns
            .by_ref()
            .take(8)
            .filter_map(|text| text.parse().ok())
            .collect();
        let all = columns.iter().sum();
        let idle: u64 = columns.iter().skip(3).take(2).sum();
        Some(Ticks {
            busy: all - idle,
            all,
        })
    };
    let folder = files.roots.sys("devices/system/cpu");
    let numbers = files.names(&folder).into_iter().filter_map(|name| {
        let number: usize = name.strip_prefix("cpu")?.parse().ok()?;
        (number < 1024).then_some(number)
    });
    let count = numbers.max().map_or(0, |last| last + 1);
    let now: Vec<Option<Ticks>> = (0..count).map(ticks).collect();
    let cores = now.iter().enumerate().map(|(number, now)| {
        let earlier = before.get(number).copied().flatten();
        Core {
            online: now.is_some(),
            load: now.zip(earlier).and_then(|(now, earlier)| load(now, earlier)),
            frequency: now.and_then(|_| {
                let kilohertz = folder.join(format!("cpu{number}/cpufreq/scaling_cur_freq"));
                Some(files.number(&kilohertz)? * 1e3)
            }),
        }
    });
    let cores = cores.collect();
    *before = now;
    cores
}

/// The busy share of the time between two readings; unknown where a core was switched off between them, or no time passed.
fn load(now: Ticks, earlier: Ticks) -> Option<f64> {
    let all = now.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
    let busy = now.busy.checked_sub(earlier.busy)?;
    Some((busy as f64 / all as f64).min(1.0))
}

/// Where the graphics engine shows itself.
struct Gpu {
    /// Thousandths.
    load: PathBuf,
    /// In hertz, where there is such a file.
    frequency: Option<PathBuf>,
}

impl Gpu {
    fn read(&self, files: &mut Files<'_>) -> (String, Engine) {
        let frequency = self.frequency.as_ref().and_then(|path| files.number(path));
        let engine = Engine {
            on: true,
            load: files.number(&self.load).map(|load| load / 1000.0),
            frequencies: frequency.into_iter().collect(),
        };
        (GPU.to_string(), engine)
    }
}

fn gpu(files: &Files<'_>) -> Option<Gpu> {
    let named = |folder: &Path| {
        let is_gpu = |name: &String| GPUS.contains(&name.as_str());
        files
            .names(folder)
            .into_iter()
            .find(is_gpu)
            .map(|name| folder.join(name))
    };
    let clocked = named(&files.roots.sys("class/devfreq"));
    let frequency = clocked.as_ref().map(|place| place.join("cur_freq"));
    let places = [
        clocked.map(|place| place.join("device/load")),
        named(&files.roots.sys("devices")).map(|place| place.join("load")),
        named(&files.roots.sys("devices/platform")).map(|place| place.join("load")),
    ];
    let load = places.into_iter().flatten().find(|path| path.is_file())?;
    Some(Gpu { load, frequency })
}

/// The thermal zones, called as tegrastats calls them: `CPU-therm`, `Tboard_tegra`, `thermal-fan-est` are `CPU`,
/// `Tboard`, `thermal`. Where that makes two of them one, the second keeps its whole name.
fn zones(files: &mut Files<'_>) -> Vec<(String, f64)> {
    let folder = files.roots.sys("class/thermal");
    let mut zones: Vec<(String, f64)> = Vec::new();
    for name in files.names(&folder) {
        let place = folder.join(&name);
        let kind = files
            .line(&place.join("type"))
            .filter(|_| name.starts_with("thermal_zone"));
        let Some(kind) = kind else {
            continue;
        };
        let Some(celsius) = files.number(&place.join("temp")).map(|millis| millis / 1000.0) else {
            continue;
        };
        let short = kind.split(['-', '_', '.']).next().unwrap_or_default().to_string();
        let taken = short.is_empty() || zones.iter().any(|(other, _)| *other == short);
        zones.push((if taken { kind } else { short }, celsius));
    }
    zones
}

/// The folders of the power sensors: of `hwmon` since JetPack 5, of `iio` before.
fn sensors(files: &Files<'_>) -> Vec<PathBuf> {
    let drivers = files.roots.sys("bus/i2c/drivers");
    let below = |folder: PathBuf, start: &'static str| {
        let names = files.names(&folder).into_iter();
        names
            .filter(move |name| name.starts_with(start))
            .map(move |name| folder.join(name))
    };
    let devices = below(drivers, "ina3221").flat_map(|driver| below(driver, ""));
    devices
        .flat_map(|device| below(device.join("hwmon"), "hwmon").chain(below(device, "iio:device")))
        .collect()
}

/// The rails of all sensors, three each, in watts.
fn rails(files: &mut Files<'_>) -> Vec<Rail> {
    let mut rails = Vec::new();
    for place in sensors(files) {
        for channel in 0..=3 {
            let file = |name: String| place.join(name);
            let iio = files.line(&file(format!("rail_name_{channel}")));
            let hwmon = files.line(&file(format!("in{channel}_label")));
            let (name, now) = match (iio, hwmon) {
                (Some(name), _) => {
                    let milliwatts = files.number(&file(format!("in_power{channel}_input")));
                    (name, milliwatts.map(|milliwatts| milliwatts / 1e3))
                }
                (None, Some(name)) => {
                    let millivolts = files.number(&file(format!("in{channel}_input")));
                    let milliamperes = files.number(&file(format!("curr{channel}_input")));
                    let microwatts = millivolts.zip(milliamperes);
                    (name, microwatts.map(|(volts, amperes)| volts * amperes / 1e6))
                }
                (None, None) => continue,
            };
            // `NC` is a sensor that nothing is connected to.
            if let Some(now) = now.filter(|_| name != "NC") {
                let average = None;
                rails.push(Rail { name, now, average });
            }
        }
    }
    rails
}
