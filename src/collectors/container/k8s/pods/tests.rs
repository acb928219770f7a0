use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::support::http::stub::{Reply, Stub};

fn pod(uid: &str, owner: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": {
            "name": format!("{owner}-0"), "namespace": "shop", "uid": uid, "resourceVersion": "8",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "uid": "o", "controller": true},
            ],
        },
    })
}

fn list(pods: Value) -> Reply {
    let list = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"resourceVersion": "7"}, "items": pods,
    });
    Reply::json(200, &list.to_string())
}

fn refusal(code: u16, message: &str) -> Reply {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "metadata": {},
        "message": message, "reason": "Forbidden", "code": code,
    });
    Reply::json(code, &status.to_string())
}

fn started(stub: &Stub) -> Pods {
    Pods::start(Config::new(stub.url.parse().unwrap()), "edge-7").unwrap()
}

/// The workload of each of these pods, and what is wrong.
fn known(pods: &Pods, uids: &[&str]) -> (Vec<Option<String>>, Option<CollectError>) {
    let mut found = Vec::new();
    let result = pods.read(|known| found.extend(uids.iter().map(|uid| known.get(*uid).cloned())));
    (found, result.err())
}

#[tokio::test]
async fn pods_come_by_the_list_and_by_events_and_are_forgotten_when_deleted() {
    let watches = AtomicUsize::new(0);
    let stub = Stub::start(move |request| {
        if !request.target().contains("watch=true") {
            return list(json!([pod("a", "db"), pod("b", "cache")]));
        }
        if watches.fetch_add(1, Ordering::SeqCst) > 0 {
            return Reply::Hang;
        }
        let events = [("ADDED", pod("c", "queue")), ("DELETED", pod("a", "db"))];
        let lines = events.map(|(kind, object)| format!("{}\n", json!({"type": kind, "object": object})));
        Reply::json(200, &lines.concat())
    })
    .await;
    let mut pods = started(&stub);
    pods.settle().await;
    let done = pods.state.wait_for(|state| !state.workloads.contains_key("a"));
    timeout(PATIENCE, done).await.unwrap().unwrap();
    let name = |name: &str| Some(name.to_string());
    assert_eq!(
        known(&pods, &["a", "b", "c", "d"]),
        (vec![None, name("cache"), name("queue"), None], None)
    );
    let asked = stub.requests()[0].clone();
    assert!(asked.target().starts_with("/api/v1/pods?"), "{}", asked.target());
    assert!(
        asked.target().contains("fieldSelector=spec.nodeName%3Dedge-7"),
        "{}",
        asked.target()
    );
    assert!(
        asked
            .header("accept")
            .unwrap()
            .contains("as=PartialObjectMetadata"),
        "{}",
        asked.head
    );
}

#[tokio::test]
async fn without_the_right_to_list_it_says_which_right_is_missing() {
    let stub = Stub::start(|_| refusal(403, "pods is forbidden: User \"agent\" cannot list resource")).await;
    let mut pods = started(&stub);
    pods.settle().await;
    let expected = CollectError::Forbidden {
        target: "the API server's pods".to_string(),
        reason: "a cluster role must allow the verbs `list` and `watch` on `pods` to this user, or enrichment.pods \
                 be false: 403 pods is forbidden: User \"agent\" cannot list resource"
            .to_string(),
    };
    assert_eq!(known(&pods, &["a"]), (vec![None], Some(expected)));
}

#[tokio::test]
async fn a_lost_right_leaves_what_was_known() {
    let stub = Stub::start(|request| {
        if request.target().contains("watch=true") {
            refusal(403, "no")
        } else {
            list(json!([pod("a", "db")]))
        }
    })
    .await;
    let mut pods = started(&stub);
    let done = pods.state.wait_for(|state| state.fault.is_some());
    timeout(PATIENCE, done).await.unwrap().unwrap();
    let (found, error) = known(&pods, &["a"]);
    assert_eq!(found, [Some("db".to_string())]);
    assert!(matches!(error, Some(CollectError::Forbidden { .. })), "{error:?}");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = Config::new(format!("http://{free}").parse().unwrap());
    let mut pods = Pods::start(config, "edge-7").unwrap();
    pods.settle().await;
    let error = known(&pods, &[]).1.unwrap().to_string();
    assert!(
        error.starts_with("the API server's pods cannot be reached: ") && error.contains("refused"),
        "{error}"
    );
}

/// Under a `timeout` of a second or two each collection would begin anew, and none would ever show the node.
#[tokio::test]
async fn a_first_list_that_does_not_come_costs_one_collection_and_no_more() {
    let stub = Stub::start(|_| Reply::Hang).await;
    let config = || async { Ok(Config::new(stub.url.parse().unwrap())) };
    let mut pods = None;
    let given_up = timeout(Duration::from_millis(1), watching(&mut pods, "edge-7", config())).await;
    assert!(given_up.is_err());
    let next = timeout(PATIENCE / 2, watching(&mut pods, "edge-7", config())).await;
    let (workloads, error) = known(next.unwrap().unwrap(), &["a"]);
    assert_eq!(workloads, [None]);
    assert_eq!(
        error.unwrap().to_string(),
        "the API server's pods cannot be reached: no list within 5 s"
    );
}
