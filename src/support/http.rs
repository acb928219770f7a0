//! The one HTTP client: its own trust roots, timeouts, a cap on answers, and no redirect followed, ever.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
pub use reqwest::header;
use reqwest::{Method, RequestBuilder};

use crate::support::proxy::{Proxies, ProxyError};
use crate::support::tls::{Tls, TlsError};
use crate::support::trust::{self, TrustError};
use crate::support::url::{Shown, Url};

/// What every request says of its sender.
pub const USER_AGENT: &str = concat!("tawny/", env!("CARGO_PKG_VERSION"));

/// Makes ring the process's provider of cryptography. Any number of calls is one; without it, building a client
/// or a TLS connection panics inside the library.
pub fn install_provider() {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most time for one connection, its TLS handshake included.
    pub connect_timeout: Duration,
    /// Most time for one request, from its start to the last byte of the answer.
    pub timeout: Duration,
    /// Bytes of an answer's body that are kept; the rest is not read.
    pub body_cap: usize,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Another way to verify servers and to say who we are; it takes the place of `ca_file`. `None` for the usual one.
    pub tls: Option<Tls>,
    /// The proxies to go through.
    pub proxies: Proxies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            body_cap: 64 * 1024,
            ca_file: None,
            tls: None,
            proxies: Proxies::default(),
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A connection's own TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A proxy's URL cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The TLS library refuses its settings.
    #[error("cannot set up the HTTP client: {0}")]
    Library(String),
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The host's name does not resolve.
    Dns,
    /// Nothing listens there.
    Refused,
    /// No way to the host, or it is not there.
    Unreachable,
    /// The TLS handshake failed; the certificate is not trusted, most often.
    Tls,
    /// It took longer than the timeout.
    Timeout,
    /// The proxy would not open the way.
    Proxy,
    /// The connection broke, or what came was not HTTP.
    Broken,
}

impl Failure {
    /// The word for this failure in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Proxy => "proxy",
            Self::Broken => "broken",
        }
    }
}

/// A request that got no answer. Its text holds no user info, query, header or body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct HttpError {
    /// What kind of failure it is.
    pub failure: Failure,
    /// Whether the request had left when it failed, so that it may have arrived.
    pub may_have_arrived: bool,
    /// What happened, with the URL and what to look at.
    pub reason: String,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: header::HeaderMap,
    /// The body, up to the client's cap.
    pub body: Bytes,
}

impl Answer {
    /// A header's value as text; `None` where it is absent or no text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends requests. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    proxies: Proxies,
    connect_timeout: Duration,
    timeout: Duration,
    body_cap: usize,
}

impl Client {
    /// Reads the trust roots and makes a client; connects to nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(options: &Options) -> Result<Self, ClientError> {
        install_provider();
        let connect_timeout = options.connect_timeout.min(options.timeout);
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(USER_AGENT)
            .connect_timeout(connect_timeout)
            .timeout(options.timeout)
            .pool_max_idle_per_host(2)
            .dns_resolver(Arc::new(SystemResolver))
            .no_proxy();
        builder = match &options.tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.config()?),
            // Only our own roots: the library's verifier cannot be built on an image that has no CA store.
            None => builder.tls_certs_only(trust::roots(options.ca_file.as_deref())?),
        };
        for proxy in options.proxies.compiled()? {
            builder = builder.proxy(proxy);
        }
        Ok(Self {
            inner: builder
                .build()
                .map_err(|error| ClientError::Library(root_cause(&error)))?,
            proxies: options.proxies.clone(),
            connect_timeout,
            timeout: options.timeout,
            body_cap: options.body_cap,
        })
    }

    /// Asks for a URL.
    ///
    /// # Errors
    /// No answer came; a bad status is an answer.
    pub async fn get(&self, url: &Url, headers: header::HeaderMap) -> Result<Answer, HttpError> {
        self.send(url, self.inner.request(Method::GET, url.clone()).headers(headers))
            .await
    }

    /// Sends a body to a URL.
    ///
    /// # Errors
    /// No answer came; a bad status is an answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: header::HeaderMap,
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let request = self.inner.request(Method::POST, url.clone());
        self.send(url, request.headers(headers).body(body)).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Answer, HttpError> {
        let failed = |error: reqwest::Error| self.worded(url, &error);
        let mut response = request.send().await.map_err(failed)?;
        let mut body = BytesMut::new();
        while body.len() < self.body_cap {
            let Some(chunk) = response.chunk().await.map_err(failed)? else {
                break;
            };
            let room = self.body_cap - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
        })
    }

    fn worded(&self, url: &Url, error: &reqwest::Error) -> HttpError {
        let (failure, cause) = classified(error);
        let host = url.host_str().unwrap_or_default();
        let what = match failure {
            Failure::Dns => format!("the name does not resolve: {cause}"),
            Failure::Refused => "connection refused; does it listen there, is the port right?".to_string(),
            Failure::Unreachable => format!("no way to {host}: {cause}"),
            Failure::Tls => format!("TLS failed: {cause}"),
            Failure::Timeout if error.is_connect() => {
                format!(
                    "no connection within {}",
                    humantime::format_duration(self.connect_timeout)
                )
            }
            Failure::Timeout => format!("no answer within {}", humantime::format_duration(self.timeout)),
            Failure::Proxy => format!("the proxy did not open the way: {cause}"),
            Failure::Broken => format!("the connection broke: {cause}"),
        };
        let way = match self.proxies.shown_for(url) {
            Some(proxy) => format!(" (through the proxy {proxy})"),
            None => String::new(),
        };
        HttpError {
            failure,
            may_have_arrived: matches!(failure, Failure::Timeout | Failure::Broken) && !error.is_connect(),
            reason: format!("{}: {what}{way}", Shown(url)),
        }
    }
}

/// Resolves as the system does; its error is a type of its own, so that it can be told from others.
struct SystemResolver;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unresolved(String);

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_string();
            let failed = |reason: &dyn fmt::Display| Unresolved(format!("{host}: {reason}"));
            match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(found) => {
                    let found: Vec<_> = found.collect();
                    if found.is_empty() {
                        return Err(failed(&"it has no address").into());
                    }
                    Ok(Box::new(found.into_iter()) as Addrs)
                }
                Err(error) => Err(failed(&error).into()),
            }
        })
    }
}

fn classified(error: &reqwest::Error) -> (Failure, String) {
    let cause = root_cause(error);
    let mut timed_out = error.is_timeout();
    let mut found = None;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(here) = next {
        if here.is::<Unresolved>() {
            return (Failure::Dns, cause);
        }
        // Its type is private to the library; the text is the only sign of it.
        if here.to_string().starts_with("tunnel error") && here.source().is_none() {
            return (Failure::Proxy, cause);
        }
        if let Some(tls) = here.downcast_ref::<rustls::Error>() {
            return (Failure::Tls, tls.to_string());
        }
        if let Some(io) = here.downcast_ref::<io::Error>() {
            timed_out |= io.kind() == io::ErrorKind::TimedOut;
            found = of_io(io.kind()).or(found);
        }
        next = beneath(here);
    }
    match found {
        Some(failure) => (failure, cause),
        None if timed_out => (Failure::Timeout, cause),
        None => (Failure::Broken, cause),
    }
}

fn of_io(kind: io::ErrorKind) -> Option<Failure> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(Failure::Refused),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Some(Failure::Unreachable)
        }
        _ => None,
    }
}

/// The error that another one wraps. An I/O error's `source` passes over the error in it.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The innermost error's text: the outer ones name the URL, with what it may carry.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut here = error;
    while let Some(wrapped) = beneath(here) {
        here = wrapped;
    }
    here.to_string()
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
