//! The signal of Wi-Fi from `/proc/net/wireless` (kernel, net/wireless/wext-proc.c).

use crate::collectors::device::files::{Files, shortened};
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

pub(super) static QUALITY: MetricDef = MetricDef::gauge(
    "raspberrypi_wifi_link_quality",
    "Quality of the link as its driver rates it; the Raspberry Pi's own counts to 70.",
)
.labels(&["iface"]);

pub(super) static SIGNAL: MetricDef =
    MetricDef::gauge("raspberrypi_wifi_signal_dbm", "Strength of the signal in dBm.").labels(&["iface"]);

pub(super) static NOISE: MetricDef = MetricDef::gauge(
    "raspberrypi_wifi_noise_dbm",
    "Strength of the noise in dBm; drivers that do not measure it give none.",
)
.labels(&["iface"]);

/// What the kernel writes for a strength that the driver does not know.
const UNKNOWN: f64 = -256.0;

/// The signal on one interface.
#[derive(Debug, PartialEq)]
struct Signal<'a> {
    iface: &'a str,
    quality: f64,
    level: Option<f64>,
    noise: Option<f64>,
}

/// Reads the lines below the two of the heading.
fn parse(text: &str) -> Result<Vec<Signal<'_>>, String> {
    let lines = text.lines().skip(2).filter(|line| !line.trim().is_empty());
    lines.map(signal).collect()
}

fn signal(line: &str) -> Result<Signal<'_>, String> {
    let expected = || {
        format!(
            "expected an interface and its signal, got `{}`",
            shortened(line.trim())
        )
    };
    // The name of an interface may hold a colon itself, as aliases do.
    let (iface, columns) = line.rsplit_once(':').ok_or_else(expected)?;
    // A dot behind a number says that it is new.
    let number = |text: &str| text.trim_end_matches('.').parse::<i32>().map(f64::from).ok();
    let columns: Vec<&str> = columns.split_ascii_whitespace().collect();
    let [_, quality, level, noise, ..] = columns[..] else {
        return Err(expected());
    };
    let read = || Some((number(quality)?, number(level)?, number(noise)?));
    let (quality, level, noise) = read().ok_or_else(expected)?;
    // Positive ones are of old drivers, in a unit of their own.
    let strength = |value: f64| Some(value).filter(|value| *value < 0.0 && *value != UNKNOWN);
    Ok(Signal {
        iface: iface.trim(),
        quality,
        level: strength(level),
        noise: strength(noise),
    })
}

pub(super) fn fetch(files: &mut Files<'_>, out: &mut Samples) {
    let path = files.roots.proc_of_reader("net/wireless");
    let Some(text) = files.text(&path) else {
        return;
    };
    match parse(&text) {
        Ok(signals) => {
            for signal in signals {
                out.push(&QUALITY, &[signal.iface], signal.quality);
                for (def, value) in [(&SIGNAL, signal.level), (&NOISE, signal.noise)] {
                    if let Some(value) = value {
                        out.push(def, &[signal.iface], value);
                    }
                }
            }
        }
        Err(reason) => files.fault(&path, &reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
";

    #[test]
    fn a_noise_that_is_not_measured_is_unknown() {
        let text = format!(
            "{HEADING} wlan0: 0000   60.  -50.  -256        0      0      0      0      0        0\n"
        );
        let expected = Signal {
            iface: "wlan0",
            quality: 60.0,
            level: Some(-50.0),
            noise: None,
        };
        assert_eq!(parse(&text), Ok(vec![expected]));
        assert_eq!(parse(HEADING), Ok(vec![]));
    }

    #[test]
    fn a_level_in_a_drivers_own_unit_is_no_strength() {
        let text = format!("{HEADING} wlan0: 0000   40   63   161  0 0 0 0 0 0\n");
        let signals = parse(&text).unwrap();
        assert_eq!((signals[0].quality, signals[0].level), (40.0, None));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        let text = format!("{HEADING} wlan0: 0000 good\n");
        assert_eq!(
            parse(&text),
            Err("expected an interface and its signal, got `wlan0: 0000 good`".to_string())
        );
    }
}
