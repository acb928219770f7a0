//! Sentinels and clusters.

use super::*;

/// Whether Sentinels say that the replica is known, so that there is something to fail over to.
async fn replicas(sentinel: &Link) -> usize {
    let question = cmd("SENTINEL").arg("slaves").arg("mymaster").to_owned();
    let known: Vec<Vec<String>> = patiently(sentinel, &question).await;
    known
        .iter()
        .filter(|one| one.iter().any(|text| text == "slave"))
        .count()
}

#[tokio::test]
async fn a_failover_of_the_sentinels_is_followed() {
    let test = "a_failover_of_the_sentinels_is_followed";
    let Some(mut first) = Fixture::start(test, &[]) else {
        return;
    };
    let of = format!("127.0.0.1 {}", first.port());
    let Some(second) = Fixture::start(test, &["--replicaof", &of, "--repl-diskless-sync-delay", "0"]) else {
        return;
    };
    let file = first.folder().join("sentinel.conf");
    let text = format!(
        "sentinel monitor mymaster 127.0.0.1 {} 1\nsentinel down-after-milliseconds mymaster 300\n\
         sentinel failover-timeout mymaster 3000\n",
        first.port()
    );
    std::fs::write(&file, text).unwrap();
    let Some(sentinel) = Fixture::start(test, &[&file.display().to_string(), "--sentinel"]) else {
        return;
    };
    let own = Link::new(sentinel.target());
    let target = Target::parse(&format!(
        "redis+sentinel://127.0.0.1:1,127.0.0.1:{}/mymaster",
        sentinel.port()
    ))
    .unwrap();
    let link = Link::new(target.clone());
    patiently::<String>(&link, cmd("SET").arg("before").arg(1)).await;
    let ready = async {
        while replicas(&own).await == 0
            || patiently::<Option<i64>>(&Link::new(second.target()), cmd("GET").arg("before")).await
                != Some(1)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready)
        .await
        .unwrap();

    assert_eq!(link.reached(), Some(format!("127.0.0.1:{}", first.port())));
    first.stop();
    patiently::<String>(&link, cmd("SET").arg("after").arg(2)).await;
    let new = Link::new(second.target());
    assert_eq!(
        patiently::<Option<i64>>(&new, cmd("GET").arg("after")).await,
        Some(2)
    );

    assert_eq!(link.reached(), Some(format!("127.0.0.1:{}", second.port())));
    let TargetKind::Sentinel {
        username, password, ..
    } = target.kind.clone()
    else {
        panic!("no Sentinel");
    };
    let unknown = Target {
        kind: TargetKind::Sentinel {
            master: "other".to_string(),
            username,
            password,
        },
        ..target
    };
    let told = away(&Link::new(unknown)).await;
    assert!(told.contains("it knows no master `other`"), "{told}");
}

#[tokio::test]
async fn in_a_cluster_scripts_and_transactions_reach_their_slot() {
    let test = "in_a_cluster_scripts_and_transactions_reach_their_slot";
    let arguments = ["--cluster-enabled", "yes"];
    let (Some(left), Some(right)) = (Fixture::start(test, &arguments), Fixture::start(test, &arguments))
    else {
        return;
    };
    let (one, two) = (Link::new(left.target()), Link::new(right.target()));
    for (link, slots) in [(&one, 0..8192), (&two, 8192..16384)] {
        let mut add = cmd("CLUSTER");
        add.arg("ADDSLOTS").arg(slots.collect::<Vec<u16>>());
        patiently::<String>(link, &add).await;
    }
    patiently::<String>(&two, cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(2)).await;
    let mut meet = cmd("CLUSTER");
    meet.arg("MEET").arg("127.0.0.1").arg(left.port());
    patiently::<String>(&two, &meet).await;
    let joined = async {
        for link in [&one, &two] {
            loop {
                let info: String = patiently(link, cmd("CLUSTER").arg("INFO")).await;
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), joined)
        .await
        .unwrap();

    let url = format!("redis+cluster://127.0.0.1:1,127.0.0.1:{}", left.port());
    let link = Link::new(Target::parse(&url).unwrap());
    let script = Script::new("redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[2])");
    // The two tags lie on the two nodes.
    for tag in ["{a}", "{b}"] {
        let (keys, values) = (format!("{tag}:keys"), format!("{tag}:values"));
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("ZADD").arg(&keys).arg(1).arg("u");
        pipeline.cmd("HSET").arg(&values).arg("u").arg("{}");
        assert_eq!(link.pipeline::<(i64, i64)>(&pipeline).await, Ok((1, 1)), "{tag}");
        let other = format!("{tag}:other");
        let mut invocation = script.key(&other);
        invocation.key(&other).arg(7);
        assert_eq!(link.invoke::<i64>(&invocation).await, Ok(7), "{tag}");
    }
    let held: (i64, i64) = (
        patiently(&one, &cmd("DBSIZE")).await,
        patiently(&two, &cmd("DBSIZE")).await,
    );
    assert_eq!(held, (3, 3));

    // A single link to one node learns that it is in the wrong place.
    let wrong = patiently_refused(&one, "{a}:keys", "{b}:keys").await;
    assert!(
        wrong.ends_with("(it is a node of a cluster; name it as `redis.cluster`)"),
        "{wrong}"
    );
}

/// What is said of the one of the two keys that is not here.
async fn patiently_refused(link: &Link, one: &str, other: &str) -> String {
    for key in [one, other] {
        if let Err(error) = link.query::<i64>(cmd("ZCARD").arg(key)).await {
            return error.to_string();
        }
    }
    panic!("both keys are here");
}
