//! Points as lines: what `once` and `journal export` print.

use std::io;

use crate::component::output::{Output, Speaker};
use crate::model::point::Point;
use crate::outputs::console::{Console, Format};

/// Writes points under their dotted names, as the output `console` prints them, with the speaker's tags.
#[derive(Debug)]
pub(super) struct Lines {
    console: Console,
    format: Format,
    speaker: Speaker,
}

impl Lines {
    /// Lines of this format for this speaker.
    pub(super) fn new(format: Format, speaker: Speaker) -> Self {
        let console = Console::new(format, Box::new(io::sink()));
        Self {
            console,
            format,
            speaker,
        }
    }

    /// Appends one point and a line feed.
    pub(super) fn add(&self, point: &Point, out: &mut Vec<u8>) {
        let (metric, value) = point.dotted();
        let (kind, interval) = (point.kind, point.interval);
        if let Some(name) = self
            .console
            .name(&metric, &point.labels, kind, interval, &self.speaker)
        {
            self.format.line(&name, point.time, value, out);
        }
    }
}
