//! The agent's own metrics: `prometheus-client` instruments in one place, shown on the same page as everything else.
//!
//! * `catalogue`: every metric, declared once
//! * `readings`: what the board, the registry and the kernel say
//! * `process`: what the kernel says of this process
//! * `read`: back from the text that `prometheus-client` writes

mod catalogue;
mod process;
mod read;
mod readings;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry as Instruments;
use tracing::error;

use crate::model::labels::Labels;
use crate::model::metric::{Kind, MetricDef};
use crate::model::time::Timestamp;
use crate::registry::Registry;
use crate::registry::board::Board;
use crate::registry::limits::Counts;
use crate::registry::own::process::Process;
use crate::registry::own::readings::Readings;
use crate::registry::view::Shape;
use crate::support::time::Clock;

/// Whoever can tell what the registry counts.
pub trait RegistryCounts: Send + Sync {
    /// The counts of this moment.
    fn counts(&self) -> Counts;
}

impl RegistryCounts for Registry {
    fn counts(&self) -> Counts {
        Self::counts(self)
    }
}

/// One family of the agent's own metrics, read for a page.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnFamily {
    /// Its definition.
    pub def: &'static MetricDef,
    /// Its series, in stable order.
    pub series: Vec<(Labels, f64)>,
    /// When its counters began, where that is the start of this process.
    pub created: Option<Timestamp>,
}

impl OwnFamily {
    /// Its shape on a page.
    pub fn shape(&self) -> Shape {
        match self.def.kind {
            Kind::Total => Shape::Counter,
            _ => Shape::Gauge,
        }
    }
}

type LabelSet = Vec<(&'static str, &'static str)>;

/// The agent's own metrics.
pub struct OwnMetrics {
    registry: Instruments,
    clock: Clock,
    created: Timestamp,
    scrapes: Family<LabelSet, Counter>,
    scrape_seconds: Counter<f64, AtomicU64>,
}

impl OwnMetrics {
    /// Metrics that tell what the board and the registry say whenever they are asked.
    pub fn new(board: Arc<Board>, counts: Arc<dyn RegistryCounts>, clock: Clock) -> Self {
        let mut own = Self {
            registry: Instruments::default(),
            created: clock.now(),
            clock: clock.clone(),
            scrapes: Family::default(),
            scrape_seconds: Counter::default(),
        };
        own.live(&catalogue::SCRAPES, own.scrapes.clone());
        own.live(&catalogue::SCRAPE_TIME, own.scrape_seconds.clone());
        own.registry.register_collector(Box::new(Reader {
            board,
            counts,
            clock,
            started: Mutex::new(None),
        }));
        own
    }

    fn live(&mut self, def: &MetricDef, metric: impl prometheus_client::registry::Metric) {
        // Both endings are appended by the crate.
        let name = def.name.strip_suffix("_total").unwrap_or(def.name);
        let help = def.help.strip_suffix('.').unwrap_or(def.help);
        self.registry.register(name, help, metric);
    }

    /// Counts a page that was written to its end, and the time spent on it.
    pub fn scraped(&self, format: &'static str, took: Duration) {
        self.scrapes.get_or_create(&vec![("format", format)]).inc();
        self.scrape_seconds.inc_by(took.as_secs_f64());
    }

    /// Reads all metrics for a page; families without a series are left out.
    pub fn families(&self) -> Vec<OwnFamily> {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode_registry(&mut text, &self.registry);
        let written = read::read(&text).unwrap_or_else(|line| {
            error!(line, "The agent's own metrics cannot be read back.");
            Vec::new()
        });
        let families = written.into_iter().filter(|family| !family.series.is_empty());
        let known = families.filter_map(|family| {
            let is = |def: &&&MetricDef| {
                def.name.strip_suffix("_total").unwrap_or(def.name) == family.name
                    && (def.kind == Kind::Total) == (family.kind == "counter")
            };
            let def = *catalogue::ALL.iter().find(is)?;
            let mut series = family.series;
            series.sort_by(|left, right| left.0.cmp(&right.0));
            let kept = catalogue::KEPT.iter().any(|kept| kept.name == def.name);
            Some(OwnFamily {
                def,
                series,
                created: (!kept).then_some(self.created),
            })
        });
        known.collect()
    }

    /// Every metric that [`OwnMetrics::families`] can hold, for the reference page and checks of dashboards.
    pub fn catalogue() -> &'static [&'static MetricDef] {
        catalogue::ALL
    }

    /// Time since boot, to measure with.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }
}

impl fmt::Debug for OwnMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OwnMetrics").finish_non_exhaustive()
    }
}

/// Reads everything that is kept elsewhere.
struct Reader {
    board: Arc<Board>,
    counts: Arc<dyn RegistryCounts>,
    clock: Clock,
    started: Mutex<Option<f64>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Collector for Reader {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut readings = Readings::default();
        readings.build();
        readings.board(&self.board.facts());
        readings.registry(&self.counts.counts());
        readings.process(&Process::read(&self.clock, &self.started));
        readings.encode(encoder)
    }
}
