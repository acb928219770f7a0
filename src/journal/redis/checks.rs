//! What a person should know of a Redis that a queue lies in: whether it may evict it, or lose it at a restart.

use redis::cmd;

use crate::support::redis::link::Link;

/// Something that endangers what lies in a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    /// What it comes from: `eviction` or `persistence`.
    pub topic: &'static str,
    /// What may happen, and what to do about it.
    pub text: String,
}

/// Looks at the server's settings and says in plain words what endangers what lies in it; nothing where it may not be
/// asked, or does not answer.
pub async fn checks(link: &Link) -> Vec<Danger> {
    let info = async |section: &str| {
        let answer: Result<String, _> = link.query(cmd("INFO").arg(section)).await;
        answer.ok()
    };
    // A server may refuse to show its settings.
    let config = async |name: &str| {
        let answer: Result<Vec<String>, _> = link.query(cmd("CONFIG").arg("GET").arg(name)).await;
        answer.ok().and_then(|pair| pair.into_iter().nth(1))
    };
    let memory = info("memory").await.unwrap_or_default();
    let persistence = info("persistence").await.unwrap_or_default();
    let save = config("save").await;
    let fsync = config("appendfsync").await;
    let dangers = [
        ("eviction", eviction(&memory)),
        (
            "persistence",
            loss(&persistence, save.as_deref(), fsync.as_deref()),
        ),
    ];
    let found = |(topic, text): (_, Option<_>)| Some(Danger { topic, text: text? });
    dangers.into_iter().filter_map(found).collect()
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn eviction(memory: &str) -> Option<String> {
    let policy = field(memory, "maxmemory_policy")?;
    let most = field(memory, "maxmemory")?;
    (most != "0" && policy != "noeviction").then(|| {
        format!(
            "Redis may evict the queue when it reaches maxmemory ({most} bytes), because its maxmemory-policy is {policy}: set maxmemory-policy noeviction"
        )
    })
}

fn loss(persistence: &str, save: Option<&str>, fsync: Option<&str>) -> Option<String> {
    let appends = field(persistence, "aof_enabled")? == "1";
    let advice = "set appendonly yes";
    if appends {
        return (fsync == Some("no")).then(|| {
            "a power failure may lose what Redis took in the last half minute, because its appendfsync is no: set appendfsync everysec"
                .to_string()
        });
    }
    // Pairs of seconds and changes.
    let save = save?;
    let periods = save.split_whitespace().step_by(2);
    match periods.filter_map(|seconds| seconds.parse::<u64>().ok()).max() {
        None => Some(format!(
            "a restart of Redis loses all of the queue, because it keeps nothing on disk: {advice}"
        )),
        Some(seconds) => Some(format!(
            "a crash of Redis loses what it took since its last snapshot, up to {seconds} seconds (save {save}): {advice}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eviction_is_warned_of_only_where_it_can_happen() {
        let memory = |most: u64, policy: &str| {
            format!("# Memory\r\nused_memory:1\r\nmaxmemory:{most}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(eviction(&memory(0, "allkeys-lru")), None);
        assert_eq!(eviction(&memory(100, "noeviction")), None);
        assert_eq!(
            eviction(&memory(100, "allkeys-lru")).unwrap(),
            "Redis may evict the queue when it reaches maxmemory (100 bytes), because its maxmemory-policy is allkeys-lru: set maxmemory-policy noeviction"
        );
        assert_eq!(eviction(""), None);
    }

    #[test]
    fn a_loss_at_a_restart_is_told_with_its_extent() {
        let none = "aof_enabled:0\r\n";
        let always = "aof_enabled:1\r\n";
        assert_eq!(loss(always, Some(""), Some("always")), None);
        assert_eq!(loss(always, Some(""), None), None);
        assert!(
            loss(always, None, Some("no"))
                .unwrap()
                .contains("appendfsync everysec")
        );
        assert_eq!(
            loss(none, Some(""), None).unwrap(),
            "a restart of Redis loses all of the queue, because it keeps nothing on disk: set appendonly yes"
        );
        assert_eq!(
            loss(none, Some("3600 1 300 100"), None).unwrap(),
            "a crash of Redis loses what it took since its last snapshot, up to 3600 seconds (save 3600 1 300 100): set appendonly yes"
        );
        assert_eq!((loss(none, None, None), loss("", Some(""), None)), (None, None));
    }
}
