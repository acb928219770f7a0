//! Puts an output's account on the board, so that the page closes whenever it is read.

use crate::component::journal::{Journal, OutputId};
use crate::model::block::BlockKind;
use crate::model::time::ClockStamp;
use crate::registry::board::Board;

/// Shows what the journal says of an output: its balance, and what waits for it.
pub(crate) async fn show(journal: &dyn Journal, output: &OutputId, now: ClockStamp, board: &Board) {
    let balance = journal.balance(output, BlockKind::Points).await;
    let depth = journal.depth(output, BlockKind::Points, now).await;
    let mut facts = board.facts();
    let facts = facts.outputs.entry(output.to_string()).or_default();
    facts.balance.insert(BlockKind::Points, balance);
    facts.depth = depth;
}
