//! Tests of what is set about Redis, feeds, the journal's place and histograms.

use serde_json::json;

use super::*;
use crate::component::settings::Problem;
use crate::config::kinds::JournalKind;
use crate::config::show;
use crate::support::quantity::Span;
use crate::support::redis::target::{Target, TargetKind};

fn told(loaded: Result<Loaded, Box<Refused>>) -> Vec<Problem> {
    loaded.expect_err("these settings are wrong").problems
}

fn target(loaded: Result<Loaded, Box<Refused>>) -> Target {
    loaded.unwrap().redis.unwrap().target
}

#[test]
fn a_redis_brings_its_feed_and_the_journal_with_it() {
    let loaded = from_variables(&[("REDIS_HOST", "cache")]).unwrap();
    let server = loaded.redis.as_ref().unwrap();
    assert_eq!(server.target, Target::server("cache", 6379));
    assert_eq!(server.prefix, "chouette");
    assert_eq!(names(&loaded.components.feeds), ["redis"]);
    assert!(loaded.journal_in_redis());
    let disk = from_variables(&[("REDIS_HOST", "cache"), ("TAWNY_JOURNAL", "disk")]).unwrap();
    assert_eq!(disk.settings.journal.kind, JournalKind::Disk);
    assert!(!disk.journal_in_redis());
    let none = from_variables(&[("TAWNY_REDIS_PREFIX", "mine")]).unwrap();
    assert!(none.redis.is_none() && none.settings.feeds.is_empty() && !none.journal_in_redis());
}

#[test]
fn where_it_is_can_be_said_in_every_way() {
    let url = ("TAWNY_REDIS_URL", "rediss://me:hunter2@cache:7000/3");
    let by_url = target(from_variables(&[url, ("TAWNY_REDIS_PREFIX", "mine")]));
    assert_eq!(by_url.to_string(), "cache:7000");
    assert_eq!(
        (by_url.tls, by_url.database, by_url.username.as_str()),
        (true, 3, "me")
    );
    assert_eq!(&*by_url.password.expose().unwrap(), "hunter2");

    let v6 = target(from_variables(&[
        ("REDIS_HOST", "[fd00::1]"),
        ("REDIS_PORT", "7"),
    ]));
    assert_eq!(v6, Target::server("fd00::1", 7));

    let text = "redis:\n  host: cache\n  port: 6380\n  database: 2\n  tls: true\n  username: me\n  \
                password: file:/run/pw\n";
    let keys = target(from_file(text, &[]));
    assert_eq!((keys.tls, keys.database, keys.username.as_str()), (true, 2, "me"));
    assert_eq!(keys.password.file(), Some(Path::new("/run/pw")));

    let text = "redis:\n  sentinel: {master: main, nodes: [s1, 's2:1'], password: one}\n  password: two\n";
    let sentinel = target(from_file(text, &[]));
    assert_eq!(sentinel.to_string(), "main of s1:26379,s2:1");
    assert_eq!(&*sentinel.password.expose().unwrap(), "two");
    let TargetKind::Sentinel { password, .. } = &sentinel.kind else {
        panic!("{sentinel:?}")
    };
    assert_eq!(&*password.expose().unwrap(), "one");

    let text = "redis: {cluster: [a, 'b:7'], prefix: '{chouette}'}\n";
    let cluster = target(from_file(text, &[]));
    assert_eq!(
        (cluster.kind.clone(), cluster.to_string()),
        (TargetKind::Cluster, "a:6379,b:7".to_string())
    );
}

#[test]
fn a_url_in_redis_host_works_and_is_warned_of() {
    let loaded = from_variables(&[("REDIS_HOST", "redis://:hunter2@cache/1"), ("REDIS_PORT", "7")]).unwrap();
    assert_eq!(loaded.redis.as_ref().unwrap().target.to_string(), "cache:6379");
    let warned = warnings(&loaded);
    assert!(
        warned[0].starts_with("REDIS_HOST: is a URL; it is used as one"),
        "{warned:?}"
    );
    let both = from_variables(&[("REDIS_HOST", "redis://a"), ("TAWNY_REDIS_URL", "redis://b")]).unwrap();
    assert_eq!(both.redis.as_ref().unwrap().target.to_string(), "b:6379");
    assert_eq!(warnings(&both).len(), 1);
    let wrong = problems(from_variables(&[("REDIS_HOST", "http://:hunter2@a")]));
    assert!(
        wrong[0].starts_with("REDIS_HOST: expected a URL that starts with redis://"),
        "{wrong:?}"
    );
    let shown = show::masked(&loaded.settings, &CATALOG).to_string();
    assert!(
        !shown.contains("hunter2") && !format!("{loaded:?}").contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn no_password_is_shown_or_told() {
    let text = "redis: {sentinel: {master: m, nodes: [a], password: hunter2}, password: hunter3}\n\
                feeds: {redis: {password: hunter4}}\n";
    let loaded = from_file(text, &[("TAWNY_REDIS_URL", "redis+sentinel://:hunter5@a/m")]);
    for problem in told(loaded) {
        assert!(!problem.to_string().contains("hunter"), "{problem}");
    }
    let loaded = from_file(text, &[]).unwrap();
    let shown = show::masked(&loaded.settings, &CATALOG).to_string();
    assert!(!shown.contains("hunter"), "{shown}");
    let loaded = from_variables(&[("TAWNY_REDIS_URL", "redis://me:hunter2@cache")]).unwrap();
    let shown = show::masked(&loaded.settings, &CATALOG);
    assert_eq!(shown["redis"]["url"], json!("********"));
}

#[test]
fn what_is_wrong_about_a_redis_is_said_at_once() {
    let wrong = |text: &str| problems(from_file(text, &[]));
    assert_eq!(
        wrong("redis: {cluster: [a]}\n")[0].split(", which").next(),
        Some("redis.prefix: `chouette` has no `{tag}`")
    );
    assert_eq!(
        wrong("redis: {cluster: ['a b', ''], prefix: 'a b'}\n"),
        [
            "redis.cluster[0]: has a host that cannot be one; an IPv6 address stands in brackets, as in [::1]:6379 \
             [tawny.yaml:1]",
            "redis.cluster[1]: names no host; expected redis://HOST:PORT [tawny.yaml:1]",
            "redis.prefix: expected text without spaces, such as `chouette` [tawny.yaml:1]",
        ]
    );
    assert_eq!(
        wrong("redis: {url: 'http://cache', cluster: [a]}\n"),
        [
            "redis.cluster: stands beside `redis.url`, which says something else [tawny.yaml:1] \
             (leave one of them out)"
        ]
    );
    assert_eq!(
        wrong("redis: {host: 'cache:6380', ca_file: /nonexistent, tls: true, prefix: 'x:'}\n"),
        [
            "redis.host: expected a name or an address alone, found a port behind it [tawny.yaml:1] (set `redis.port` \
             (REDIS_PORT))",
            "redis.prefix: ends with a colon [tawny.yaml:1] (keys get one by themselves)",
        ]
    );
    assert_eq!(
        wrong("redis: {host: cache, ca_file: /nonexistent, tls: true, port: 0}\n"),
        [
            "redis.ca_file: cannot read certificates from /nonexistent: No such file or directory (os error 2) \
             [tawny.yaml:1]",
            "redis.port: expected a port from 1 to 65535, found 0 [tawny.yaml:1]",
        ]
    );
    assert_eq!(
        problems(from_variables(&[("TAWNY_REDIS_URL", "redis://me:hunter2")])),
        [
            "TAWNY_REDIS_URL: has a port that is none; expected HOST:PORT with a number from 1 to 65535 [sets redis.url]"
        ]
    );
}

#[test]
fn what_needs_a_redis_says_so_where_none_is_set() {
    let hint = "(set REDIS_HOST, TAWNY_REDIS_URL, or the section `redis`)";
    let text = "feeds: {redis: {}, mine: {type: redis}, off: {type: redis, enabled: false}}\njournal: {type: redis}\n\
                histograms: []\n";
    assert_eq!(
        problems(from_file(text, &[])),
        [
            format!("feeds.mine: reads a Redis, and no Redis is set [tawny.yaml:1] {hint}"),
            format!("feeds.redis: reads a Redis, and no Redis is set [tawny.yaml:1] {hint}"),
            format!("journal.type: is `redis`, and no Redis is set [tawny.yaml:2] {hint}"),
        ]
    );
    assert_eq!(
        problems(from_variables(&[("TAWNY_JOURNAL", "disc")]))[0]
            .split(" [sets")
            .next(),
        Some("TAWNY_JOURNAL: unknown value `disc`; expected one of: auto, redis, disk")
    );
}

#[test]
fn the_key_feeds_names_exactly_those_that_run() {
    let redis = ("REDIS_HOST", "cache");
    let feeds = |text: &str, variables: &[(&str, &str)]| {
        let loaded = from_file(text, variables).unwrap();
        let found: Vec<String> = loaded.components.feeds.keys().cloned().collect();
        (found.join(" "), warnings(&loaded).len())
    };
    assert_eq!(feeds("feeds: {}\n", &[redis]), (String::new(), 0));
    assert_eq!(feeds("feeds:\n", &[redis]), (String::new(), 0));
    assert_eq!(
        feeds("feeds: {redis: {enabled: false}}\n", &[redis]),
        (String::new(), 0)
    );
    assert_eq!(
        feeds("feeds: {redis: {claim_expiry: 9s}}\n", &[redis]),
        ("redis".to_string(), 0)
    );
    // Who adds one feed did not mean to lose the other without a word.
    assert_eq!(feeds("feeds: {resp: {}}\n", &[redis]), ("resp".to_string(), 1));
    let resp = ("TAWNY_RESP_LISTEN", "127.0.0.1:6380");
    assert_eq!(feeds("{}\n", &[redis, resp]), ("redis resp".to_string(), 0));
    assert_eq!(feeds("feeds: {}\n", &[resp]), ("resp".to_string(), 0));
    let password = ("TAWNY_RESP_PASSWORD", "hunter2");
    assert_eq!(feeds("{}\n", &[password]), (String::new(), 0));
    let loaded = from_variables(&[resp, password]).unwrap();
    assert_eq!(
        loaded.settings.feeds["resp"].section.value,
        json!({"listen": "127.0.0.1:6380", "password": "hunter2"})
    );
    assert_eq!(
        problems(from_file("feeds: {rdeis: {}}\n", &[])),
        [
            "feeds.rdeis: no such feed; there are: redis, resp, container_logs [tawny.yaml:1] (did you mean `redis`?)"
        ]
    );
}

#[test]
fn the_original_finds_its_redis_by_name() {
    let tags = ("GLOBAL_TAGS", "[]");
    let key = ("API_KEY", "k");
    let mut loaded = from_variables(&[tags, key, ("REDIS_PORT", "6390")]).unwrap();
    assert!(loaded.redis.is_none() && loaded.components.feeds.is_empty() && !loaded.journal_in_redis());
    let server = loaded.redis_by_name.as_ref().unwrap();
    assert_eq!(server.target, Target::server("redis", 6390));
    assert_eq!(names(&loaded.settings.outputs), ["datadog", "datadog_logs"]);
    loaded.settle_name(true);
    assert_eq!(names(&loaded.components.feeds), ["redis"]);
    assert_eq!(names(&loaded.settings.feeds), ["redis"]);

    let mut loaded = from_variables(&[tags, key]).unwrap();
    loaded.settle_name(false);
    assert!(loaded.components.feeds.is_empty() && loaded.redis_by_name.is_none());
    assert_eq!(names(&loaded.settings.outputs), ["datadog"]);

    for set in [
        from_variables(&[key]),
        from_variables(&[tags, ("REDIS_HOST", "cache")]),
        from_file("redis: {database: 1}\n", &[tags]),
        from_file("feeds: {}\n", &[tags]),
    ] {
        assert!(set.unwrap().redis_by_name.is_none());
    }
}

#[test]
fn logs_have_an_output_where_logs_can_come_in() {
    let (key, redis) = (("API_KEY", "k"), ("REDIS_HOST", "cache"));
    let outputs = |variables: &[(&str, &str)]| {
        let loaded = from_variables(variables).unwrap();
        names(&loaded.settings.outputs).join(" ")
    };
    assert_eq!(outputs(&[key]), "datadog");
    assert_eq!(outputs(&[key, redis]), "datadog datadog_logs");
    let url = ("DATADOG_LOGS_URL", "http://intake");
    assert_eq!(outputs(&[key, url]), "datadog datadog_logs");
    assert_eq!(outputs(&[url, redis]), "");
    let loaded = from_file("outputs: {datadog_logs: {}}\n", &[key]).unwrap();
    let section = &loaded.settings.outputs["datadog_logs"].section.value;
    assert_eq!(section, &json!({"api_key": "k"}));
    let own = from_file("outputs: {datadog_logs: {api_key: own}}\n", &[]).unwrap();
    assert_eq!(names(&own.settings.outputs), ["datadog_logs"]);
}

#[test]
fn histograms_have_ascending_bounds() {
    let text = "histograms:\n  - {match: 'api.*', buckets: [0.1, 1, 10]}\njournal: {take_over_after: 2m}\n";
    let loaded = from_file(text, &[]).unwrap();
    let rule = &loaded.settings.histograms[0];
    assert_eq!(
        (rule.pattern.as_str(), &rule.buckets[..]),
        ("api.*", &[0.1, 1.0, 10.0][..])
    );
    assert_eq!(loaded.settings.journal.take_over_after, Span::seconds(120));
    let text = "histograms:\n  - {match: '', buckets: []}\n  - {match: a, buckets: [2, 1]}\n  - {buckets: [1]}\n\
                journal: {take_over_after: 9ms}\n";
    assert_eq!(
        problems(from_file(text, &[])),
        [
            "histograms[0].buckets: expected 1 to 100 bounds, found 0 [tawny.yaml:2]",
            "histograms[0].match: expected the name of a metric, found nothing [tawny.yaml:2] (`*` stands for any text)",
            "histograms[1].buckets: expected numbers, each greater than the one before [tawny.yaml:2]",
            "histograms[2].match: is required, and missing [tawny.yaml:2]",
            "journal.take_over_after: expected at least 1s, found 9ms [tawny.yaml:5]",
        ]
    );
}
