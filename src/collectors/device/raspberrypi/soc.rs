//! The chip's temperature and clock.

use crate::collectors::device::files::Files;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

pub(super) static TEMPERATURE: MetricDef =
    MetricDef::gauge("raspberrypi_soc_temperature_celsius", "Temperature of the chip.");

pub(super) static CLOCK: MetricDef = MetricDef::gauge(
    "raspberrypi_cpu_frequency_hertz",
    "Clock of the cores that share the policy.",
)
.labels(&["policy"]);

/// What the chip's thermal zone is called, by model and kernel.
const ZONES: [&str; 4] = ["cpu-thermal", "soc-thermal", "bcm2835_thermal", "cpu_thermal"];

pub(super) fn fetch(files: &mut Files<'_>, out: &mut Samples) {
    let class = files.roots.sys("class/thermal");
    let zones = files.names(&class).into_iter().map(|name| class.join(name));
    let is_soc = |kind: String| ZONES.contains(&kind.as_str());
    let zone = zones
        .into_iter()
        .find(|place| files.line(&place.join("type")).is_some_and(is_soc));
    if let Some(millis) = zone.and_then(|place| files.number(&place.join("temp"))) {
        out.push(&TEMPERATURE, &[], millis / 1000.0);
    }
    let policies = files.roots.sys("devices/system/cpu/cpufreq");
    for policy in files.names(&policies) {
        let path = policies.join(&policy).join("scaling_cur_freq");
        if policy.starts_with("policy")
            && let Some(kilohertz) = files.number(&path)
        {
            out.push(&CLOCK, &[&policy], kilohertz * 1e3);
        }
    }
}
