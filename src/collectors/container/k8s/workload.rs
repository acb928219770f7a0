//! Whose pod it is: the name of the deployment, stateful set, daemon set or (cron) job behind it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// With which a deployment's replica sets, and so their pods, are told apart.
const TEMPLATE: &str = "pod-template-hash";

/// The workload of a pod by its metadata; `None` for a pod that nobody manages, or that the node itself runs.
pub(super) fn of(pod: &ObjectMeta) -> Option<String> {
    let owners = pod.owner_references.as_deref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    let name = owner.name.as_str();
    let name = match owner.kind.as_str() {
        "Node" => return None,
        "ReplicaSet" => {
            let hash = pod.labels.as_ref().and_then(|labels| labels.get(TEMPLATE));
            let deployment = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
            deployment.filter(|name| !name.is_empty()).unwrap_or(name)
        }
        "Job" => cron_job(name).unwrap_or(name),
        _ => name,
    };
    Some(name.to_string())
}

/// The cron job that made a job: it adds the minute for which it was due (since 1.21; the second before), counted from
/// 1970. Only the job itself says more, and reading it takes another right.
fn cron_job(job: &str) -> Option<&str> {
    let (name, due) = job.rsplit_once('-')?;
    let digits = due.bytes().all(|byte| byte.is_ascii_digit());
    (digits && matches!(due.len(), 8 | 10) && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn workload(kind: &str, name: &str, hash: Option<&str>) -> Option<String> {
        of(&ObjectMeta {
            labels: hash.map(|hash| [(TEMPLATE.to_string(), hash.to_string())].into()),
            owner_references: Some(vec![OwnerReference {
                kind: kind.to_string(),
                name: name.to_string(),
                controller: Some(true),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        })
    }

    #[test]
    fn a_deployments_pod_bears_the_deployments_name() {
        let web = workload("ReplicaSet", "web-front-6d4cf56db6", Some("6d4cf56db6"));
        assert_eq!(web.as_deref(), Some("web-front"));
    }

    #[test]
    fn a_replica_set_of_its_own_keeps_its_name() {
        assert_eq!(
            workload("ReplicaSet", "web-6d4cf56db6", None).as_deref(),
            Some("web-6d4cf56db6")
        );
        assert_eq!(
            workload("ReplicaSet", "6d4c", Some("6d4c")).as_deref(),
            Some("6d4c")
        );
    }

    #[test]
    fn a_job_bears_its_cron_jobs_name() {
        assert_eq!(
            workload("Job", "backup-29384940", None).as_deref(),
            Some("backup")
        );
        assert_eq!(
            workload("Job", "backup-1700000000", None).as_deref(),
            Some("backup")
        );
        assert_eq!(
            workload("Job", "backup-2024", None).as_deref(),
            Some("backup-2024")
        );
        assert_eq!(workload("Job", "migrate", None).as_deref(), Some("migrate"));
    }

    #[test]
    fn other_owners_give_their_own_name_and_the_node_none() {
        assert_eq!(workload("StatefulSet", "db", None).as_deref(), Some("db"));
        assert_eq!(workload("DaemonSet", "proxy", None).as_deref(), Some("proxy"));
        assert_eq!(workload("Node", "edge-7", None), None);
        assert_eq!(of(&ObjectMeta::default()), None);
    }
}
