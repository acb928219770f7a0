//! A small blocking HTTP client for tests. It decodes nothing and follows no redirect.

use std::io::Read;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use tokio::runtime::Runtime;

/// The runtime of the client. A call works from any thread, also from one that runs an asynchronous test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("test-http")
        .enable_all()
        .build()
        .expect("a runtime starts")
});

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        // No connection is kept: a test that ends a server and starts it again must not meet an old one.
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client without settings from outside is built")
});

/// Installs the TLS provider of this process, as the first lines of `main` do. A second call changes nothing.
pub(crate) fn install_tls() {
    // An error says that it was installed before, by another test.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An answer with its body, as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header's value; `name` in lower case. Empty when the answer has none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The body as text, after gzip was taken off if the answer says that it is on.
    ///
    /// # Panics
    ///
    /// When the body is not what the headers say, or no UTF-8.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match self.header("content-encoding") {
            "" | "identity" => text.push_str(std::str::from_utf8(&self.body).expect("the body is UTF-8")),
            "gzip" => {
                let mut decoder = flate2::read::GzDecoder::new(self.body.as_slice());
                decoder
                    .read_to_string(&mut text)
                    .expect("the body is gzip of UTF-8");
            }
            other => panic!("unexpected Content-Encoding {other}"),
        }
        text
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }
}

/// Why no answer came: nothing listens, or the connection broke before the body's end.
pub(crate) type Failed = reqwest::Error;

/// Sends one request and reads the whole answer.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, Failed> {
    request_with(&CLIENT, method, url, headers, body)
}

/// The same through a client of the test's own, which verifies or shows certificates.
pub(crate) fn request_with(
    client: &reqwest::Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, Failed> {
    let method = method.parse::<reqwest::Method>().expect("a method");
    let mut request = client.request(method, url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (done, answer) = mpsc::sync_channel(1);
    RUNTIME.spawn(async move {
        let answer = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let headers = response.headers();
            let headers = headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            Ok(Answer {
                status,
                headers,
                body: response.bytes().await?.to_vec(),
            })
        };
        // Nobody listens any more when the test has failed meanwhile.
        let _ = done.send(answer.await);
    });
    answer.recv().expect("the request's task does not panic")
}

/// A GET with these headers.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Result<Answer, Failed> {
    request("GET", url, headers, Vec::new())
}

/// `text` as a value in a URL's query.
pub(crate) fn query_value(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
