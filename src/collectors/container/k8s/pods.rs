//! Which workload each of the node's pods belongs to, as the API server tells: a watch on the pods' metadata.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PartialObjectMeta};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::collectors::container::k8s::workload;
use crate::component::collector::CollectError;
use crate::support::http::install_provider;

/// How long the first collection waits for the first list: else its series would begin without their label.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the API server keeps a watch open, in seconds; it begins a new one then.
const WATCH: u32 = 240;

/// Workloads by the pods' uids; pods without one are left out.
pub(super) type Workloads = HashMap<String, String>;

/// The watch; it ends with this value.
#[derive(Debug)]
pub(super) struct Pods {
    state: watch::Receiver<State>,
    _task: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the first list came, or failed.
    settled: bool,
    workloads: Workloads,
    /// What is wrong now. What was known before stays.
    fault: Option<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    forbidden: bool,
    reason: String,
}

/// Where the API server is and who we are: `KUBECONFIG`, else a pod's service account.
pub(super) async fn config() -> Result<Config, CollectError> {
    let failed = |error: &dyn std::fmt::Display| CollectError::Unreachable {
        target: "the API server".to_string(),
        reason: format!("enrichment.pods needs a pod with a service account, or KUBECONFIG: {error}"),
    };
    let mut config = match Kubeconfig::from_env().map_err(|error| failed(&error))? {
        Some(file) => {
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(file, &options).await;
            config.map_err(|error| failed(&error))?
        }
        None => Config::incluster().map_err(|error| failed(&error))?,
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    // A quiet watch is alive: the server ends it before this does.
    config.read_timeout = Some(Duration::from_secs(u64::from(WATCH) + 30));
    config.reset_reader_on_write = true;
    Ok(config)
}

/// The watch on the node's pods, begun where there is none yet. It stays where the collection that began it is given up:
/// an API server that does not answer would otherwise do that to each one.
pub(super) async fn watching<'a>(
    pods: &'a mut Option<Pods>,
    node: &str,
    config: impl Future<Output = Result<Config, CollectError>>,
) -> Result<&'a Pods, CollectError> {
    match pods {
        Some(watch) => Ok(watch),
        None => {
            let watch = pods.insert(Pods::start(config.await?, node)?);
            watch.settle().await;
            Ok(watch)
        }
    }
}

impl Pods {
    /// Begins to watch the pods of a node.
    pub(super) fn start(config: Config, node: &str) -> Result<Self, CollectError> {
        install_provider();
        let target = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| CollectError::Unreachable {
            target,
            reason: worded(&error),
        })?;
        let (sender, state) = watch::channel(State::default());
        let mut task = JoinSet::new();
        task.spawn(follow(client, format!("spec.nodeName={node}"), sender));
        Ok(Self { state, _task: task })
    }

    /// Waits until the first list came or failed, a few seconds at most.
    pub(super) async fn settle(&mut self) {
        // The task ends only with this value.
        let _ = timeout(PATIENCE, self.state.wait_for(|state| state.settled)).await;
    }

    /// Gives what is known to `reader`; then says what is wrong.
    pub(super) fn read(&self, reader: impl FnOnce(&Workloads)) -> Result<(), CollectError> {
        let state = self.state.borrow();
        reader(&state.workloads);
        let target = "the API server's pods".to_string();
        match &state.fault {
            Some(Fault {
                forbidden: true,
                reason,
            }) => Err(CollectError::Forbidden {
                target,
                reason: format!(
                    "a cluster role must allow the verbs `list` and `watch` on `pods` to this user, or \
                     enrichment.pods be false: {reason}"
                ),
            }),
            Some(Fault { reason, .. }) => Err(CollectError::Unreachable {
                target,
                reason: reason.clone(),
            }),
            None if !state.settled => Err(CollectError::Unreachable {
                target,
                reason: format!("no list within {} s", PATIENCE.as_secs()),
            }),
            None => Ok(()),
        }
    }
}

async fn follow(client: Client, selector: String, state: watch::Sender<State>) {
    // Metadata alone: a pod's specification is a hundred times as long as what is wanted of it.
    let api: Api<PartialObjectMeta<Pod>> = Api::all(client);
    let config = watcher::Config::default().fields(&selector).timeout(WATCH);
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listed = Workloads::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => listed.extend(entry(pod)),
            Ok(Event::InitDone) => {
                let workloads = std::mem::take(&mut listed);
                state.send_modify(|state| {
                    *state = State {
                        settled: true,
                        workloads,
                        fault: None,
                    };
                });
            }
            Ok(Event::Apply(pod)) => state.send_modify(|state| {
                state.workloads.extend(entry(pod));
                state.fault = None;
            }),
            Ok(Event::Delete(pod)) => state.send_modify(|state| {
                if let Some(uid) = pod.metadata.uid {
                    state.workloads.remove(&uid);
                }
                state.fault = None;
            }),
            Err(error) => {
                let fault = fault(&error);
                state.send_modify(|state| {
                    state.settled = true;
                    state.fault = fault.or(state.fault.take());
                });
            }
        }
    }
}

fn entry(pod: PartialObjectMeta<Pod>) -> Option<(String, String)> {
    let workload = workload::of(&pod.metadata)?;
    Some((pod.metadata.uid?, workload))
}

/// What a person should know of an error; `None` for a watch that only must begin anew.
fn fault(error: &watcher::Error) -> Option<Fault> {
    use watcher::Error;
    let status = match error {
        // 410 Gone, most often: the server has forgotten where we were.
        Error::WatchError(_) => return None,
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => error,
        Error::NoResourceVersion => {
            return Some(Fault {
                forbidden: false,
                reason: error.to_string(),
            });
        }
    };
    let code = match status {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    Some(Fault {
        forbidden: matches!(code, 401 | 403),
        reason: worded(status),
    })
}

/// The innermost reason: the outer ones repeat it.
fn worded(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} {}", status.code, status.message);
    }
    let mut here: &dyn std::error::Error = error;
    while let Some(wrapped) = here.source() {
        here = wrapped;
    }
    here.to_string()
}

#[cfg(test)]
mod tests;
