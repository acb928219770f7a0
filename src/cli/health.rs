//! Asks the running agent whether it is alive.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::cli::{End, print};
use crate::config::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(3);

/// `GET /-/healthy` of the configured address; says why where it is not well.
pub(super) fn check(settings: &Settings) -> io::Result<End> {
    let address = settings.listen.reachable();
    match ask(address) {
        Ok(200) => {
            print::text("healthy\n")?;
            Ok(End::Done)
        }
        Ok(status) => {
            print::complaint(&format!(
                "http://{address}/-/healthy answered with status {status}"
            ));
            Ok(End::Failed)
        }
        Err(error) => {
            print::complaint(&format!("http://{address}/-/healthy does not answer: {error}"));
            Ok(End::Failed)
        }
    }
}

/// The status of the answer. By hand, because a container asks every few seconds, and the whole HTTP client with its
/// trust roots costs more than the question.
fn ask(address: SocketAddr) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // In one write: whoever answers and closes after the first piece of several would reset the connection.
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    std::str::from_utf8(&head)
        .ok()
        .and_then(|head| head.strip_prefix("HTTP/1.1 ")?.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what answers is no agent"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn the_status_is_read_from_the_answer() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nhealthy\n", Some(200)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some(503)),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("", None),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                request.starts_with(b"GET /-/healthy HTTP/1.1\r\n")
            });
            assert_eq!(ask(address).ok(), expected, "{answer:?}");
            assert!(server.join().unwrap());
        }
    }
}
