use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::stub::{Reply, Stub};
use super::*;
use crate::support::secret::Secret;

fn client(change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options::default();
    change(&mut options);
    Client::new(&options).unwrap()
}

async fn get(client: &Client, url: &str) -> Result<Answer, HttpError> {
    client
        .get(&Url::parse(url).unwrap(), header::HeaderMap::new())
        .await
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_cap_and_says_who_asked() {
    let stub = Stub::start(|_| Reply::json(418, &"x".repeat(5000))).await;
    let client = client(|options| options.body_cap = 1000);
    let answer = get(&client, &stub.url).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (418, 1000));
    assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/json"));
    assert_eq!(stub.requests()[0].header("user-agent"), Some(USER_AGENT));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let elsewhere = Stub::start(|_| Reply::json(200, "{}")).await;
    let target = format!("Location: {}/\r\n", elsewhere.url);
    let stub = Stub::start(move |_| Reply::Answer(307, target.clone(), Vec::new())).await;
    let url = Url::parse(&stub.url).unwrap();
    let answer = client(|_| {})
        .post(&url, header::HeaderMap::new(), Bytes::from("b"))
        .await
        .unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(stub.requests()[0].body, b"b");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn failures_are_told_apart_without_secrets() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = get(&client(|_| {}), &format!("http://me:pw@{free}/a?key=k"))
        .await
        .unwrap_err();
    assert_eq!(refused.failure, Failure::Refused);
    assert_eq!(
        refused.reason,
        format!("http://{free}/a: connection refused; does it listen there, is the port right?")
    );

    let half = Stub::start(|_| Reply::Half).await;
    let broken = get(&client(|_| {}), &half.url).await.unwrap_err();
    assert_eq!(broken.failure, Failure::Broken);

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/a", plain.local_addr().unwrap());
    let speaks_first = std::thread::spawn(move || plain.accept().unwrap().0.write_all(b"220 plain text\r\n"));
    let tls = get(&client(|_| {}), &url).await.unwrap_err();
    assert_eq!(
        (tls.failure, speaks_first.join().unwrap().is_ok()),
        (Failure::Tls, true)
    );
    assert_eq!(
        tls.reason,
        format!("{url}: TLS failed: received corrupt message of type InvalidContentType")
    );

    let hang = Stub::start(|_| Reply::Hang).await;
    let slow = client(|options| options.timeout = Duration::from_millis(50));
    let timeout = get(&slow, &hang.url).await.unwrap_err();
    assert_eq!(timeout.failure, Failure::Timeout);
    assert_eq!(timeout.reason, format!("{}/: no answer within 50ms", hang.url));
}

/// A name that resolves nowhere, and for which no resolver asks the network: a label has at most 63 characters.
fn nowhere() -> String {
    format!("{}.invalid", "x".repeat(70))
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let host = nowhere();
    let error = get(&client(|_| {}), &format!("http://{host}/api"))
        .await
        .unwrap_err();
    assert_eq!(error.failure, Failure::Dns);
    let start = format!("http://{host}/api: the name does not resolve: {host}: ");
    assert!(error.reason.starts_with(&start), "{}", error.reason);
}

#[tokio::test]
async fn the_environments_proxy_is_used_but_not_for_loopback() {
    let proxy = Stub::start(|_| Reply::json(202, "{}")).await;
    let address = proxy.url.replace("http://", "http://me:pw@");
    let proxies = |except: &str| {
        let except = except.to_string();
        let address = address.clone();
        Proxies::from_env(move |name| match name {
            "HTTP_PROXY" => Some(address.clone()),
            "no_proxy" => Some(except.clone()),
            _ => None,
        })
    };
    let through = client(|options| options.proxies = proxies(""));
    assert_eq!(
        get(&through, "http://intake.invalid/api").await.unwrap().status,
        202
    );
    let request = &proxy.requests()[0];
    assert_eq!(request.target(), "http://intake.invalid/api");
    assert_eq!(request.header("proxy-authorization"), Some("Basic bWU6cHc="));

    let direct = Stub::start(|_| Reply::json(200, "{}")).await;
    assert_eq!(get(&through, &direct.url).await.unwrap().status, 200);
    let host = nowhere();
    let except = client(|options| options.proxies = proxies(&host));
    assert_eq!(
        get(&except, &format!("http://{host}/api"))
            .await
            .unwrap_err()
            .failure,
        Failure::Dns
    );
    assert_eq!(proxy.requests().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_to_blame_and_shown_without_its_password() {
    let proxy = Stub::start(|_| Reply::Answer(407, String::new(), Vec::new())).await;
    let url = Secret::new(&proxy.url.replace("http://", "me:pw@"));
    let through = client(|options| options.proxies = Proxies::only("proxy", url));
    let error = get(&through, "https://intake.invalid/api").await.unwrap_err();
    assert_eq!(error.failure, Failure::Proxy);
    assert_eq!(
        error.reason,
        format!(
            "https://intake.invalid/api: the proxy did not open the way: tunnel error: proxy authorization required \
             (through the proxy {})",
            proxy.url
        )
    );
    assert!(
        proxy.requests()[0]
            .head
            .starts_with("CONNECT intake.invalid:443 ")
    );
}

/// Answers one TLS connection after another with `202` and no body; the certificate is the test's own.
fn tls_server() -> std::net::SocketAddr {
    install_provider();
    let pem = include_bytes!("../../../tests/cases/tls/localhost.pem");
    let key = include_bytes!("../../../tests/cases/tls/localhost.key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pem).unwrap()],
            PrivateKeyDer::from_pem_slice(key).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let _ =
                    stream.write_all(b"HTTP/1.1 202 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_is_trusted_only_where_a_file_says_so() {
    let url = format!("https://{}/api", tls_server());
    let strange = get(&client(|_| {}), &url).await.unwrap_err();
    assert_eq!(strange.failure, Failure::Tls);
    assert_eq!(
        strange.reason,
        format!("{url}: TLS failed: invalid peer certificate: UnknownIssuer")
    );
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tls/localhost.pem");
    let trusting = client(|options| options.ca_file = Some(ca_file.into()));
    assert_eq!(get(&trusting, &url).await.unwrap().status, 202);
}
