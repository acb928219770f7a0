//! CPU time from `/proc/stat` (proc_stat(5)).

use crate::collectors::host::reading::{Files, Sink, malformed, number, shortened};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;

pub(super) static USAGE: MetricDef = MetricDef::gauge(
    "host_cpu_usage_ratio",
    "Share of the time of all CPUs since the previous reading that was neither idle nor waiting for I/O.",
)
.dotted("Chouette.host.cpu.percentage")
.scale(100.0);

pub(super) static SECONDS: MetricDef = MetricDef::total(
    "host_cpu_seconds_total",
    "Time that all CPUs together spent in each mode; guests count as user and nice.",
)
.labels(&["mode"])
.dotted("Chouette.host.cpu.seconds");

pub(super) static CPUS: MetricDef =
    MetricDef::gauge("host_cpus", "CPUs that are online.").dotted("Chouette.host.cpus");

/// The columns of a `cpu` line that a total is made of; guest time, which follows, is part of user and nice.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

/// The columns in which a CPU does nothing.
const IDLE: [usize; 2] = [3, 4];

/// What the kernel counts in, whatever its own tick: `USER_HZ` is 100 on every machine that we are built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Time of all CPUs in each of the eight modes, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    ticks: [u64; 8],
    cpus: usize,
}

/// Reads the file's `cpu` lines. Modes that an old kernel does not know are 0.
pub(super) fn parse(text: &str) -> Result<Times, String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut columns = first.split_ascii_whitespace();
    if columns.next() != Some("cpu") {
        return Err(format!("expected a line `cpu …`, got `{}`", shortened(first)));
    }
    let mut ticks = [0; 8];
    for (index, mode) in MODES.iter().enumerate() {
        match columns.next() {
            // Linux 2.4 had the first four.
            None if index >= 4 => break,
            column => ticks[index] = number(column, format_args!("the ticks of mode {mode}"))?,
        }
    }
    let cpus = lines.take_while(|line| line.starts_with("cpu")).count();
    Ok(Times { ticks, cpus })
}

/// The busy share between two readings, 0 to 1; `None` where no time has passed.
///
/// Each mode counts by itself and never backwards: the kernel's iowait may fall, and a container's view of all may.
fn usage(previous: &Times, now: &Times) -> Option<f64> {
    let mut busy = 0;
    let mut total = 0;
    for (index, (before, after)) in previous.ticks.iter().zip(now.ticks).enumerate() {
        let passed = after.saturating_sub(*before);
        total += passed;
        if !IDLE.contains(&index) {
            busy += passed;
        }
    }
    (total > 0).then(|| busy as f64 / total as f64)
}

/// Reads the CPUs' times; `previous` is the last reading and becomes this one. It is lost where reading fails, so that
/// a share is always one since the previous run.
pub(super) fn fetch(
    files: &mut Files,
    previous: &mut Option<Times>,
    sink: &mut Sink<'_>,
) -> Result<(), CollectError> {
    let path = files.roots.proc("stat");
    let before = previous.take();
    let now = parse(&files.text(&path)?).map_err(|reason| malformed(&path, reason))?;
    if let Some(usage) = before.and_then(|before| usage(&before, &now)) {
        sink.push(&USAGE, &[], usage);
    }
    *previous = Some(now);
    for (mode, ticks) in MODES.iter().zip(now.ticks) {
        sink.extra(&SECONDS, &[mode], ticks as f64 / TICKS_PER_SECOND);
    }
    if now.cpus > 0 {
        sink.extra(&CPUS, &[], now.cpus as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "cpu  26423 0 4046 306902 945 0 63 18 0 0
cpu0 13257 0 2150 153269 491 0 19 10 0 0
cpu1 13166 0 1896 153632 454 0 43 8 0 0
intr 332266 0 0 0 0
ctxt 411390
btime 1795224948
";

    fn times(ticks: [u64; 8]) -> Times {
        Times { ticks, cpus: 1 }
    }

    #[test]
    fn a_captured_file_is_read() {
        let expected = Times {
            ticks: [26423, 0, 4046, 306_902, 945, 0, 63, 18],
            cpus: 2,
        };
        assert_eq!(parse(DEBIAN), Ok(expected));
    }

    #[test]
    fn an_old_kernel_has_fewer_modes() {
        assert_eq!(
            parse("cpu 1 2 3 4\n"),
            Ok(Times {
                ticks: [1, 2, 3, 4, 0, 0, 0, 0],
                cpus: 0
            })
        );
    }

    #[test]
    fn what_is_no_cpu_line_is_refused() {
        assert_eq!(parse(""), Err("expected a line `cpu …`, got ``".to_string()));
        assert_eq!(
            parse("cpu  1 2 x 4\n"),
            Err("expected the ticks of mode system as a number, and `x` stands there".to_string())
        );
        assert_eq!(
            parse("cpu  1 2 3\n"),
            Err("expected the ticks of mode idle, and nothing stands there".to_string())
        );
    }

    #[test]
    fn waiting_for_io_is_not_busy_and_stolen_time_is() {
        let before = times([100, 0, 100, 1000, 50, 0, 0, 0]);
        let after = times([110, 1, 104, 1060, 70, 2, 2, 1]);
        assert_eq!(usage(&before, &after), Some(0.2));
    }

    #[test]
    fn a_mode_that_falls_counts_nothing() {
        let before = times([100, 0, 0, 1000, 50, 0, 0, 0]);
        let after = times([150, 0, 0, 1050, 40, 0, 0, 0]);
        assert_eq!(usage(&before, &after), Some(0.5));
    }

    #[test]
    fn zero_is_a_share_and_no_time_is_none() {
        let before = times([100, 0, 0, 1000, 0, 0, 0, 0]);
        assert_eq!(usage(&before, &times([100, 0, 0, 1100, 0, 0, 0, 0])), Some(0.0));
        assert_eq!(usage(&before, &before), None);
    }
}
