//! The client library without a Redis: the agent answers the few commands that it uses.
//!
//! ```text
//! connection: decoder → session ─┐                            ┌─► write-ahead files: one a window
//! connection: decoder → session ─┼─► writer: groups, one write ┤
//! connection: decoder → session ─┘   a file, then the answers └─► tallies (a copy: the files are the truth)
//!                                                                   │ the window closes
//!                                               recorder ◄── keeper ◄┘ hands over, deletes the file, forgets
//! ```
//!
//! What was answered is in a file. Once the journal has a file's block, under the file's receipt, the file goes; a process
//! that died in between asks the journal. So nothing is lost or doubled, whenever it dies.
//!
//! * [`settings`], `network`, `access`: who may connect, and which keys there are
//! * `codec`, `reply`: the protocol; `session`, `commands`: what commands mean
//! * `connection`, `server`: sockets, within bounds
//! * `write`, `stage`, `placed`, `seen`, `halves`: what commands store, and where it goes
//! * `store`, `bucket`, `file`, `frame`, `dead`, `open`: the files
//! * `writer`, `due`, `keeper`: tasks on them

mod access;
mod bucket;
mod codec;
mod commands;
mod connection;
mod dead;
mod due;
mod file;
mod frame;
mod halves;
mod keeper;
mod network;
mod open;
mod placed;
mod reply;
mod seen;
mod server;
mod session;
pub mod settings;
mod stage;
mod store;
mod write;
mod writer;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tracing::info;

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::feed::{Feed, FeedError, Recorder};
use crate::feeds::resp::access::Access;
use crate::feeds::resp::connection::Shared;
use crate::feeds::resp::keeper::Keeper;
use crate::feeds::resp::network::Network;
use crate::feeds::resp::store::Store;
use crate::support::secret::Secret;
use crate::support::shutdown::Shutdown;

pub use settings::{build, effective};

/// What the feed says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "resp",
    role: Role::Feed,
    summary: "Takes what the client library writes without a Redis: it answers the Redis protocol itself.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Feed> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let made = build(section, &cx.directory.join("resp"), &mut findings.problems)?;
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# Where applications connect (REDIS_HOST and REDIS_PORT of the client library). Beyond this machine it wants a
# password, or networks to allow.
listen: 127.0.0.1:6380
# The password, as text or as file:PATH. Once set it is asked of everybody. The client library can give none.
password: null
# The user that goes with the password; empty for none but `default`.
username: \"\"
# Addresses and networks to let in, such as 10.0.0.0/8; this machine always is. Empty: everybody.
allow: []
# What the keys begin with.
prefix: chouette
# Connections at a time.
max_connections: 128
# Accepted records are on the medium after this, at the latest; before, they survive only the agent's death.
sync: 1s
# Most bytes of records that wait for the journal. Beyond it they are refused.
bound: 64MiB
";

/// Batches that wait for the writer.
const QUEUE: usize = 256;

/// Bounds on what strangers can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Bytes of half-sent commands and open transactions, of all connections.
    pub(crate) held: usize,
    /// How long a connection may stay silent.
    pub(crate) idle: Duration,
    /// How long a command may take to come.
    pub(crate) command: Duration,
    /// How long a peer may take no byte of an answer.
    pub(crate) stall: Duration,
    /// How long connections may take to end at stop.
    pub(crate) drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 128,
            bytes: 64 << 20,
            held: 32 << 20,
            idle: Duration::from_secs(600),
            command: Duration::from_secs(30),
            stall: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// The feed.
#[derive(Debug)]
pub struct Resp {
    listen: String,
    setting: &'static str,
    folder: PathBuf,
    password: Option<Secret>,
    username: String,
    allow: Vec<Network>,
    prefix: String,
    sync: Duration,
    bounds: Bounds,
}

#[async_trait]
impl Feed for Resp {
    async fn run(self: Box<Self>, into: Arc<dyn Recorder>, stop: Shutdown) -> Result<(), FeedError> {
        let listener = server::bind(&self.listen).await;
        let (listener, address) = listener.map_err(|source| FeedError::Listen {
            address: self.listen.clone(),
            setting: self.setting,
            source,
        })?;
        self.serve(listener, address, into, stop).await
    }
}

impl Resp {
    async fn serve(
        self: Box<Self>,
        listener: TcpListener,
        address: SocketAddr,
        into: Arc<dyn Recorder>,
        stop: Shutdown,
    ) -> Result<(), FeedError> {
        let place = self.folder.display().to_string();
        let failed = |source| FeedError::Files {
            place: place.clone(),
            source,
        };
        let opening = {
            let (folder, interval, most) = (self.folder.clone(), into.interval(), self.bounds.bytes);
            let bounds = bounds_of(&into);
            spawn_blocking(move || Store::open(&folder, interval, bounds, most))
        };
        let opened = opening
            .await
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let (store, done) = opened.map_err(failed)?;
        let store = Arc::new(Mutex::new(store));
        let _guard = Guard(Arc::clone(&store));
        info!(%address, "Applications can connect; no Redis is needed.");

        let (sender, batches) = mpsc::channel(QUEUE);
        let mut writer = {
            let (store, into) = (Arc::clone(&store), Arc::clone(&into));
            spawn_blocking(move || writer::run(&store, &*into, batches))
        };
        let access = Access::new(self.password, self.username, self.allow, self.prefix);
        let shared = Arc::new(Shared::new(access, self.bounds, sender, Arc::clone(&into)));
        // Until the keeper has ended, or the writer would end before it.
        let held = Arc::clone(&shared);
        let keeper = Keeper::new(store, into, self.sync, done);
        let kept = async {
            tokio::join!(
                keeper.sync_until(stop.clone()),
                keeper.hand_over_until(stop.clone())
            );
        };
        tokio::select! {
            ended = &mut writer => {
                let error = ended.map_or_else(std::io::Error::other, |()| std::io::Error::other("the writer ended"));
                return Err(failed(error));
            }
            _ = async { tokio::join!(server::accept(listener, shared, stop.clone()), kept) } => {}
        }
        // The last sender goes, so the writer ends once it has written what came.
        drop(held);
        let _ = writer.await;
        keeper.finish().await;
        Ok(())
    }
}

/// The bounds of histograms, from the recorder.
fn bounds_of(into: &Arc<dyn Recorder>) -> crate::model::client::tally::Bounds {
    let into = Arc::clone(into);
    Arc::new(move |metric| into.bounds(metric))
}

/// Closes the store when the feed is dropped: then nothing is written any more, whatever task is left.
struct Guard(Arc<Mutex<Store>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}
