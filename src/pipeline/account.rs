//! Puts an output's account on the board, so that the page closes whenever it is read.

use crate::component::journal::{Journal, OutputId};
use crate::model::time::ClockStamp;
use crate::registry::board::Board;

/// Shows what the journal says of an output and of the kind that it takes: its balance, and what waits for it.
///
/// It stands on the board under `shown`, which is the output's name but for the journals of dead agents.
pub(crate) async fn show(
    journal: &dyn Journal,
    output: &OutputId,
    shown: &OutputId,
    now: ClockStamp,
    board: &Board,
) {
    let kind = {
        let mut facts = board.facts();
        facts.outputs.entry(shown.to_string()).or_default().takes
    };
    let balance = journal.balance(output, kind).await;
    let depth = journal.depth(output, kind, now).await;
    let mut facts = board.facts();
    let facts = facts.outputs.entry(shown.to_string()).or_default();
    facts.balance.insert(kind, balance);
    facts.depth = depth;
}
