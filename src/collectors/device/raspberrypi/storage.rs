//! How worn the flash is, as eMMC tells it (JEDEC JESD84-B50, EXT_CSD 267 to 269; kernel documentation,
//! mmc/mmc-dev-attrs). SD cards have no such register: they give nothing.

use std::path::Path;

use crate::collectors::device::files::{Files, shortened};
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

pub(super) static LIFE_USED: MetricDef = MetricDef::gauge(
    "raspberrypi_storage_life_used_ratio",
    "Share of the flash's life that is used at most, in steps of 0.1 by type of its cells; 1.1 where it is exceeded.",
)
.labels(&["device", "type"]);

pub(super) static PRE_EOL: MetricDef = MetricDef::gauge(
    "raspberrypi_storage_pre_eol",
    "1 for the state of the flash's reserved blocks: normal, warning (80 % are used) or urgent (90 %).",
)
.labels(&["device", "state"]);

/// By the register's value, from 1.
const STATES: [&str; 3] = ["normal", "warning", "urgent"];

/// The register counts tenths; 11 is beyond all of them.
const EXCEEDED: u32 = 11;

/// Reads hexadecimal numbers such as `0x01 0x02`.
fn parse(text: &str) -> Option<Vec<u32>> {
    let numbers = text.split_ascii_whitespace();
    numbers
        .map(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok())
        .collect()
}

pub(super) fn fetch(files: &mut Files<'_>, out: &mut Samples) {
    let blocks = files.roots.sys("block");
    for device in files.names(&blocks) {
        // `mmcblk0boot0` is a part of the same chip.
        let number = device.strip_prefix("mmcblk").unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let place = blocks.join(&device).join("device");
        let life = numbers(files, &place.join("life_time")).unwrap_or_default();
        for (kind, tenths) in ["a", "b"].iter().zip(life) {
            // 0 is a chip that does not know.
            if (1..=EXCEEDED).contains(&tenths) {
                out.push(&LIFE_USED, &[&device, kind], f64::from(tenths) / 10.0);
            }
        }
        let state = numbers(files, &place.join("pre_eol_info")).unwrap_or_default();
        let state = state.first().and_then(|state| usize::try_from(*state).ok());
        if let Some(state) = state.filter(|state| (1..=STATES.len()).contains(state)) {
            for (index, name) in STATES.iter().enumerate() {
                out.push(&PRE_EOL, &[&device, name], f64::from(index + 1 == state));
            }
        }
    }
}

fn numbers(files: &mut Files<'_>, path: &Path) -> Option<Vec<u32>> {
    let text = files.line(path)?;
    let numbers = parse(&text);
    if numbers.is_none() {
        let reason = format!("expected hexadecimal numbers, got `{}`", shortened(&text));
        files.fault(path, &reason);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_types_of_cells_are_read() {
        assert_eq!(parse("0x01 0x0b"), Some(vec![1, 11]));
        assert_eq!(parse("0x01 worn"), None);
    }
}
