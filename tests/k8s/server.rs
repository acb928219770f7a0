//! A kubelet that a test makes up: TLS on loopback, one answer a connection, every request's head kept.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::http::install_tls;

/// A file of `tests/cases/tls/kubelet`.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases/tls/kubelet")
        .join(name)
}

/// What goes out: a status, and a body of which the header may promise more.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Bytes that never come.
    pub(crate) missing: usize,
}

impl Reply {
    /// A whole answer.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            missing: 0,
        }
    }
}

/// The server; its thread ends with the tests.
pub(crate) struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts one with the certificate and key of this name, which demands the authority's client certificates if told so.
    pub(crate) fn start(
        certificate: &str,
        demanding: bool,
        respond: impl Fn() -> Reply + Send + 'static,
    ) -> Self {
        install_tls();
        let pem = |name: String| CertificateDer::from_pem_file(file(&name)).expect("a certificate");
        let builder = ServerConfig::builder();
        let builder = if demanding {
            let mut roots = RootCertStore::empty();
            roots.add(pem("authority.pem".to_owned())).expect("an authority");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(file(&format!("{certificate}.key"))).expect("a key");
        let config = builder.with_single_cert(vec![pem(format!("{certificate}.pem"))], key);
        let config = Arc::new(config.expect("certificate and key belong together"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(config.clone()).expect("a session");
                serve(StreamOwned::new(session, stream), &respond, &kept);
            }
        });
        Self { address, heads }
    }

    /// Its port at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Request lines and headers, so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panicked").clone()
    }
}

/// Errors are the client's: it did not like the certificate, for one.
fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    respond: &impl Fn() -> Reply,
    kept: &Mutex<Vec<String>>,
) {
    let _ = stream.sock.set_read_timeout(Some(Duration::from_secs(10)));
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    kept.lock().expect("nobody panicked").push(head);
    let Reply {
        status,
        body,
        missing,
    } = respond();
    let length = body.len() + missing;
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
    if missing == 0 {
        stream.conn.send_close_notify();
    }
    let _ = stream.flush();
}

/// The text of a recorded summary, of a case's only reading.
pub(crate) fn recorded(case: &str) -> Vec<u8> {
    let path = format!("tests/cases/k8s/{case}/1/summary.json");
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the case is there")
}
