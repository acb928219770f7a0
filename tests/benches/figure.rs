//! How a bench prints: one aligned line a figure, with the machine above all of them.

use std::fs;
use std::ops::{Bound, RangeBounds};

/// Prints what the figures below come from.
pub(crate) fn machine() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processor, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
    let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
    println!(
        "{} × {}, load {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        model.unwrap_or("processor").trim_start_matches(['\t', ' ', ':']),
        load.split(' ').take(3).collect::<Vec<_>>().join(" "),
    );
    println!("{:<60} {:>10} {:<12} target", "figure", "value", "unit");
}

/// Prints one figure and whether it lies in the range that it should; `..` where there is no target.
pub(crate) fn figure(name: &str, value: f64, unit: &str, target: impl RangeBounds<f64>) {
    let wanted = match (target.start_bound(), target.end_bound()) {
        (_, Bound::Included(most) | Bound::Excluded(most)) => format!("≤ {most}"),
        (Bound::Included(least) | Bound::Excluded(least), _) => format!("≥ {least}"),
        _ => "none".to_string(),
    };
    let missed = if target.contains(&value) { "" } else { ", missed" };
    let digits = match value.abs() {
        large if large >= 1000.0 => 0,
        large if large >= 10.0 => 1,
        _ => 3,
    };
    println!("{name:<60} {value:>10.digits$} {unit:<12} {wanted}{missed}");
}
