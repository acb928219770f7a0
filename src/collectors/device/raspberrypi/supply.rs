//! The supply and what the firmware does about it (kernel documentation, hwmon/raspberrypi-hwmon; Raspberry Pi
//! documentation, `vcgencmd get_throttled`).

use std::path::PathBuf;

use crate::collectors::device::files::{Files, shortened};
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

pub(super) static UNDER_VOLTAGE: MetricDef = MetricDef::gauge(
    "raspberrypi_under_voltage",
    "1 where the supply was below 4.63 V within the last seconds, else 0.",
);

pub(super) static THROTTLED: MetricDef = MetricDef::gauge(
    "raspberrypi_throttled",
    "1 for what the firmware meets or does (`now`), or did since the kernel last cleared its memory (`cleared`: every \
     2 s where the kernel's voltage driver runs, else at boot).",
)
.labels(&["condition", "since"]);

/// By the bit of `now`; that of `cleared` is 16 further.
const CONDITIONS: [&str; 4] = [
    "under_voltage",
    "frequency_capped",
    "throttled",
    "soft_temperature_limit",
];

/// The file of the voltage sensor. Its number among the monitors may change with a boot, its name does not.
pub(super) fn sensor(files: &Files<'_>) -> Option<PathBuf> {
    let class = files.roots.sys("class/hwmon");
    let monitors = files.names(&class).into_iter().map(|name| class.join(name));
    let mut sensors = monitors.filter(|place| files.line(&place.join("name")).as_deref() == Some("rpi_volt"));
    sensors.next().map(|place| place.join("in0_lcrit_alarm"))
}

/// The firmware's own file, which the Foundation's kernels have. The folders are called after the device tree, which is
/// `soc/soc:firmware` for one model and `soc@107c000000/soc@107c000000:firmware` for another.
///
/// Newer kernels warn in their log when it is read for the first time after a boot: they would have it read less, and
/// offer nothing else that tells of throttling.
fn throttled(files: &Files<'_>) -> Option<PathBuf> {
    let platform = files.roots.sys("devices/platform");
    let busses = files
        .names(&platform)
        .into_iter()
        .filter(|name| name.starts_with("soc"));
    let mut places: Vec<PathBuf> = busses.map(|name| platform.join(name)).collect();
    places.push(platform);
    let mut devices = places.into_iter().flat_map(|place| {
        let names = files.names(&place).into_iter();
        names
            .filter(|name| name == "firmware" || name.ends_with(":firmware"))
            .map(move |name| place.join(name).join("get_throttled"))
    });
    devices.find(|path| path.is_file())
}

/// Reads the firmware's bits: hexadecimal, without `0x` in the file.
fn parse(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

pub(super) fn fetch(files: &mut Files<'_>, out: &mut Samples) {
    if let Some(path) = sensor(files)
        && let Some(alarm) = files.number(&path)
    {
        out.push(&UNDER_VOLTAGE, &[], f64::from(alarm != 0.0));
    }
    let Some(path) = throttled(files) else {
        return;
    };
    let Some(text) = files.line(&path) else {
        return;
    };
    let Some(bits) = parse(&text) else {
        let reason = format!("expected a hexadecimal number, got `{}`", shortened(&text));
        files.fault(&path, &reason);
        return;
    };
    for (bit, condition) in CONDITIONS.iter().enumerate() {
        out.push(&THROTTLED, &[condition, "now"], f64::from(bits >> bit & 1));
        out.push(
            &THROTTLED,
            &[condition, "cleared"],
            f64::from(bits >> (bit + 16) & 1),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_hexadecimal_with_or_without_their_sign() {
        assert_eq!(
            (parse("50005"), parse("0x50005")),
            (Some(0x5_0005), Some(0x5_0005))
        );
        assert_eq!((parse("0"), parse("throttled")), (Some(0), None));
    }
}
