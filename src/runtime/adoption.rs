//! Delivers what agents that are gone have left in Redis, under their own names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::component::journal::{Journal, OutputId};
use crate::component::output::Output;
use crate::journal::redis::{Adopted, RedisJournal};
use crate::model::block::BlockKind;
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::deliver::{Delivery, DeliverySettings};
use crate::registry::board::Board;
use crate::runtime::stage::Stage;
use crate::support::shutdown::Shutdown;

/// How often the streams of others are looked at, at most; shorter where they are taken over sooner.
const LOOK: Duration = Duration::from_secs(30);
/// How often it is looked whether a stream is drained, and what in it is too old.
const CHECK: Duration = Duration::from_secs(5);

/// What a delivery out of an adopted journal needs.
#[derive(Clone)]
pub(super) struct Heirs {
    /// This agent's outputs; what a dead agent has left for others waits until it is too old.
    pub(super) outputs: BTreeMap<OutputId, (Arc<dyn Output>, DeliverySettings)>,
    /// How long items are kept.
    pub(super) time_to_live: BTreeMap<BlockKind, Duration>,
    /// See [`crate::journal::redis::RedisSettings::take_over_after`].
    pub(super) take_over_after: Duration,
    /// The clocks.
    pub(super) timekeeper: Arc<Timekeeper>,
    /// Where the deliveries stand.
    pub(super) board: Arc<Board>,
}

/// Takes streams over until stop is said, each served by a stage of its own.
pub(super) async fn run(journal: Arc<RedisJournal>, heirs: Heirs, mut stop: Shutdown) {
    let look = LOOK
        .min(heirs.take_over_after / 4)
        .max(Duration::from_millis(250));
    let mut serving = Stage::new("adopted journals");
    while !stop.is_stopped() {
        match journal.adopt().await {
            Ok(adopted) => {
                for adopted in adopted {
                    let heirs = heirs.clone();
                    serving.spawn(|stop| serve(adopted, heirs, stop));
                }
            }
            // The journal itself says so.
            Err(error) => debug!(%error, "The journals of others cannot be looked at."),
        }
        serving.reap();
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            () = stop.stopped() => {}
        }
    }
    serving.stop().await;
}

/// Delivers one stream until it is drained and removed, or stop is said.
async fn serve(adopted: Adopted, heirs: Heirs, mut stop: Shutdown) {
    let Adopted { speaker, journal } = adopted;
    let mut delivering = Stage::new("delivery of an adopted journal");
    for (id, (output, settings)) in &heirs.outputs {
        let delivery = Delivery::new(
            id.clone(),
            output.clone(),
            speaker.clone(),
            journal.clone(),
            heirs.timekeeper.clone(),
            heirs.board.clone(),
            settings.clone(),
        )
        .for_dead();
        delivering.spawn(|stop| delivery.run(stop.clone(), stop));
    }
    let mut drained = false;
    while !drained && !stop.is_stopped() {
        tokio::select! {
            () = tokio::time::sleep(CHECK) => {}
            () = stop.stopped() => break,
        }
        expire(&journal, &heirs).await;
        drained = journal.is_drained();
    }
    delivering.stop().await;
    if drained {
        match journal.remove().await {
            Ok(true) => info!(
                host = speaker.host,
                "All that an agent that is gone had left is settled."
            ),
            Ok(false) => {}
            Err(error) => {
                warn!(%error, host = speaker.host, "A drained journal cannot be removed from Redis.")
            }
        }
    } else if let Err(error) = journal.close().await {
        debug!(%error, "An adopted journal could not be closed; its lease expires by itself.");
    }
    let mut facts = heirs.board.facts();
    for id in heirs.outputs.keys() {
        facts.outputs.remove(&*Delivery::shown_for_dead(id, &speaker).0);
    }
}

async fn expire(journal: &RedisJournal, heirs: &Heirs) {
    if !heirs.timekeeper.is_believed() {
        return;
    }
    for (kind, time_to_live) in &heirs.time_to_live {
        match journal
            .expire(*kind, *time_to_live, heirs.timekeeper.stamp())
            .await
        {
            Ok(expired) => {
                for (output, items) in expired.iter().filter(|(_, items)| **items > 0) {
                    warn!(%output, items, kind = kind.name(), "Items of an agent that is gone were dropped: older than their time-to-live.");
                }
            }
            Err(error) => debug!(%error, "Old items of an agent that is gone could not be dropped."),
        }
    }
}
