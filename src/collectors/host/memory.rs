//! Memory and swap from `/proc/meminfo` (proc_meminfo(5)).

use crate::collectors::host::reading::{Files, Sink, malformed, number};
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;

pub(super) static USED: MetricDef = MetricDef::gauge(
    "host_memory_used_bytes",
    "Memory in use, without buffers and caches (reclaimable kernel memory included).",
)
.dotted("Chouette.host.memory.used");

pub(super) static AVAILABLE: MetricDef = MetricDef::gauge(
    "host_memory_available_bytes",
    "Memory that programs could get without swapping, as the kernel estimates it.",
)
.dotted("Chouette.host.memory.available");

pub(super) static TOTAL: MetricDef =
    MetricDef::gauge("host_memory_total_bytes", "Memory that the kernel has.")
        .dotted("Chouette.host.memory.total");

pub(super) static SWAP_USED: MetricDef =
    MetricDef::gauge("host_swap_used_bytes", "Swap space in use.").dotted("Chouette.host.swap.used");

pub(super) static SWAP_TOTAL: MetricDef =
    MetricDef::gauge("host_swap_total_bytes", "Swap space; 0 without any.")
        .dotted("Chouette.host.swap.total");

/// Memory and swap in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    total: u64,
    used: u64,
    /// Unknown before Linux 3.14.
    available: Option<u64>,
    swap_total: u64,
    swap_used: u64,
}

/// Reads the file. Used memory is what the predecessor's psutil says: total less free, buffers, page cache and
/// reclaimable slabs, or total less free where that would be negative.
pub(super) fn parse(text: &str) -> Result<Memory, String> {
    let [mut total, mut free, mut available, mut buffers, mut cached] = [None; 5];
    let [mut reclaimable, mut swap_total, mut swap_free] = [None; 3];
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let place = match key {
            "MemTotal" => &mut total,
            "MemFree" => &mut free,
            "MemAvailable" => &mut available,
            "Buffers" => &mut buffers,
            "Cached" => &mut cached,
            "SReclaimable" => &mut reclaimable,
            "SwapTotal" => &mut swap_total,
            "SwapFree" => &mut swap_free,
            _ => continue,
        };
        // The kernel writes kB and means KiB.
        let kibibytes: u64 = number(value.split_ascii_whitespace().next(), key)?;
        *place = Some(kibibytes.saturating_mul(1024));
    }
    let required = |value: Option<u64>, key: &str| value.ok_or_else(|| format!("expected a line `{key}:`"));
    let (total, free) = (required(total, "MemTotal")?, required(free, "MemFree")?);
    let caches = [buffers, cached, reclaimable].into_iter().flatten();
    let idle = caches.fold(free, u64::saturating_add);
    let swap_total = required(swap_total, "SwapTotal")?;
    Ok(Memory {
        total,
        used: total.checked_sub(idle).unwrap_or(total.saturating_sub(free)),
        available,
        swap_total,
        swap_used: swap_total.saturating_sub(required(swap_free, "SwapFree")?),
    })
}

/// Reads the file once for both groups and gives those that are asked for.
pub(super) fn fetch(
    files: &mut Files,
    ram: bool,
    swap: bool,
    sink: &mut Sink<'_>,
) -> Result<(), CollectError> {
    let path = files.roots.proc("meminfo");
    let memory = parse(&files.text(&path)?).map_err(|reason| malformed(&path, reason))?;
    if ram {
        sink.push(&USED, &[], memory.used as f64);
        if let Some(available) = memory.available {
            sink.push(&AVAILABLE, &[], available as f64);
        }
        sink.extra(&TOTAL, &[], memory.total as f64);
    }
    if swap {
        sink.push(&SWAP_USED, &[], memory.swap_used as f64);
        sink.push(&SWAP_TOTAL, &[], memory.swap_total as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn a_captured_file_is_read() {
        let text = "MemTotal:       24682416 kB\nMemFree:        24381656 kB\nMemAvailable:   24297280 kB
Buffers:            3072 kB\nCached:            31100 kB\nSwapCached:            0 kB\nSwapTotal:        102396 kB
SwapFree:         100000 kB\nKReclaimable:     136532 kB\nSReclaimable:     136532 kB\nHugePages_Total:       0\n";
        let expected = Memory {
            total: 24_682_416 * KIB,
            used: (24_682_416 - 24_381_656 - 3072 - 31_100 - 136_532) * KIB,
            available: Some(24_297_280 * KIB),
            swap_total: 102_396 * KIB,
            swap_used: 2396 * KIB,
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn caches_beyond_the_total_are_not_taken_off() {
        let text = "MemTotal: 100 kB\nMemFree: 40 kB\nCached: 80 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        let memory = parse(text).unwrap();
        assert_eq!((memory.used, memory.available), (60 * KIB, None));
        assert_eq!((memory.swap_used, memory.swap_total), (0, 0));
    }

    #[test]
    fn what_is_missing_or_no_number_is_named() {
        assert_eq!(parse(""), Err("expected a line `MemTotal:`".to_string()));
        assert_eq!(
            parse("MemTotal: many kB\n"),
            Err("expected MemTotal as a number, and `many` stands there".to_string())
        );
    }
}
