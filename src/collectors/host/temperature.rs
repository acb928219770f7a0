//! Temperatures from the kernel's hardware monitors and thermal zones (kernel documentation, hwmon/sysfs-interface
//! and driver-api/thermal/sysfs-api).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::support::root;

pub(super) static TEMPERATURE: MetricDef = MetricDef::gauge(
    "host_temperature_celsius",
    "Temperature by chip and sensor; a thermal zone without a chip has the chip thermal_zone.",
)
.labels(&["chip", "sensor"])
.dotted("Chouette.host.temperature");

/// Nothing is colder; drivers write less for a sensor that is not there.
const ABSOLUTE_ZERO: f64 = -273.15;

/// Reads thousandths of a degree; `None` for what no sensor can mean.
pub(super) fn parse(text: &str) -> Result<Option<f64>, String> {
    let millis: i64 = number(text.split_ascii_whitespace().next(), "the temperature")?;
    let celsius = millis as f64 / 1000.0;
    Ok((celsius >= ABSOLUTE_ZERO).then_some(celsius))
}

/// Reads all sensors. Without any it gives nothing; one that does not answer now is left out.
pub(super) fn fetch(files: &mut Files, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let chips = hardware_monitors(files, sink)?;
    thermal_zones(files, &chips, sink)
}

/// A hardware monitor.
struct Chip {
    folder: String,
    name: String,
}

/// Reads the monitors' sensors and returns the chips' names as their drivers say them.
fn hardware_monitors(files: &mut Files, sink: &mut Sink<'_>) -> Result<Vec<String>, CollectError> {
    let class = files.roots.sys("class/hwmon");
    let mut chips = Vec::new();
    for folder in files.names_if_there(&class)? {
        if let Some(name) = line(&class.join(&folder).join("name")) {
            chips.push(Chip { folder, name });
        }
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for chip in &chips {
        *times.entry(&chip.name).or_default() += 1;
    }
    for chip in &chips {
        let place = class.join(&chip.folder);
        // The folder's number may change with a boot; the device that the chip sits on stays.
        let label = match times.get(chip.name.as_str()) {
            Some(1) => chip.name.clone(),
            _ => format!(
                "{}-{}",
                chip.name,
                device(&place).unwrap_or_else(|| chip.folder.clone())
            ),
        };
        sensors(files, &place, &label, sink)?;
    }
    Ok(chips.into_iter().map(|chip| chip.name).collect())
}

/// Reads one monitor's sensors.
fn sensors(files: &mut Files, place: &Path, chip: &str, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let mut found: Vec<(String, String, f64)> = Vec::new();
    for file in files.names_if_there(place)? {
        let sensor = file
            .strip_suffix("_input")
            .filter(|name| name.starts_with("temp"));
        let Some(sensor) = sensor else {
            continue;
        };
        if line(&place.join(format!("{sensor}_fault"))).is_some_and(|fault| fault != "0") {
            continue;
        }
        if let Some(celsius) = temperature(files, &place.join(&file))? {
            let label = line(&place.join(format!("{sensor}_label")));
            found.push((
                sensor.to_string(),
                label.unwrap_or_else(|| sensor.to_string()),
                celsius,
            ));
        }
    }
    for (sensor, label, celsius) in &found {
        let alone = found.iter().filter(|other| other.1 == *label).count() == 1;
        let sensor = if alone { label } else { sensor };
        sink.push(&TEMPERATURE, &[chip, sensor], *celsius);
    }
    Ok(())
}

/// Reads the thermal zones that no hardware monitor shows already: the kernel makes one for a zone, under the zone's
/// type with `_` for `-`.
fn thermal_zones(files: &mut Files, chips: &[String], sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let class = files.roots.sys("class/thermal");
    let mut seen: Vec<String> = Vec::new();
    for folder in files.names_if_there(&class)? {
        if !folder.starts_with("thermal_zone") {
            continue;
        }
        let place = class.join(&folder);
        let Some(kind) = line(&place.join("type")) else {
            continue;
        };
        if chips.iter().any(|chip| *chip == kind.replace('-', "_")) {
            continue;
        }
        if let Some(celsius) = temperature(files, &place.join("temp"))? {
            let sensor = if seen.contains(&kind) {
                format!("{kind}-{folder}")
            } else {
                kind.clone()
            };
            sink.push(&TEMPERATURE, &["thermal_zone", &sensor], celsius);
            seen.push(kind);
        }
    }
    Ok(())
}

/// Reads one sensor. Drivers refuse in many ways while theirs sleeps or is switched off: all of them are unknown.
fn temperature(files: &mut Files, path: &Path) -> Result<Option<f64>, CollectError> {
    match files.text(path) {
        Ok(text) => parse(&text).map_err(|reason| malformed(path, reason)),
        Err(_) => Ok(None),
    }
}

/// The one line of a small file; `None` where it is missing or empty.
fn line(path: &Path) -> Option<String> {
    let mut buffer = Vec::new();
    root::read(path, &mut buffer).ok()?;
    let text = String::from_utf8_lossy(&buffer);
    Some(text.trim().to_string()).filter(|text| !text.is_empty())
}

fn device(place: &Path) -> Option<String> {
    let target = fs::read_link(place.join("device")).ok()?;
    Some(target.file_name()?.to_str()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_read_and_the_impossible_is_unknown() {
        assert_eq!(parse("48312\n"), Ok(Some(48.312)));
        assert_eq!(parse("-40000\n"), Ok(Some(-40.0)));
        assert_eq!(parse("0\n"), Ok(Some(0.0)));
        assert_eq!(parse("-274000\n"), Ok(None));
        assert_eq!(
            parse("warm\n"),
            Err("expected the temperature as a number, and `warm` stands there".to_string())
        );
    }
}
