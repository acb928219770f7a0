//! Time since boot from `/proc/uptime` (proc_uptime(5)).

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;

pub(super) static UPTIME: MetricDef = MetricDef::gauge(
    "host_uptime_seconds",
    "Time since the device booted, suspended time included.",
)
.dotted("Chouette.host.uptime");

/// Reads the seconds since boot.
pub(super) fn parse(text: &str) -> Result<f64, String> {
    let seconds: f64 = number(text.split_ascii_whitespace().next(), "the seconds since boot")?;
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(format!("expected the seconds since boot, got `{seconds}`"));
    }
    Ok(seconds)
}

pub(super) fn fetch(files: &mut Files, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let path = files.roots.proc("uptime");
    let seconds = parse(&files.text(&path)?).map_err(|reason| malformed(&path, reason))?;
    sink.push(&UPTIME, &[], seconds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_file_is_read() {
        assert_eq!(parse("1693.87 3069.02\n"), Ok(1693.87));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(
            parse(""),
            Err("expected the seconds since boot, and nothing stands there".to_string())
        );
        assert_eq!(
            parse("-1.0 0.0"),
            Err("expected the seconds since boot, got `-1`".to_string())
        );
    }
}
