//! Wraps windows and packs their points into blocks.

use crate::component::wrapper::Wrapper;
use crate::journal::{logs, points};
use crate::model::block::{Block, BlockKind};
use crate::model::log::LogRecord;
use crate::model::point::Point;
use crate::model::time::ClockStamp;
use crate::model::window::Window;

/// Most points of one block: whoever reads a block holds all of it.
const BLOCK_POINTS: usize = 50_000;

/// The points of windows as blocks of at most about [`BLOCK_POINTS`], no window in two of them unless it is larger.
pub(crate) fn blocks(windows: &[Window], wrapper: &dyn Wrapper, stamp: ClockStamp) -> Vec<Block> {
    let mut made = Vec::new();
    let mut points: Vec<Point> = Vec::new();
    let mut held: Vec<(i64, u32)> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let before = points.len();
        wrapper.wrap(window, &mut points);
        if points.len() > before {
            held.push((window.start.seconds(), window.amendment));
        }
        if points.len() >= BLOCK_POINTS || index + 1 == windows.len() {
            for part in points.chunks(BLOCK_POINTS) {
                made.extend(block(part, held.clone(), stamp));
            }
            points.clear();
            held.clear();
        }
    }
    made
}

/// The points of windows as one block, however many there are; `None` for no point.
pub(crate) fn one_block(windows: &[Window], wrapper: &dyn Wrapper, stamp: ClockStamp) -> Option<Block> {
    let mut points: Vec<Point> = Vec::new();
    let mut held: Vec<(i64, u32)> = Vec::new();
    for window in windows {
        let before = points.len();
        wrapper.wrap(window, &mut points);
        if points.len() > before {
            held.push((window.start.seconds(), window.amendment));
        }
    }
    block(&points, held, stamp)
}

/// Points as a block of the windows named; `None` for no point.
pub(crate) fn block(part: &[Point], windows: Vec<(i64, u32)>, stamp: ClockStamp) -> Option<Block> {
    let times = || part.iter().map(|point| point.time);
    Some(Block {
        kind: BlockKind::Points,
        items: u32::try_from(part.len()).ok()?,
        oldest: times().min()?,
        newest: times().max()?,
        windows,
        stamp,
        payload: points::encode(part),
    })
}

/// Log records as a block; `None` for none.
pub(crate) fn logs_block(records: &[LogRecord], stamp: ClockStamp) -> Option<Block> {
    let times = || records.iter().map(|record| record.time);
    Some(Block {
        kind: BlockKind::Logs,
        items: u32::try_from(records.len()).ok()?,
        oldest: times().min()?,
        newest: times().max()?,
        windows: Vec::new(),
        stamp,
        payload: logs::encode(records),
    })
}
