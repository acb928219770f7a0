//! Pressure stall information from `/proc/pressure` (kernel documentation, accounting/psi).

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;

pub(super) static WAITING: MetricDef = MetricDef::total(
    "host_pressure_waiting_seconds_total",
    "Time in which at least one task waited for the resource.",
)
.labels(&["resource"])
.dotted("Chouette.host.pressure.waiting");

pub(super) static STALLED: MetricDef = MetricDef::total(
    "host_pressure_stalled_seconds_total",
    "Time in which every task that had work waited for the resource, so that nothing got done.",
)
.labels(&["resource"])
.dotted("Chouette.host.pressure.stalled");

const RESOURCES: [&str; 4] = ["cpu", "io", "irq", "memory"];

/// Microseconds that some and all tasks waited, as far as the kernel tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    some: Option<u64>,
    full: Option<u64>,
}

/// Reads one resource's file.
pub(super) fn parse(text: &str) -> Result<Pressure, String> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let mut columns = line.split_ascii_whitespace();
        let place = match columns.next() {
            Some("some") => &mut pressure.some,
            Some("full") => &mut pressure.full,
            _ => continue,
        };
        let total = columns.find_map(|column| column.strip_prefix("total="));
        *place = Some(number(total, "`total=`")?);
    }
    if pressure == Pressure::default() {
        return Err("expected a line `some …` or `full …`".to_string());
    }
    Ok(pressure)
}

/// Reads all resources. A kernel without the folder, or started with `psi=0`, gives nothing.
pub(super) fn fetch(files: &mut Files, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    for resource in RESOURCES {
        let path = files.roots.proc("pressure").join(resource);
        let Some(text) = files.text_if_there(&path)? else {
            continue;
        };
        let pressure = parse(&text).map_err(|reason| malformed(&path, reason))?;
        let seconds = |micros: u64| micros as f64 / 1e6;
        if let Some(some) = pressure.some {
            sink.push(&WAITING, &[resource], seconds(some));
        }
        // All tasks of a system cannot wait for a CPU at once: the kernel writes a 0 that says nothing.
        if let Some(full) = pressure.full.filter(|_| resource != "cpu") {
            sink.push(&STALLED, &[resource], seconds(full));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_file_is_read() {
        let text = "some avg10=0.23 avg60=0.62 avg300=0.31 total=11942037\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let expected = Pressure {
            some: Some(11_942_037),
            full: Some(7),
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn interrupts_have_no_waiting_line() {
        let text = "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        assert_eq!(
            parse(text),
            Ok(Pressure {
                some: None,
                full: Some(3)
            })
        );
    }

    #[test]
    fn what_is_no_pressure_is_refused() {
        assert_eq!(parse(""), Err("expected a line `some …` or `full …`".to_string()));
        assert_eq!(
            parse("some avg10=0.00\n"),
            Err("expected `total=`, and nothing stands there".to_string())
        );
    }
}
