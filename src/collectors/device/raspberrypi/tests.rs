use std::fs;

use super::*;

#[test]
fn a_raspberry_pi_is_found_by_its_device_tree_or_its_voltage_sensor() {
    let folder = tempfile::tempdir().unwrap();
    let below = |name: &str| folder.path().join(name);
    let roots = Roots::new(below("proc"), below("sys"), below("root"));
    let section = Section::new("raspberrypi", Value::Null);
    let write = |path: &str, text: &str| {
        fs::create_dir_all(below(path).parent().unwrap()).unwrap();
        fs::write(below(path), text).unwrap();
    };
    let readable = Sighting::Readable {
        what: "the Raspberry Pi's files below /sys".to_string(),
    };
    write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    write("sys/class/hwmon/hwmon0/name", "coretemp\n");
    write(
        "proc/device-tree/compatible",
        "nvidia,p3450-0000\0nvidia,tegra210\0",
    );
    assert_eq!(find(&section, &roots), Sighting::Absent);
    write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
    assert_eq!(find(&section, &roots), readable);
    fs::remove_dir_all(below("sys/class/hwmon")).unwrap();
    fs::remove_dir_all(below("proc")).unwrap();
    assert_eq!(find(&section, &roots), Sighting::Absent);
    // A container sees the tree here, where its /proc is not the device's.
    write(
        "sys/firmware/devicetree/base/compatible",
        "raspberrypi,5-model-b\0brcm,bcm2712\0",
    );
    assert_eq!(find(&section, &roots), readable);
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let value: Value = serde_saphyr::from_str(SAMPLE).unwrap();
    assert_eq!(
        effective(&Section::new("raspberrypi", Value::Null)),
        Some(value.clone())
    );
    assert_eq!(
        effective(&Section::new("raspberrypi", value.clone())),
        Some(value)
    );
}

#[test]
fn every_problem_is_named() {
    let mut problems = Problems::default();
    let section = Section::new("collectors.raspberrypi", json!({"groups": []}));
    assert!(build(&section, Roots::default(), &mut problems).is_none());
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "collectors.raspberrypi.groups: names no group; expected at least one (leave the key out for all of \
             them, or the collector out for none)"
        ]
    );
}

#[test]
fn each_metric_is_declared_well() {
    for def in METRICS {
        assert!(def.labels.is_sorted() && def.help.ends_with('.'), "{}", def.name);
        assert!(def.name.starts_with("raspberrypi_"), "{}", def.name);
    }
}
