//! A line of tegrastats, of whatever board and release (Jetson Linux Developer Guide, tegrastats Utility).
//!
//! It is a row of words and values without a fixed order. What is not known here is passed over: each release adds some.

use crate::collectors::device::files::shortened;
use crate::collectors::device::tegrastats::reading::{Core, Engine, Rail, Reading, Space};

/// What the engines' names begin with, without a number or `_FREQ` behind it.
const ENGINES: [&str; 13] = [
    "APE", "DLA", "ISP", "MSENC", "NVDEC", "NVDLA", "NVENC", "NVJPG", "OFA", "PVA", "SE", "TSEC", "VIC",
];

/// A clock is written in MHz.
const HERTZ: f64 = 1e6;

/// Reads a line.
///
/// # Errors
/// Where nothing in it is known: with its beginning.
pub(super) fn parse(line: &str) -> Result<Reading, String> {
    let words = words(line);
    let mut reading = Reading::default();
    let mut left = words.as_slice();
    while let Some((word, rest)) = left.split_first() {
        left = rest;
        if let Some(zone) = zone(word) {
            reading.zones.push(zone);
        } else if let Some(cached) = word.strip_prefix("(cached ") {
            reading.swap_cached = reading.swap_cached.or(bytes(cached.trim_end_matches(')')));
        } else if let Some((value, after)) = rest.split_first()
            && take(&mut reading, word, value)
        {
            left = after;
        }
    }
    if reading == Reading::default() {
        return Err(format!(
            "expected a line of tegrastats, got `{}`",
            shortened(line)
        ));
    }
    Ok(reading)
}

/// Takes a value under its name; false where the two do not go together.
fn take(reading: &mut Reading, name: &str, value: &str) -> bool {
    match name {
        "RAM" => set(&mut reading.ram, space(value)),
        "SWAP" => set(&mut reading.swap, space(value)),
        "IRAM" => set(&mut reading.iram, space(value)),
        "CPU" | "cpu" if value.starts_with('[') => {
            reading.cores = cores(value).unwrap_or_default();
            !reading.cores.is_empty()
        }
        "EMC_FREQ" | "EMC" => set(&mut reading.emc, engine(value)),
        _ => {
            let bare = name.strip_suffix("_FREQ").unwrap_or(name);
            let list = if bare.starts_with("GR3D") {
                &mut reading.gpus
            } else if ENGINES.contains(&bare.trim_end_matches(|char: char| char.is_ascii_digit())) {
                &mut reading.engines
            } else {
                return rail(reading, name, value);
            };
            let engine = engine(value).map(|engine| (bare.to_string(), engine));
            let there = engine.is_some();
            list.extend(engine);
            there
        }
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let there = value.is_some();
    *place = value.or(place.take());
    there
}

/// The words of a line; what stands in brackets is one of them.
fn words(line: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let split = line.split(move |char: char| {
        match char {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && char.is_whitespace()
    });
    split.filter(|word| !word.is_empty()).collect()
}

/// `NAME@12.5C`.
fn zone(word: &str) -> Option<(String, f64)> {
    let (name, celsius) = word.strip_suffix('C')?.split_once('@')?;
    Some((label(name)?, number(celsius)?))
}

/// `2448/3964MB`. tegrastats divides the kernel's KiB by 1024 and calls that MB (3964 on a Nano of 4 GiB), so a MB is
/// 1024 × 1024 bytes here, as it was for the predecessor.
fn space(value: &str) -> Option<Space> {
    let value = value.split('(').next()?;
    let (used, total) = value.split_once('/')?;
    let unit = total.trim_start_matches(|char: char| char.is_ascii_digit());
    Some(Space {
        used: bytes(&format!("{used}{unit}"))?,
        total: bytes(total)?,
    })
}

fn bytes(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "kB" | "KB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(digits.parse::<u32>().map(f64::from).ok()? * unit)
}

/// `[18%@1428,off]`, or `[18%,13%]@408` where all cores have one clock. A core that cannot be read spoils the list: the
/// others would no longer be known by their numbers.
fn cores(value: &str) -> Option<Vec<Core>> {
    let (list, shared) = value.strip_prefix('[')?.split_once(']')?;
    let shared = match shared {
        "" => None,
        clock => Some(number(clock.strip_prefix('@')?)? * HERTZ),
    };
    let core = |text: &str| {
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Some(Core::default());
        }
        let (load, clock) = text.split_once('@').unwrap_or((text, ""));
        Some(Core {
            online: true,
            load: Some(percent(load)?),
            frequency: number(clock).map(|clock| clock * HERTZ).or(shared),
        })
    };
    list.split(',').map(core).collect()
}

/// `4%@1600`, `0%`, `@2133`, `174`, `off`; with a clock a cluster: `0%@[305,305]`, `@[0,0,0]`.
fn engine(value: &str) -> Option<Engine> {
    if value.eq_ignore_ascii_case("off") {
        return Some(Engine::default());
    }
    let (load, clocks) = match value.split_once('@') {
        Some(parts) => parts,
        None if value.ends_with('%') => (value, ""),
        None => ("", value),
    };
    let load = match load {
        "" => None,
        load => Some(percent(load)?),
    };
    let clocks = clocks.trim_start_matches('[').trim_end_matches(']');
    let clocks = clocks.split(',').filter(|clock| !clock.is_empty());
    let frequencies: Option<Vec<f64>> = clocks.map(|clock| Some(number(clock.trim())? * HERTZ)).collect();
    let on = true;
    let frequencies = frequencies?;
    (load.is_some() || !frequencies.is_empty()).then_some(Engine {
        on,
        load,
        frequencies,
    })
}

/// `2410/2410`, `1634mW/1634mW`: now and on average. `NC` is a sensor that nothing is connected to.
fn rail(reading: &mut Reading, name: &str, value: &str) -> bool {
    let watts = |text: &str| {
        let milliwatts = text.strip_suffix("mW").unwrap_or(text);
        Some(f64::from(milliwatts.parse::<i32>().ok()?) / 1000.0)
    };
    let parts = value
        .split_once('/')
        .map(|(now, average)| (watts(now), watts(average)));
    let (Some((Some(now), Some(average))), Some(name)) = (parts, label(name)) else {
        return false;
    };
    if name != "NC" {
        let average = Some(average);
        reading.rails.push(Rail { name, now, average });
    }
    true
}

fn percent(text: &str) -> Option<f64> {
    Some(number(text.strip_suffix('%')?)? / 100.0)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A name fit for a label's value.
fn label(text: &str) -> Option<String> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    (!text.is_empty() && text.len() <= 40 && text.chars().all(fits)).then(|| text.to_string())
}

#[cfg(test)]
mod tests;
