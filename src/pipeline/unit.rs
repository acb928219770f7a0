//! What requests are made of, and what differs on the way from the journal into one: series of points, or log entries.

use std::fmt::Debug;

use tracing::warn;

use crate::component::journal::{Entry, OutputId};
use crate::component::output::{Encoded, LogEntry, Output, Series, Speaker};
use crate::model::block::BlockKind;
use crate::pipeline::batch::Batch;
use crate::pipeline::ledger::Ledger;
use crate::pipeline::merge::{Rules, merge};
use crate::pipeline::merge_logs::merge_logs;

/// Most units that one log line names.
const MOST_NAMED: usize = 10;

/// The least that a destination refuses by itself. It holds one point or more; a log entry counts as one.
pub(crate) trait Unit: Debug + Sized + Send + Sync + 'static {
    /// The blocks that units of this sort come from.
    const KIND: BlockKind;
    /// Most points of a request, whatever the settings say.
    const MOST_POINTS: usize;
    /// Most payload bytes that are read at once.
    const READ_BYTES: u64;
    /// From this many items on, merging would hold up a runtime thread for too long.
    const BLOCKING_ITEMS: u64;

    /// Turns blocks into units. Items that cannot be sent are entered in the ledger as dropped; those that are too old
    /// for the destination, or cannot be dated, are left as they are: they wait.
    fn merge(entries: &[Entry], rules: &Rules<'_>, ledger: &mut Ledger) -> Batch<Self>;

    /// Encodes units from the front, as [`Output::encode`] says.
    fn encode(output: &dyn Output, units: &[Self], speaker: &Speaker, shrink: u32) -> Encoded;

    /// How many points it holds.
    fn points(&self) -> usize;

    /// Cuts points off its front, fewer than it holds.
    fn split(&mut self, points: usize) -> Self;

    /// Whether a part of it is missing because the destination takes no more.
    fn is_cut(&self) -> bool;

    /// Says in the log that units were set aside.
    fn tell_refused<'a>(output: &OutputId, units: impl Iterator<Item = &'a Self>, points: u64, reason: &str);
}

impl Unit for Series {
    const KIND: BlockKind = BlockKind::Points;
    const MOST_POINTS: usize = usize::MAX;
    const READ_BYTES: u64 = 1 << 20;
    const BLOCKING_ITEMS: u64 = 5_000;

    fn merge(entries: &[Entry], rules: &Rules<'_>, ledger: &mut Ledger) -> Batch<Self> {
        merge(entries, rules, ledger)
    }

    fn encode(output: &dyn Output, units: &[Self], speaker: &Speaker, shrink: u32) -> Encoded {
        output.encode(units, speaker, shrink)
    }

    fn points(&self) -> usize {
        self.points.len()
    }

    fn split(&mut self, points: usize) -> Self {
        Self {
            name: self.name.clone(),
            points: self.points.drain(..points).collect(),
        }
    }

    fn is_cut(&self) -> bool {
        false
    }

    fn tell_refused<'a>(output: &OutputId, units: impl Iterator<Item = &'a Self>, points: u64, reason: &str) {
        let names: Vec<String> = units
            .take(MOST_NAMED)
            .map(|series| format!("{}{{{}}}", series.name.metric, series.name.tags.join(",")))
            .collect();
        warn!(%output, series = names.join(" "), points, reason, "Refused series were set aside.");
    }
}

impl Unit for LogEntry {
    const KIND: BlockKind = BlockKind::Logs;
    /// Datadog's limit. More would only lie in memory between two requests.
    const MOST_POINTS: usize = 1_000;
    /// Logs are compressed to a twentieth and less, and every byte of them is in memory until it is sent.
    const READ_BYTES: u64 = 1 << 18;
    /// Each is read and written as JSON, and may have a megabyte.
    const BLOCKING_ITEMS: u64 = 100;

    fn merge(entries: &[Entry], rules: &Rules<'_>, ledger: &mut Ledger) -> Batch<Self> {
        merge_logs(entries, rules, ledger)
    }

    fn encode(output: &dyn Output, units: &[Self], _: &Speaker, shrink: u32) -> Encoded {
        output.encode_logs(units, shrink)
    }

    fn points(&self) -> usize {
        1
    }

    fn split(&mut self, _: usize) -> Self {
        self.clone()
    }

    fn is_cut(&self) -> bool {
        self.cut
    }

    fn tell_refused<'a>(output: &OutputId, units: impl Iterator<Item = &'a Self>, points: u64, reason: &str) {
        // What they say stays out of the log: it is the application's, and may be secret.
        let times: Vec<String> = units
            .take(MOST_NAMED)
            .map(|entry| format!("{} ({} bytes)", entry.time, entry.json.len()))
            .collect();
        warn!(%output, times = times.join(", "), logs = points, reason, "Refused log entries were set aside.");
    }
}
