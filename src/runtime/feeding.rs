//! Starts the feeds, and looks once at the Redis that they and the journal stand on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::component::feed::Feed;
use crate::config::load::Loaded;
use crate::config::redis::Server;
use crate::journal::redis::checks;
use crate::pipeline::hands::Hands;
use crate::pipeline::recorder::FeedRecorder;
use crate::registry::Registry;
use crate::registry::board::Board;
use crate::runtime::stage::Stage;
use crate::support::identity::AgentId;
use crate::support::redis::link::Link;
use crate::support::shutdown::Shutdown;

/// How long looking up the name of a Redis may take.
const RESOLVE: Duration = Duration::from_secs(2);
/// How often it is looked whether Redis is there.
const LOOK: Duration = Duration::from_secs(5);

/// The original relied on a host called `redis` where no other was set: looks whether there is one.
pub(super) async fn settle_name(loaded: &mut Loaded) {
    let Some(server) = &loaded.redis_by_name else {
        return;
    };
    let target = server.target.clone();
    let resolves = target.resolves(RESOLVE).await;
    if resolves {
        info!(
            redis = %target,
            "GLOBAL_TAGS is set and REDIS_HOST is not, as an installation of Chouette-IoT has it, and there is a host of this name: applications' records are read from it. The journal stays on disk; REDIS_HOST sets one for both."
        );
    } else {
        info!(
            redis = %target,
            "GLOBAL_TAGS is set and REDIS_HOST is not, and there is no host of this name now: no applications' records are read. Where there should be one, set REDIS_HOST, and it is waited for."
        );
    }
    loaded.settle_name(resolves);
}

/// Starts the feeds.
pub(super) fn start(
    feeds: BTreeMap<String, Box<dyn Feed>>,
    agent: AgentId,
    hands: &Arc<Hands>,
    registry: &Arc<Registry>,
    board: &Arc<Board>,
) -> Stage {
    let mut stage = Stage::new("feeds");
    for (name, feed) in feeds {
        let recorder = FeedRecorder::new(&name, agent, hands.clone(), registry.clone(), board.clone());
        info!(feed = name, "A feed is running.");
        stage.spawn(|stop| async move {
            if let Err(error) = feed.run(Arc::new(recorder), stop).await {
                error!(%error, feed = name, "A feed cannot go on.");
            }
        });
    }
    stage
}

/// Says once, as soon as Redis answers, what endangers the queues and the journal in it.
pub(super) async fn look_at_redis(server: Server, board: Arc<Board>, mut stop: Shutdown) {
    let link = Link::new(server.target);
    while !stop.is_stopped() {
        let answer: Result<String, _> = link.query(&redis::cmd("PING")).await;
        if answer.is_ok() {
            let found = checks(&link).await;
            for danger in &found {
                warn!(redis = %link.target(), "{}.", danger.text);
            }
            if let Some(facts) = board.facts().feeds.get_mut("redis") {
                let found = found.into_iter().map(|danger| (danger.topic, danger.text));
                facts.warnings.extend(found);
            }
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.stopped() => return,
        }
    }
    drop(link);
    stop.stopped().await;
}
