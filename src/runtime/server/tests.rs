use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::support::shutdown::Stopper;

struct Running {
    address: SocketAddr,
    stopper: Stopper,
    task: tokio::task::JoinHandle<()>,
}

async fn running(bounds: Bounds) -> Running {
    let (listener, address) = bind("127.0.0.1:0").await.unwrap();
    let (stopper, stop) = Stopper::new();
    let router = Router::new().route("/", get(|| async { "here" }));
    Running {
        address,
        stopper,
        task: tokio::spawn(serve(listener, router, bounds, stop)),
    }
}

/// What comes until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = running(Bounds {
        head: Duration::from_millis(50),
        ..Bounds::default()
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(until_closed(&mut silent).await, "");
}

#[tokio::test]
async fn a_half_sent_request_is_closed_without_an_answer() {
    let server = running(Bounds {
        head: Duration::from_millis(50),
        ..Bounds::default()
    })
    .await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: a").await.unwrap();
    assert!(!until_closed(&mut half).await.contains("200"));
}

#[tokio::test]
async fn a_head_beyond_the_bound_is_refused() {
    let server = running(Bounds::default()).await;
    let mut large = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    let _ = large.write_all(request.as_bytes()).await;
    assert!(until_closed(&mut large).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_full_server_answers_the_next_one_when_there_is_room() {
    let server = running(Bounds {
        connections: 1,
        head: Duration::from_millis(50),
        ..Bounds::default()
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut next = TcpStream::connect(server.address).await.unwrap();
    next.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(until_closed(&mut next).await.ends_with("here"));
    assert_eq!(until_closed(&mut silent).await, "");
}

#[tokio::test]
async fn stop_ends_the_server() {
    let server = running(Bounds::default()).await;
    let mut open = TcpStream::connect(server.address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.stopper.stop();
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
