//! Load averages from `/proc/loadavg` (proc_loadavg(5)).

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;

pub(super) static AVERAGE: MetricDef = MetricDef::gauge(
    "host_load_average",
    "Tasks that run or wait for a CPU or a disk, averaged over the period.",
)
.labels(&["period"])
.dotted("Chouette.host.la");

/// Reads the averages over 1, 5 and 15 minutes.
pub(super) fn parse(text: &str) -> Result<[f64; 3], String> {
    let mut columns = text.split_ascii_whitespace();
    let mut next = |minutes| {
        let value: f64 = number(columns.next(), format_args!("the load over {minutes} min"))?;
        if !value.is_finite() || value < 0.0 {
            return Err(format!("expected the load over {minutes} min, got `{value}`"));
        }
        Ok(value)
    };
    Ok([next(1)?, next(5)?, next(15)?])
}

/// Reads the load. The predecessor gave the first one only.
pub(super) fn fetch(files: &mut Files, sink: &mut Sink<'_>) -> Result<(), CollectError> {
    let path = files.roots.proc("loadavg");
    let [one, five, fifteen] = parse(&files.text(&path)?).map_err(|reason| malformed(&path, reason))?;
    sink.push(&AVERAGE, &["1m"], one);
    sink.extra(&AVERAGE, &["5m"], five);
    sink.extra(&AVERAGE, &["15m"], fifteen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_file_is_read() {
        assert_eq!(parse("0.00 0.05 12.09 1/93 11406\n"), Ok([0.0, 0.05, 12.09]));
    }

    #[test]
    fn what_is_no_load_is_refused() {
        assert_eq!(
            parse("0.00 0.05\n"),
            Err("expected the load over 15 min, and nothing stands there".to_string())
        );
        assert_eq!(
            parse("0.00 NaN 1.00"),
            Err("expected the load over 5 min, got `NaN`".to_string())
        );
    }
}
