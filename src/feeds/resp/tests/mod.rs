//! The feed over sockets, with a recorder in memory.

mod durability;
mod protocol;
mod recorder;
mod records;
mod store;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::component::feed::FeedError;
use crate::component::settings::{Problems, Section};
use crate::feeds::resp::{Bounds, build, server};
use crate::support::shutdown::Stopper;
use recorder::Fake;

/// The time at which most tests begin: 5 s into a window.
const NOW: i64 = 1_800_000_005;

/// A feed that runs.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    task: JoinHandle<Result<(), FeedError>>,
}

impl Running {
    async fn start(folder: &Path, settings: Value, into: &Arc<Fake>) -> Self {
        Self::within(folder, settings, into, |_| {}).await
    }

    async fn within(
        folder: &Path,
        mut settings: Value,
        into: &Arc<Fake>,
        bound: impl FnOnce(&mut Bounds),
    ) -> Self {
        settings["listen"] = json!("127.0.0.1:0");
        let mut problems = Problems::default();
        let mut feed = build(&Section::new("feeds.resp", settings), folder, &mut problems).unwrap();
        bound(&mut feed.bounds);
        let (listener, address) = server::bind(&feed.listen).await.unwrap();
        let (stopper, stop) = Stopper::new();
        let task = tokio::spawn(Box::new(feed).serve(listener, address, into.clone(), stop));
        Self {
            address,
            stopper,
            task,
        }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    async fn stop(self) {
        self.stopper.stop();
        timeout(Duration::from_secs(20), self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    /// Drops the feed wherever it is.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// Starts again once the feed before has let go of the folder.
async fn restart(folder: &Path, into: &Arc<Fake>) -> Running {
    loop {
        let feed = Running::start(folder, json!({}), into).await;
        let mut pong = [0; 7];
        if let Ok(mut client) = TcpStream::connect(feed.address).await
            && client.write_all(b"PING\r\n").await.is_ok()
            && client.read_exact(&mut pong).await.is_ok()
        {
            return feed;
        }
    }
}

/// A client that speaks in bytes.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Asserts that exactly this is answered next.
    async fn expect(&mut self, answer: &str) {
        let mut read = vec![0; answer.len()];
        let came = timeout(Duration::from_secs(20), self.0.read_exact(&mut read)).await;
        let text = String::from_utf8_lossy(&read).into_owned();
        assert!(
            came.is_ok_and(|came| came.is_ok()),
            "wanted {answer:?}, got {text:?}"
        );
        assert_eq!(text, answer);
    }

    async fn ask(&mut self, words: &[&str], answer: &str) {
        self.send(command(words)).await;
        self.expect(answer).await;
    }

    /// Asserts that nothing but this comes before the end.
    async fn expect_end(&mut self, answer: &str) {
        let mut read = Vec::new();
        let end = timeout(Duration::from_secs(20), self.0.read_to_end(&mut read)).await;
        // A peer that closes on unread input resets the connection.
        let _ = end.unwrap();
        assert_eq!(String::from_utf8_lossy(&read), answer);
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

const KEYS: &str = "chouette:metrics:raw.keys";
const VALUES: &str = "chouette:metrics:raw.values";

/// A count of `value` at `time`, as the client library writes it.
fn count(name: &str, value: f64, time: i64) -> String {
    json!({"metric": name, "type": "count", "value": value, "timestamp": time as f64, "tags": {"a": "b"}})
        .to_string()
}

/// What the client library sends for a record.
fn stored(key: &str, time: i64, record: &str) -> Vec<u8> {
    let time = time.to_string();
    [
        command(&["MULTI"]),
        command(&["ZADD", KEYS, &time, key]),
        command(&["HSET", VALUES, key, record]),
        command(&["EXEC"]),
    ]
    .concat()
}

/// What it is answered for a new record.
const STORED: &str = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n";
