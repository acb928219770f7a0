//! Runs every collector one time and prints what a scrape and a push would carry.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::cli::{End, block_on, log, print};
use crate::component::wrapper::Wrapper;
use crate::config::load::Loaded;
use crate::config::settings::Settings;
use crate::model::point::Point;
use crate::model::sample::Samples;
use crate::outputs::console::Format;
use crate::registry::board::Board;
use crate::registry::expose::{self, PageRequest};
use crate::registry::own::OwnMetrics;
use crate::registry::{Registry, RegistrySettings};
use crate::support::time::Clock;

/// How long after its first reading a collector is read again: a rate needs two.
const SECOND_RUN: Duration = Duration::from_secs(1);

/// Runs every collector; no backend is touched and no journal written.
pub(super) fn once(loaded: Loaded, json: bool) -> io::Result<End> {
    log::start_quiet();
    loaded.warnings.iter().for_each(super::warn);
    block_on(run(loaded, json))?
}

async fn run(mut loaded: Loaded, json: bool) -> io::Result<End> {
    let settings = &loaded.settings;
    let clock = Clock::system();
    let registry = Arc::new(Registry::new(
        RegistrySettings {
            interval: settings.interval.0,
            series_limit: settings.limits.series as usize,
            origin_limit: settings.limits.series_per_origin as usize,
            stale_after: settings.stale_after.0,
            ..RegistrySettings::default()
        },
        clock.clone(),
    ));
    let mut failures = BTreeMap::new();
    for run in 0..2 {
        if run > 0 {
            sleep(SECOND_RUN).await;
        }
        failures.clear();
        for (name, collector) in &mut loaded.components.collectors {
            let patience = settings
                .collectors
                .get(name)
                .map_or(SECOND_RUN, |own| own.timeout.0);
            let mut samples = Samples::default();
            let began = clock.now();
            let failed = match timeout(patience, collector.collect(&mut samples)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", patience.as_secs_f64())),
            };
            registry.record_collected(registry.origin(name), began, &samples);
            failures.extend(failed.map(|failed| (name.clone(), failed)));
        }
    }
    let mut points = Vec::new();
    if let Some(wrapper) = &loaded.components.wrapper {
        points = wrapped(&registry, wrapper.as_ref());
    }
    if json {
        print::bytes(&pushed(&points, Format::Json, settings))?;
    } else {
        print::text("# What a scrape of /metrics carries:\n")?;
        show_page(&registry, clock, settings)?;
        let to = match settings.outputs.is_empty() {
            true => " (no output is configured)",
            false => "",
        };
        print::text(&format!("\n# What a push carries{to}:\n"))?;
        print::bytes(&pushed(&points, Format::Text, settings))?;
    }
    for (name, failure) in &failures {
        print::complaint(&format!("collectors.{name}: {failure}"));
    }
    // What was only found may fail: nobody asked for it.
    let asked = |name: &String| !loaded.found.iter().any(|found| found.collector == name);
    Ok(match failures.keys().any(asked) {
        true => End::Failed,
        false => End::Done,
    })
}

fn show_page(registry: &Arc<Registry>, clock: Clock, settings: &Settings) -> io::Result<()> {
    let counts = registry.clone();
    let own = Arc::new(OwnMetrics::new(Arc::new(Board::default()), counts, clock));
    let request = PageRequest {
        created: Some(settings.web.created_lines),
        ..PageRequest::new("", "", "")
    };
    for chunk in expose::page(registry.clone(), own, request) {
        print::bytes(&chunk)?;
    }
    Ok(())
}

fn wrapped(registry: &Registry, wrapper: &dyn Wrapper) -> Vec<Point> {
    let mut points = Vec::new();
    for window in registry.take_all() {
        wrapper.wrap(&window, &mut points);
    }
    points
}

fn pushed(points: &[Point], format: Format, settings: &Settings) -> Vec<u8> {
    let speaker = settings.speaker();
    let mut out = Vec::new();
    for point in points {
        format.point(point, &speaker, &mut out);
    }
    out
}
