//! What a point that waits costs in Redis.

use std::sync::Arc;
use std::time::Duration;

use tawny::component::journal::{Journal, OutputId};
use tawny::component::output::Speaker;
use tawny::journal::redis::{RedisJournal, RedisSettings, TAKE_OVER_AFTER};
use tawny::model::point::Point;
use tawny::support::identity::AgentId;
use tawny::support::redis::link::Link;
use tawny::support::redis::target::Target;
use tawny::support::time::Clock;
use tokio::runtime::Runtime;

use crate::block_of;
use crate::redis_server::Server;

const BLOCKS: usize = 500;

/// Bytes a point, as the allocator of Redis counts them, with everything that the journal keeps beside the blocks.
pub(crate) fn queued(server: &Server, runtime: &Runtime, mut points: impl FnMut() -> Vec<Point>) -> f64 {
    let clock = Clock::system();
    let settings = RedisSettings {
        link: Arc::new(Link::new(Target::server("127.0.0.1", server.port))),
        prefix: "bench".to_owned(),
        name: "here".to_owned(),
        kind_suffix: String::new(),
        agent: AgentId::random(),
        speaker: Speaker::default(),
        outputs: vec![OutputId::new("datadog")],
        bound: 256 << 20,
        lease: Duration::from_secs(3600),
        take_over_after: TAKE_OVER_AFTER,
    };
    // Scripts and statistics of commands are there from the first block on.
    let mut count = 0;
    runtime.block_on(async {
        let journal = RedisJournal::open(settings, clock.clone());
        for _ in 0..BLOCKS {
            let points = points();
            count += points.len();
            let _ = journal.append(block_of(&points, &clock)).await.unwrap();
        }
    });
    server.empty() / count as f64
}
