//! The collector `k8s` and its kubelet: who is trusted, who is let in, and what is said where it fails.
//!
//! * `server`: a kubelet of the test's own
//! * `node`: a real one

pub(crate) mod server;

mod node;

use std::fs;

use serde_json::{Value, json};
use tawny::collectors::container::k8s;
use tawny::component::collector::{CollectError, Collector};
use tawny::component::settings::{Problems, Section};
use tawny::model::sample::Samples;

use crate::support::agent::tawny;
use server::{Reply, Server, file, recorded};

/// The pods and node values of the recorded summary by the default settings.
const SAMPLES: usize = 8;
const TLS_HINT: &str = "; set ca_path (K8S_CA_PATH) to the kubelet's authority or its own certificate, and server_name \
                        (K8S_SERVER_NAME) to the name in it where that is not the address; insecure_skip_verify \
                        (K8S_INSECURE_SKIP_VERIFY=true) trusts anyone";

/// Builds the collector for this server with more settings.
fn collector(server: &Server, more: Value) -> k8s::K8s {
    let mut settings = json!({"stats_service_ip": "127.0.0.1", "stats_service_port": server.port()});
    let all = settings.as_object_mut().expect("a map");
    all.extend(more.as_object().expect("a map").clone());
    let mut problems = Problems::default();
    let section = Section::new("collectors.k8s", settings);
    let made = k8s::build(&section, &|_| None, &mut problems);
    made.unwrap_or_else(|| panic!("{problems:?}"))
}

/// The number of samples, or the error less the URL.
async fn collected(server: &Server, collector: &mut k8s::K8s) -> Result<usize, String> {
    let mut samples = Samples::default();
    match collector.collect(&mut samples).await {
        Ok(()) => Ok(samples.len()),
        Err(error) => {
            assert!(samples.is_empty());
            let url = format!("https://127.0.0.1:{}/stats/summary", server.port());
            Err(error.to_string().replace(&url, "URL"))
        }
    }
}

async fn once(server: &Server, more: Value) -> Result<usize, String> {
    collected(server, &mut collector(server, more)).await
}

fn summary() -> Reply {
    Reply::new(200, recorded("pod-just-created"))
}

fn trusting() -> Value {
    json!({"ca_path": file("authority.pem")})
}

fn unreachable(reason: &str) -> Result<usize, String> {
    Err(format!("URL cannot be reached: {reason}"))
}

#[tokio::test]
async fn a_server_that_demands_a_client_certificate_gets_ours_and_no_other() {
    let server = Server::start("kubelet", true, summary);
    let ours = |name: &str| {
        let mut settings = trusting();
        settings["cert_path"] = json!(file(&format!("{name}.pem")));
        settings["key_path"] = json!(file(&format!("{name}.key")));
        settings
    };
    assert_eq!(once(&server, ours("client")).await, Ok(SAMPLES));
    let hint = "; it asks for a client certificate that it trusts: set cert_path and key_path (K8S_CERT_PATH, K8S_KEY_PATH)";
    let none = once(&server, trusting()).await.unwrap_err();
    assert!(
        none.contains("CertificateRequired") && none.ends_with(hint),
        "{none}"
    );
    let strange = once(&server, ours("stranger")).await.unwrap_err();
    assert!(
        strange.contains("received fatal alert") && strange.ends_with(hint),
        "{strange}"
    );
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_pair_that_does_not_belong_together_is_named() {
    let server = Server::start("kubelet", true, summary);
    let settings = |key: &str| json!({"cert_path": file("client.pem"), "key_path": file(key)});
    let error = once(&server, settings("stranger.key")).await.unwrap_err();
    let (path, hint) = (
        file("client.pem"),
        "(cert_path and key_path, K8S_CERT_PATH and K8S_KEY_PATH, must belong together)",
    );
    assert!(
        error.contains(&path.display().to_string()) && error.ends_with(hint),
        "{error}"
    );
    let error = once(&server, settings("client.pem")).await.unwrap_err();
    assert!(
        error.contains("cannot read a private key") && error.ends_with("(key_path, K8S_KEY_PATH)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_kubelet_that_nobody_vouches_for_is_not_asked_and_the_ways_out_are_named() {
    let server = Server::start("kubelet", false, summary);
    let unknown = format!("TLS failed: invalid peer certificate: UnknownIssuer{TLS_HINT}");
    assert_eq!(once(&server, json!({})).await, unreachable(&unknown));
    let other = json!({"ca_path": file("stranger.pem")});
    assert_eq!(once(&server, other).await, unreachable(&unknown));
    assert_eq!(server.heads(), [""; 0]);
    let any = json!({"insecure_skip_verify": true});
    assert_eq!(once(&server, any).await, Ok(SAMPLES));
    assert_eq!(once(&server, trusting()).await, Ok(SAMPLES));
}

#[test]
fn a_kubelet_that_is_not_verified_is_warned_of_at_the_start() {
    let plugins = ("COLLECTOR_PLUGINS", r#"["k8s"]"#);
    let said = |skip: &str| {
        let output = tawny(&["check"], &[plugins, ("K8S_INSECURE_SKIP_VERIFY", skip)]);
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        said("true"),
        "tawny: warning: K8S_INSECURE_SKIP_VERIFY: means that the kubelet is not verified: whoever stands between may \
         read the token and make values up [sets collectors.k8s.insecure_skip_verify] (leave it out, and set ca_path \
         (K8S_CA_PATH), and server_name (K8S_SERVER_NAME) where it is needed)\n"
    );
    assert_eq!(said("false"), "");
}

#[tokio::test]
async fn the_certificate_must_bear_the_name_that_is_expected() {
    let server = Server::start("kubelet", false, summary);
    let named = |name: &str| json!({"ca_path": file("authority.pem"), "server_name": name});
    assert_eq!(once(&server, named("edge-7")).await, Ok(SAMPLES));
    let other = once(&server, named("edge-8")).await.unwrap_err();
    assert!(
        other.contains("not valid for name \"edge-8\"") && other.ends_with(TLS_HINT),
        "{other}"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let server = Server::start("expired", false, summary);
    let error = once(&server, trusting()).await.unwrap_err();
    assert!(
        error.contains("TLS failed: invalid peer certificate: certificate expired")
            && error.ends_with("; is the clock of this device right? Else renew the kubelet's certificate"),
        "{error}"
    );
    assert_eq!(server.heads(), [""; 0]);
}

#[tokio::test]
async fn a_kubelets_own_certificate_vouches_for_itself_where_it_is_given() {
    let server = Server::start("own", false, summary);
    let pinned = |name: &str| json!({"ca_path": file("own.pem"), "server_name": name});
    assert_eq!(once(&server, pinned("edge-7")).await, Ok(SAMPLES));
    let other = once(&server, pinned("edge-8")).await.unwrap_err();
    assert!(
        other.contains("not valid for name \"edge-8\"") && other.ends_with(TLS_HINT),
        "{other}"
    );
    let address = once(&server, json!({"ca_path": file("own.pem")}))
        .await
        .unwrap_err();
    assert!(
        address.contains("not valid for name") && address.ends_with(TLS_HINT),
        "{address}"
    );
    let other = once(
        &server,
        json!({"ca_path": file("stranger.pem"), "server_name": "edge-7"}),
    )
    .await;
    assert!(other.unwrap_err().ends_with(TLS_HINT));

    let server = Server::start("own-expired", false, summary);
    let error = once(&server, json!({"ca_path": file("own-expired.pem")}))
        .await
        .unwrap_err();
    assert!(error.contains("certificate expired"), "{error}");
}

#[tokio::test]
async fn renewed_files_are_read_again() {
    let server = Server::start("kubelet", false, summary);
    let home = tempfile::tempdir().unwrap();
    let (ca, token) = (home.path().join("ca.pem"), home.path().join("token"));
    fs::write(&token, "first\n").unwrap();
    let mut collector = collector(&server, json!({"ca_path": ca, "token_file": token}));
    let missing = collected(&server, &mut collector).await.unwrap_err();
    assert!(
        missing.contains("No such file")
            && missing.ends_with("(ca_path, K8S_CA_PATH; or cert_path, K8S_CERT_PATH)"),
        "{missing}"
    );
    fs::copy(file("authority.pem"), &ca).unwrap();
    assert_eq!(collected(&server, &mut collector).await, Ok(SAMPLES));
    fs::write(&token, "the second\n").unwrap();
    assert_eq!(collected(&server, &mut collector).await, Ok(SAMPLES));
    fs::write(&ca, fs::read_to_string(file("stranger.pem")).unwrap() + "\n").unwrap();
    assert!(
        collected(&server, &mut collector)
            .await
            .unwrap_err()
            .contains("UnknownIssuer")
    );
    let heads = server.heads();
    assert_eq!(heads.len(), 2);
    assert!(
        heads[0].starts_with("GET /stats/summary HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[0].contains("authorization: Bearer first\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[1].contains("authorization: Bearer the second\r\n"),
        "{}",
        heads[1]
    );
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let ask = async |reply: fn() -> Reply| {
        once(&Server::start("kubelet", false, reply), trusting())
            .await
            .unwrap_err()
    };
    assert_eq!(
        ask(|| Reply::new(401, "Unauthorized")).await,
        "no permission to read URL: the kubelet does not know us (401 Unauthorized): set cert_path and key_path \
         (K8S_CERT_PATH, K8S_KEY_PATH) to a certificate of its client authority, or token_file to a valid token, which a \
         kubelet takes that has `authentication.webhook` on"
    );
    assert_eq!(
        ask(|| Reply::new(
            403,
            "Forbidden (user=agent, verb=get, resource=nodes,\n subresource(s)=[stats])"
        ))
        .await,
        "no permission to read URL: the kubelet knows us and says no (403 Forbidden (user=agent, verb=get, resource=nodes, \
         subresource(s)=[stats])): a cluster role must allow the verb `get` on the resource `nodes/stats` to this user"
    );
    assert_eq!(
        ask(|| Reply::new(500, format!("Internal Error: {}", "x".repeat(1000)))).await,
        format!(
            "URL answered what cannot be read: expected a summary, got the status 500: Internal Error: {}",
            "x".repeat(184)
        )
    );
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let ask = async |reply: fn() -> Reply| {
        once(&Server::start("kubelet", false, reply), trusting())
            .await
            .unwrap_err()
    };
    let cut = ask(|| {
        let body = recorded("pod-just-created");
        Reply {
            status: 200,
            missing: 10,
            body,
        }
    })
    .await;
    assert!(
        cut.starts_with("URL cannot be reached: the connection broke"),
        "{cut}"
    );
    let half = ask(|| Reply::new(200, &recorded("pod-just-created")[..3000])).await;
    assert!(
        half.starts_with(
            "URL answered what cannot be read: expected the kubelet's summary: EOF while parsing"
        ),
        "{half}"
    );
    let page = ask(|| Reply::new(200, "<html>log in</html>")).await;
    assert_eq!(
        page,
        "URL answered what cannot be read: expected the kubelet's summary: expected value at line 1 column 1"
    );
}

#[tokio::test]
async fn nobody_at_a_guessed_address_asks_for_the_right_one() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut problems = Problems::default();
    let section = Section::new("collectors.k8s", json!({"stats_service_port": free.port()}));
    let mut collector = k8s::build(&section, &|_| None, &mut problems).unwrap();
    let error = collector.collect(&mut Samples::default()).await.unwrap_err();
    assert_eq!(
        error,
        CollectError::Unreachable {
            target: format!("https://{free}/stats/summary"),
            reason: "connection refused; does it listen there, is the port right?; nobody said where the kubelet is: set \
                     stats_service_ip (K8S_STATS_SERVICE_IP) to the node's address, in a pod from `status.hostIP`"
                .to_string(),
        }
    );
}

#[tokio::test]
async fn ten_thousand_pods_are_read_whole() {
    let server = Server::start("kubelet", false, || {
        let mut summary: Value = serde_json::from_slice(&recorded("pod-just-created")).unwrap();
        let pod = summary["pods"][0].clone();
        let many = (0..10_000).map(|index| {
            let mut pod = pod.clone();
            pod["podRef"]["name"] = json!(format!("web-{index}"));
            pod
        });
        summary["pods"] = many.collect();
        Reply::new(200, serde_json::to_vec(&summary).unwrap())
    });
    let mut settings = trusting();
    settings["metrics"] = json!({"pods": ["memory", "cpu", "containers"], "node": ["inodes"]});
    // Memory 2, cpu 1, and of two containers each 7, less the one whose filesystem was not measured yet.
    assert_eq!(once(&server, settings).await, Ok(10_000 * (3 + 13) + 2));
}
