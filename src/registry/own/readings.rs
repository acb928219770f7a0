//! What the board, the registry and the kernel say, as readings of the catalogue's metrics.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::component::feed::FeedFacts;
use crate::component::journal::{DropReason, JournalStatus};
use crate::model::metric::{Kind, MetricDef};
use crate::model::time::Timestamp;
use crate::registry::board::{CollectorFacts, Facts, OutputFacts, OutputState};
use crate::registry::limits::Counts;
use crate::registry::own::catalogue as metric;
use crate::registry::own::process::Process;

/// Readings in the order of their metrics.
#[derive(Debug, Default)]
pub(super) struct Readings {
    families: Vec<Family>,
}

#[derive(Debug)]
struct Family {
    def: &'static MetricDef,
    /// A value for each label of the definition, and the reading.
    series: Vec<(Vec<String>, f64)>,
}

impl Readings {
    fn add(&mut self, def: &'static MetricDef, labels: &[&str], value: f64) {
        debug_assert_eq!(labels.len(), def.labels.len(), "label values of {}", def.name);
        let labels = labels.iter().map(ToString::to_string).collect();
        match self
            .families
            .iter_mut()
            .find(|family| family.def.name == def.name)
        {
            Some(family) => family.series.push((labels, value)),
            None => self.families.push(Family {
                def,
                series: vec![(labels, value)],
            }),
        }
    }

    fn count(&mut self, def: &'static MetricDef, labels: &[&str], value: u64) {
        self.add(def, labels, value as f64);
    }

    fn flag(&mut self, def: &'static MetricDef, labels: &[&str], value: bool) {
        self.add(def, labels, f64::from(u8::from(value)));
    }

    fn time(&mut self, def: &'static MetricDef, labels: &[&str], value: Option<Timestamp>) {
        if let Some(value) = value {
            self.add(def, labels, value.millis() as f64 / 1000.0);
        }
    }

    pub(super) fn build(&mut self) {
        let labels = [
            std::env::consts::ARCH,
            std::env::consts::OS,
            env!("CARGO_PKG_VERSION"),
        ];
        self.add(&metric::BUILD_INFO, &labels, 1.0);
    }

    pub(super) fn board(&mut self, facts: &Facts) {
        self.flag(&metric::CLOCK_BELIEVED, &[], facts.clock_doubt.is_none());
        self.flag(&metric::READY, &[], facts.reasons().is_empty());
        self.count(&metric::WINDOWS_CLOSED, &[], facts.windows_closed);
        self.count(&metric::POINTS_WRAPPED, &[], facts.points_wrapped);
        for (reason, items) in &facts.lost {
            self.count(&metric::LOST, &[reason], *items);
        }
        for (name, collector) in &facts.collectors {
            self.collector(name, collector);
        }
        for (name, feed) in &facts.feeds {
            self.feed(name, feed);
        }
        for (name, output) in &facts.outputs {
            self.output(name, output);
        }
        if let Some(journal) = &facts.journal {
            self.journal(journal);
            let oldest = facts
                .outputs
                .values()
                .filter_map(|output| output.depth.oldest)
                .min();
            self.time(&metric::JOURNAL_OLDEST, &[], oldest);
        }
    }

    fn collector(&mut self, name: &str, facts: &CollectorFacts) {
        if let Some(duration) = facts.last_duration {
            self.add(&metric::COLLECTOR_DURATION, &[name], duration.as_secs_f64());
            self.flag(&metric::COLLECTOR_SUCCESS, &[name], facts.last_error.is_none());
            self.count(&metric::COLLECTOR_SAMPLES, &[name], facts.samples);
        }
        self.count(&metric::COLLECTOR_RUNS, &[name, "success"], facts.succeeded);
        self.count(&metric::COLLECTOR_RUNS, &[name, "failure"], facts.failed);
        self.time(&metric::COLLECTOR_LAST_SUCCESS, &[name], facts.last_success);
    }

    fn feed(&mut self, name: &str, facts: &FeedFacts) {
        self.flag(&metric::FEED_UP, &[name], facts.trouble.is_none());
        for (kind, records) in &facts.records {
            self.count(&metric::FEED_RECORDS, &[name, kind], *records);
        }
        for (reason, records) in &facts.unreadable {
            self.count(&metric::FEED_UNREADABLE, &[name, reason], *records);
        }
        self.count(&metric::FEED_AHEAD, &[name], facts.ahead);
        self.count(&metric::FEED_WAITING, &[name], facts.waiting);
        self.count(&metric::FEED_LOST_CLAIMS, &[name], facts.lost_claims);
        self.count(&metric::FEED_TAKEN_OVER, &[name], facts.taken_over);
        self.count(&metric::FEED_CONNECTIONS, &[name], facts.connections);
        for (reason, refused) in &facts.refused {
            self.count(&metric::FEED_REFUSED, &[name, reason], *refused);
        }
    }

    fn output(&mut self, name: &str, facts: &OutputFacts) {
        for (kind, balance) in &facts.balance {
            let kind = kind.name();
            self.count(&metric::OUTPUT_WRAPPED, &[kind, name], balance.wrapped);
            self.count(&metric::OUTPUT_DELIVERED, &[kind, name], balance.delivered);
            self.count(&metric::OUTPUT_PENDING, &[kind, name], balance.pending());
            for reason in DropReason::ALL {
                let dropped = balance.dropped.get(&reason).copied().unwrap_or(0);
                self.count(&metric::OUTPUT_DROPPED, &[kind, name, reason.name()], dropped);
            }
        }
        self.count(&metric::OUTPUT_PENDING_BLOCKS, &[name], facts.depth.blocks);
        self.count(&metric::OUTPUT_PENDING_BYTES, &[name], facts.depth.bytes);
        self.time(&metric::OUTPUT_OLDEST, &[name], facts.depth.oldest);
        self.count(&metric::OUTPUT_RESENT, &[name], facts.resent);
        for (outcome, requests) in &facts.requests {
            self.count(&metric::OUTPUT_REQUESTS, &[outcome, name], *requests);
        }
        self.count(&metric::OUTPUT_SENT_BYTES, &[name], facts.sent_bytes);
        self.count(&metric::OUTPUT_COMPLAINTS, &[name], facts.complaints);
        self.count(&metric::OUTPUT_CUT, &[name], facts.cut);
        self.time(&metric::OUTPUT_LAST_SUCCESS, &[name], facts.last_success);
        let next_try = match &facts.state {
            OutputState::Active => None,
            OutputState::Retrying { next_try, .. } | OutputState::Parked { next_try, .. } => Some(*next_try),
        };
        self.time(&metric::OUTPUT_NEXT_TRY, &[name], next_try);
        for state in ["active", "parked", "retrying"] {
            self.flag(&metric::OUTPUT_STATE, &[name, state], facts.state.name() == state);
        }
    }

    fn journal(&mut self, status: &JournalStatus) {
        self.count(&metric::JOURNAL_SIZE, &[], status.bytes);
        self.count(&metric::JOURNAL_BOUND, &[], status.bound);
        self.count(&metric::JOURNAL_PAYLOAD, &[], status.payload_bytes);
        self.count(&metric::JOURNAL_BLOCKS, &[], status.blocks);
        self.count(&metric::JOURNAL_ITEMS, &[], status.items);
        self.count(&metric::JOURNAL_WRITTEN, &[], status.bytes_written);
        self.count(&metric::JOURNAL_DAMAGED, &[], status.damaged_records);
        self.count(&metric::JOURNAL_FOREIGN, &[], status.foreign_blocks);
        self.flag(&metric::JOURNAL_WRITABLE, &[], status.write_error.is_none());
    }

    pub(super) fn registry(&mut self, counts: &Counts) {
        for origin in &counts.origins {
            self.count(&metric::REGISTRY_SERIES, &[&origin.name], origin.series);
            self.count(&metric::REGISTRY_SAMPLES, &[&origin.name], origin.samples);
            for (reason, samples) in &origin.refused {
                self.count(
                    &metric::REGISTRY_REFUSED,
                    &[&origin.name, reason.name()],
                    *samples,
                );
            }
        }
        self.count(&metric::REGISTRY_AHEAD, &[], counts.ahead);
        self.count(&metric::REGISTRY_BACKLOG, &[], counts.backlog);
        self.count(&metric::REGISTRY_EVICTED, &[], counts.evicted);
        self.count(&metric::PAGE_CLASHES, &[], counts.clashed);
        self.count(&metric::REGISTRY_WINDOWS, &[], counts.window_bytes);
    }

    pub(super) fn process(&mut self, process: &Process) {
        let readings = [
            (&metric::PROCESS_CPU, process.cpu_seconds),
            (&metric::PROCESS_RESIDENT, process.resident_bytes),
            (&metric::PROCESS_VIRTUAL, process.virtual_bytes),
            (&metric::PROCESS_OPEN_FDS, process.open_fds),
            (&metric::PROCESS_MAX_FDS, process.max_fds),
            (&metric::PROCESS_START, process.started),
        ];
        for (def, value) in readings {
            if let Some(value) = value {
                self.add(def, &[], value);
            }
        }
    }

    /// Hands everything to `prometheus-client`.
    pub(super) fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { def, series } in &self.families {
            let counter = def.kind == Kind::Total;
            // The encoder appends `_total` itself.
            let name = def.name.strip_suffix("_total").unwrap_or(def.name);
            let kind = if counter {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut metric = encoder.encode_descriptor(name, def.help, None, kind)?;
            for (values, value) in series {
                let labels: Vec<(&str, &str)> = def
                    .labels
                    .iter()
                    .copied()
                    .zip(values.iter().map(String::as_str))
                    .collect();
                let mut metric = metric.encode_family(&labels)?;
                if counter {
                    metric.encode_counter::<[(&str, &str); 0], f64, f64>(value, None)?;
                } else {
                    metric.encode_gauge(value)?;
                }
            }
        }
        Ok(())
    }
}
