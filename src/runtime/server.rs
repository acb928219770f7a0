//! The HTTP server: bounded in connections and time, so that a silent or half-sent connection costs nothing for long.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tracing::{debug, warn};

use crate::support::shutdown::Shutdown;

/// Bounds on what strangers can take from the server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time; further ones wait in the listener's queue.
    pub connections: usize,
    /// How long a request's head may take, and how long a connection may stay silent between requests.
    pub head: Duration,
    /// How long a peer may take no byte of an answer.
    pub stall: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long answers that are under way may take at stop.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 128,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            drain: Duration::from_secs(2),
        }
    }
}

/// Opens the listener.
///
/// # Errors
/// The address is in use, not ours, or not allowed.
pub async fn bind(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Serves until stop is said; answers that are under way are finished within `bounds.drain`.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, mut stop: Shutdown) {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.stopped() => break,
            accepted = accept(&listener, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, permit)) = accepted else { break };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(bounds.stall));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(bounds.head_bytes)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                debug!(%error, "A connection ended early.");
            }
        });
    }
    drop(listener);
    let _ = timeout(bounds.drain, graceful.shutdown()).await;
}

/// The next connection, once there is room for one. `None` only when the server is closed.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Pages are written in large pieces; waiting for more only delays the last one.
                let _ = stream.set_nodelay(true);
                return Some((stream, permit));
            }
            // Out of descriptors, or a peer that is gone already: neither may stop the server.
            Err(error) => {
                warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
