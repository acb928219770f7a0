//! The page itself, in chunks: it never holds more than one, whatever the number of series.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::io::Write;
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hashbrown::{DefaultHashBuilder, HashSet};

use crate::model::labels::{Labels, escape_into};
use crate::registry::expose::line::Lines;
use crate::registry::expose::names::{NameOf, escape, quote};
use crate::registry::expose::negotiate::{Escaping, PageRequest};
use crate::registry::expose::plan::{Planned, Source, plan};
use crate::registry::own::{OwnFamily, OwnMetrics};
use crate::registry::view::{FamilyId, Position, Running, SeriesView, View};

/// A chunk is given away as soon as it holds this many bytes.
const CHUNK: usize = 64 * 1024;

/// How many series of one number, or histograms, are written while recording waits.
const NUMBERS_A_LOCK: usize = 128;
const HISTOGRAMS_A_LOCK: usize = 16;

/// Starts a page. Chunks hold about 64 KiB; the body of the answer is all of them, one after the other.
pub fn page(view: Arc<dyn View>, own: Arc<OwnMetrics>, request: PageRequest) -> Page {
    let began = own.uptime();
    let own_families = own.families();
    let plan = plan(&own_families, view.families(), &request);
    Page {
        spent: own.uptime().saturating_sub(began),
        gzip: request
            .gzip
            .then(|| GzEncoder::new(Vec::new(), Compression::new(1))),
        families: plan.families.into_iter(),
        left_out: plan.left_out,
        text: Vec::new(),
        current: None,
        done: false,
        view,
        own,
        own_families,
        request,
    }
}

/// A page on its way to a scraper. When its last chunk was taken, it reports clashes and counts itself as a scrape.
pub struct Page {
    view: Arc<dyn View>,
    own: Arc<OwnMetrics>,
    own_families: Vec<OwnFamily>,
    request: PageRequest,
    families: vec::IntoIter<Planned>,
    current: Option<Current>,
    left_out: Vec<(FamilyId, Arc<str>)>,
    text: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    spent: Duration,
    done: bool,
}

/// The family that is being written.
struct Current {
    planned: Planned,
    lines: Lines,
    position: Position,
    headed: bool,
    /// Hashes of the label sets that nobody else in the family may have, once a series needs escaping.
    taken: Option<HashSet<u64>>,
    hasher: DefaultHashBuilder,
    labels: String,
}

/// What became of a series.
enum Shown {
    Yes,
    /// Its labels cannot stand on this page, or another series has them.
    No,
    /// Nobody knows yet who else has its labels.
    Unsure,
}

impl Iterator for Page {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let began = self.own.uptime();
        let chunk = self.chunk();
        self.spent += self.own.uptime().saturating_sub(began);
        if self.done {
            if !self.left_out.is_empty() {
                self.view.clashed(&self.left_out);
            }
            self.own.scraped(self.request.format.name(), self.spent);
        }
        (!chunk.is_empty()).then(|| Bytes::from(chunk))
    }
}

impl Page {
    fn chunk(&mut self) -> Vec<u8> {
        loop {
            self.text.reserve(CHUNK + CHUNK / 2);
            while self.text.len() < CHUNK && !self.done {
                self.done = !self.step();
            }
            if self.done && self.request.format.is_openmetrics() {
                self.text.extend_from_slice(b"# EOF\n");
            }
            let Some(gzip) = &mut self.gzip else {
                return mem::take(&mut self.text);
            };
            // Writing to memory cannot fail.
            let _ = gzip.write_all(&self.text);
            self.text.clear();
            if self.done {
                return self
                    .gzip
                    .take()
                    .and_then(|gzip| gzip.finish().ok())
                    .unwrap_or_default();
            }
            if gzip.get_ref().len() >= CHUNK {
                return mem::take(gzip.get_mut());
            }
        }
    }

    /// Writes some series; `false` when there are no more.
    fn step(&mut self) -> bool {
        let current = match &mut self.current {
            Some(current) => current,
            empty => match self.families.next() {
                Some(planned) => empty.insert(Current::new(planned, &self.request)),
                None => return false,
            },
        };
        let start = self.text.len();
        if !current.headed {
            current.lines.head(&mut self.text);
        }
        let headed = self.text.len();
        let more = match current.planned.source {
            Source::Own(index) => {
                current.own(&self.own_families[index], &self.request, &mut self.text);
                false
            }
            Source::Registered(id) => {
                let (more, all_shown) = current.walk(&*self.view, id, &self.request, &mut self.text);
                let told = |left_out: &(FamilyId, Arc<str>)| left_out.0 == id;
                if !all_shown && !self.left_out.iter().any(told) {
                    self.left_out.push((id, current.planned.name.clone()));
                }
                more
            }
        };
        // A head stands only above samples.
        if self.text.len() == headed && !current.headed {
            self.text.truncate(start);
        } else {
            current.headed = true;
        }
        if !more {
            self.current = None;
        }
        true
    }
}

impl Current {
    fn new(planned: Planned, request: &PageRequest) -> Self {
        Self {
            lines: Lines::new(&planned, request),
            planned,
            position: Position::default(),
            headed: false,
            taken: None,
            hasher: DefaultHashBuilder::default(),
            labels: String::new(),
        }
    }

    fn own(&mut self, family: &OwnFamily, request: &PageRequest, out: &mut Vec<u8>) {
        for (labels, value) in &family.series {
            // Our label names are legacy names: they never clash.
            if let Some(labels) = render(labels, request.escaping, true, &mut self.labels) {
                let running = Running::Number(*value);
                self.lines.series(labels, running, family.created, out);
            }
        }
    }

    /// Writes the next series of a family. Says whether there are more, and whether all of these could be shown.
    fn walk(
        &mut self,
        view: &dyn View,
        id: FamilyId,
        request: &PageRequest,
        out: &mut Vec<u8>,
    ) -> (bool, bool) {
        let most = if self.lines.has_buckets() {
            HISTOGRAMS_A_LOCK
        } else {
            NUMBERS_A_LOCK
        };
        let (before, start) = (self.position, out.len());
        loop {
            let (mut all_shown, mut unsure) = (true, false);
            let mut position = before;
            let more = view.walk(
                id,
                &mut position,
                most,
                &mut |series| match self.show(&series, request, out) {
                    Shown::Yes => {}
                    Shown::No => all_shown = false,
                    Shown::Unsure => unsure = true,
                },
            );
            if !unsure {
                self.position = position;
                return (more, all_shown);
            }
            out.truncate(start);
            self.taken = Some(self.label_sets(view, id, request));
        }
    }

    #[inline]
    fn show(&mut self, series: &SeriesView<'_>, request: &PageRequest, out: &mut Vec<u8>) -> Shown {
        if self.lines.has_buckets() && has_le(series.labels) {
            return Shown::No;
        }
        if series.legacy && request.escaping != Escaping::Dots {
            let text = series.labels.text();
            self.lines.series(text, series.running, series.created, out);
            return Shown::Yes;
        }
        let Some(labels) = render(series.labels, request.escaping, series.legacy, &mut self.labels) else {
            return Shown::No;
        };
        if !series.legacy && request.escaping != Escaping::AllowUtf8 {
            let Some(taken) = &mut self.taken else {
                return Shown::Unsure;
            };
            if !taken.insert(self.hasher.hash_one(labels)) {
                return Shown::No;
            }
        }
        self.lines.series(labels, series.running, series.created, out);
        Shown::Yes
    }

    /// The label sets that need no escaping: they win over those that do. Most families never come here.
    fn label_sets(&self, view: &dyn View, id: FamilyId, request: &PageRequest) -> HashSet<u64> {
        let mut taken = HashSet::new();
        let mut scratch = String::new();
        let mut position = Position::default();
        let mut more = true;
        while more {
            more = view.walk(id, &mut position, NUMBERS_A_LOCK, &mut |series| {
                if series.legacy
                    && let Some(labels) = render(series.labels, request.escaping, true, &mut scratch)
                {
                    taken.insert(self.hasher.hash_one(labels));
                }
            });
        }
        taken
    }
}

/// The text of `labels` under `escaping`; `None` where a name is empty, reserved (`__…`) or twice in it.
fn render<'a>(
    labels: &'a Labels,
    escaping: Escaping,
    legacy: bool,
    scratch: &'a mut String,
) -> Option<&'a str> {
    match (legacy, escaping) {
        (true, Escaping::Dots) => return double_underscores(labels.text(), scratch),
        (true, _) => return Some(labels.text()),
        _ => {}
    }
    let mut pairs: Vec<(String, Cow<'_, str>)> = Vec::new();
    for (name, value) in labels.iter() {
        let name = escape(&name, NameOf::Label, escaping).into_owned();
        if name.is_empty() || name.starts_with("__") {
            return None;
        }
        pairs.push((name, value));
    }
    // Two sets that became one are found by their text, so the escaped names decide on the order.
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return None;
    }
    scratch.clear();
    for (name, value) in pairs {
        if !scratch.is_empty() {
            scratch.push(',');
        }
        if NameOf::Label.is_legacy(&name) {
            scratch.push_str(&name);
        } else {
            scratch.push_str(&quote(&name));
        }
        scratch.push_str("=\"");
        escape_into(&value, scratch);
        scratch.push('"');
    }
    Some(scratch)
}

/// What [`render`] makes of legacy names for [`Escaping::Dots`], ten times as fast: only underscores change, and the
/// order stays.
fn double_underscores<'a>(labels: &str, scratch: &'a mut String) -> Option<&'a str> {
    scratch.clear();
    let mut rest = labels;
    while let Some((name, after)) = rest.split_once("=\"") {
        if name.trim_start_matches(',').starts_with('_') {
            return None;
        }
        for (index, word) in name.split('_').enumerate() {
            if index > 0 {
                scratch.push_str("__");
            }
            scratch.push_str(word);
        }
        let mut escaped = false;
        let end = after.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        scratch.push_str("=\"");
        scratch.push_str(&after[..=end]);
        rest = &after[end + 1..];
    }
    Some(scratch)
}

/// Whether a label would be called like the one of a histogram's buckets.
fn has_le(labels: &Labels) -> bool {
    // The text can hold this in a value too; the names are read only then. No scheme makes `le` of another name.
    labels.text().contains("le=\"") && labels.get("le").is_some()
}
