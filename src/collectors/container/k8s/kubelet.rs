//! Asks the kubelet for its summary, and says what to do where it does not give it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::collectors::container::k8s::settings::Settings;
use crate::component::collector::CollectError;
use crate::support::http::{Answer, Client, ClientError, Failure, HttpError, Options, header};
use crate::support::tls::TlsError;

/// How long the way to the kubelet may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The collector's own `timeout` is shorter, or was meant to be longer than any other.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Some 10,000 pods.
const BODY_CAP: usize = 64 * 1024 * 1024;
/// Bytes of an answer that is no summary, to be shown.
const SHOWN: usize = 200;

/// The way to the kubelet. Its certificates are read again when their files change: a cluster renews them.
#[derive(Debug, Default)]
pub(super) struct Kubelet {
    client: Option<(Vec<Stamp>, Client)>,
}

/// When a file was written and how long it is; `None` where it cannot be said.
type Stamp = Option<(SystemTime, u64)>;

impl Kubelet {
    /// The summary, as it came.
    pub(super) async fn summary(&mut self, settings: &Settings) -> Result<Bytes, CollectError> {
        let mut headers = header::HeaderMap::new();
        if let Some(token) = &settings.token {
            let token = token.expose().map_err(|error| unreadable(settings, &error))?;
            let text = format!("Bearer {token}");
            let mut value = header::HeaderValue::try_from(text)
                .map_err(|_| unreadable(settings, &"token_file holds what is no token"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let client = self.client(settings)?;
        let answer = client.get(&settings.url, headers).await;
        judged(answer.map_err(|error| unanswered(settings, &error))?, settings)
    }

    fn client(&mut self, settings: &Settings) -> Result<&Client, CollectError> {
        let stamps: Vec<Stamp> = settings.tls.files().map(stamp).collect();
        if self.client.as_ref().is_none_or(|(known, _)| *known != stamps) {
            let client = Client::new(&Options {
                connect_timeout: CONNECT_TIMEOUT,
                timeout: TIMEOUT,
                body_cap: BODY_CAP + 1,
                tls: Some(settings.tls.clone()),
                ..Options::default()
            });
            self.client = Some((stamps, client.map_err(|error| unusable(settings, &error))?));
        }
        match &self.client {
            Some((_, client)) => Ok(client),
            None => Err(unreadable(settings, &"there is no client")),
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

fn unreadable(settings: &Settings, reason: &dyn std::fmt::Display) -> CollectError {
    CollectError::Unreachable {
        target: settings.url.to_string(),
        reason: reason.to_string(),
    }
}

/// Says which setting names the file that is of no use.
fn unusable(settings: &Settings, error: &ClientError) -> CollectError {
    let hint = match error {
        ClientError::Tls(TlsError::Trust(_)) => " (ca_path, K8S_CA_PATH; or cert_path, K8S_CERT_PATH)",
        ClientError::Tls(TlsError::Key { .. }) => " (key_path, K8S_KEY_PATH)",
        ClientError::Tls(TlsError::Identity { .. }) => {
            " (cert_path and key_path, K8S_CERT_PATH and K8S_KEY_PATH, must belong together)"
        }
        _ => "",
    };
    unreadable(settings, &format_args!("{error}{hint}"))
}

/// Says what helps where no answer came.
fn unanswered(settings: &Settings, error: &HttpError) -> CollectError {
    // The URL stands in front of it, and is the error's target already.
    let prefix = format!("{}: ", settings.url);
    let reason = error.reason.strip_prefix(&prefix).unwrap_or(&error.reason);
    let hint = match error.failure {
        // The other side's refusal: it is our certificate that it wants, or wants to be another.
        Failure::Tls if reason.contains("received fatal alert") => {
            "; it asks for a client certificate that it trusts: set cert_path and key_path (K8S_CERT_PATH, K8S_KEY_PATH)"
        }
        Failure::Tls
            if reason.contains("certificate expired") || reason.contains("certificate not valid yet") =>
        {
            "; is the clock of this device right? Else renew the kubelet's certificate"
        }
        Failure::Tls => {
            "; set ca_path (K8S_CA_PATH) to the kubelet's authority or its own certificate, and server_name \
             (K8S_SERVER_NAME) to the name in it where that is not the address; \
             insecure_skip_verify (K8S_INSECURE_SKIP_VERIFY=true) trusts anyone"
        }
        _ if settings.guessed => {
            "; nobody said where the kubelet is: set stats_service_ip (K8S_STATS_SERVICE_IP) to the node's address, \
             in a pod from `status.hostIP`"
        }
        _ => "",
    };
    unreadable(settings, &format_args!("{reason}{hint}"))
}

fn judged(answer: Answer, settings: &Settings) -> Result<Bytes, CollectError> {
    let target = settings.url.to_string();
    let said = || {
        let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(SHOWN)]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    match answer.status {
        200 if answer.body.len() > BODY_CAP => Err(CollectError::Malformed {
            target,
            reason: format!("the answer is longer than {} MiB", BODY_CAP / (1024 * 1024)),
        }),
        200 => Ok(answer.body),
        401 => Err(CollectError::Forbidden {
            target,
            reason: format!(
                "the kubelet does not know us (401 {}): set cert_path and key_path (K8S_CERT_PATH, K8S_KEY_PATH) to a \
                 certificate of its client authority, or token_file to a valid token, which a kubelet takes that has \
                 `authentication.webhook` on",
                said()
            ),
        }),
        403 => Err(CollectError::Forbidden {
            target,
            reason: format!(
                "the kubelet knows us and says no (403 {}): a cluster role must allow the verb `get` on the resource \
                 `nodes/stats` to this user",
                said()
            ),
        }),
        status => Err(CollectError::Malformed {
            target,
            reason: format!("expected a summary, got the status {status}: {}", said()),
        }),
    }
}
