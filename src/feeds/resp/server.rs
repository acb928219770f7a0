//! Accepts connections, a bounded number of them, from where they may come.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::feeds::resp::connection::{Shared, serve};
use crate::support::shutdown::Shutdown;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// How long to wait after an accept that failed: out of descriptors, for the most part.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the listener.
///
/// # Errors
/// The address is in use, not ours, or not allowed.
pub(super) async fn bind(listen: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in lookup_host(listen).await? {
        let opened = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            socket.set_reuseaddr(true)?;
            // Connections have what the listener has: a peer that is gone without a word is found.
            socket.set_keepalive(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match opened() {
            Ok(listener) => {
                let bound = listener.local_addr()?;
                return Ok((listener, bound));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Accepts until stop is said; then what is begun is answered, within a bound.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: Shutdown) {
    let mut connections = JoinSet::new();
    let mut id = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.stopped() => break,
            Some(_) = connections.join_next() => {
                shared.note_connections(connections.len());
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "A connection could not be accepted.");
                sleep(PAUSE).await;
                continue;
            }
        };
        if !shared.access.lets_in(peer.ip()) {
            warn!(%peer, "A connection from an address that is not among `feeds.resp.allow` is closed.");
            shared.note_refused("address");
            continue;
        }
        if connections.len() >= shared.bounds.connections {
            debug!(%peer, "A connection is closed: there are as many as there may be.");
            // Where it takes nothing it is closed all the same.
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            shared.note_refused("connections");
            continue;
        }
        // Answers are small, and each is waited for.
        let _ = stream.set_nodelay(true);
        id += 1;
        connections.spawn(serve(stream, id, Arc::clone(&shared), stop.clone()));
        shared.note_connections(connections.len());
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(shared.bounds.drain, all).await;
    connections.shutdown().await;
    shared.note_connections(0);
}
