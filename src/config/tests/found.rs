//! Tests of what is found by itself.

use tempfile::TempDir;

use super::*;
use crate::config::found::Fate;
use crate::config::layers::Origin;

/// A device's root with these files; the empty ones may not be read.
fn device(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        fs::write(root.path().join(path), text).unwrap();
    }
    root
}

/// Loads on that device, whose `/` is mounted.
fn on(root: &TempDir, variables: &[(&str, &str)]) -> Result<Loaded, Box<Refused>> {
    let root = root.path().to_str().unwrap();
    let moved = [
        ("HOST_PROC", "/nonexistent"),
        ("HOST_ROOT", root),
        ("HOST", "edge"),
    ];
    from_variables(&[&moved, variables].concat())
}

const TEGRA: (&str, &str) = ("TEGRASTATS_PATH", "/tegrastats");
const SOCKET: (&str, &str) = ("DOCKER_SOCKET_PATH", "/docker.sock");

#[test]
fn what_is_there_is_collected_and_told_with_what_turns_it_off() {
    let root = device(&[("tegrastats", "x"), ("docker.sock", "x")]);
    let own = [
        ("TEGRASTATS_METRICS", r#"["ram"]"#),
        ("METRICS_COLLECTION_INTERVAL", "20"),
    ];
    let loaded = on(&root, &[&[TEGRA, SOCKET][..], &own].concat()).unwrap();
    assert_eq!(
        names(&loaded.settings.collectors),
        ["docker", "host", "tegrastats"]
    );
    // Its own variables are laid over it as over one that is named.
    let section = &loaded.settings.collectors["tegrastats"].section.value;
    assert_eq!(section["metrics"], serde_json::json!(["ram"]));
    let interval = loaded.settings.collectors["docker"].interval;
    assert_eq!(interval, crate::support::quantity::Span::seconds(20));
    let told: Vec<String> = loaded
        .found
        .iter()
        .map(|found| {
            let place = root.path().display().to_string();
            format!("{}: {found}", found.collector).replace(&place, "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "tegrastats: /tegrastats: found by itself, and collected; to leave it out, set \
             `collectors: {host: {}, docker: {}}`, or COLLECTOR_PLUGINS='[\"host\", \"docker\"]', under which the host \
             gives only what Chouette-IoT's did",
            "docker: /docker.sock: found by itself, and collected; to leave it out, set \
             `collectors: {host: {}, tegrastats: {}}`, or COLLECTOR_PLUGINS='[\"host\", \"tegrastats\"]', under which \
             the host gives only what Chouette-IoT's did",
        ]
    );
    let found = Origin::Found("found on this device");
    assert_eq!(loaded.origins.of("collectors.docker.type"), &found);
    assert_eq!(loaded.origins.of("collectors.host.type"), &Origin::Default);
    assert_eq!(warnings(&loaded), [""; 0]);
}

#[test]
fn what_may_not_be_read_is_told_with_the_remedy_and_left_alone() {
    let root = device(&[("docker.sock", "")]);
    let loaded = on(&root, &[TEGRA, SOCKET]).unwrap();
    assert_eq!(names(&loaded.settings.collectors), ["host"]);
    let [found] = loaded.found.as_slice() else {
        panic!("one sighting: {:?}", loaded.found)
    };
    assert_eq!(found.collector, "docker");
    assert_eq!(
        found.fate,
        Fate::Unreadable {
            remedy: "fill it".to_string()
        }
    );
    assert!(!found.is_collected());
    assert!(
        found
            .to_string()
            .ends_with("/docker.sock: found, and may not be read; to collect it, fill it")
    );
}

#[test]
fn where_a_list_says_what_runs_nothing_is_looked_for() {
    let root = device(&[("tegrastats", "x"), ("docker.sock", "x")]);
    for (list, runs) in [
        (("COLLECTOR_PLUGINS", r#"["host"]"#), &["host"][..]),
        (("COLLECT_PLUGINS", "[]"), &[]),
        (("GLOBAL_TAGS", "[]"), &[]),
    ] {
        let loaded = on(&root, &[TEGRA, SOCKET, list]).unwrap();
        assert_eq!(names(&loaded.settings.collectors), runs, "{list:?}");
        assert_eq!(loaded.found, [], "{list:?}");
    }
    let place = root.path().display();
    let text = format!("collectors: {{host: }}\nroots: {{proc: /nonexistent, root: {place}}}\n");
    let loaded = from_file(&text, &[TEGRA, SOCKET]).unwrap();
    assert_eq!(names(&loaded.settings.collectors), ["host"]);
    assert_eq!(loaded.found, []);
}

#[test]
fn it_is_looked_for_where_the_file_says() {
    let root = device(&[("engine.sock", "x")]);
    let place = root.path().display();
    let text = format!(
        "roots: {{proc: /nonexistent, root: {place}}}\ndocker: {{endpoint: \"unix:///engine.sock\"}}\n"
    );
    let loaded = from_file(&text, &[]).unwrap();
    assert_eq!(names(&loaded.settings.collectors), ["docker", "host"]);
}

#[test]
fn what_was_found_and_cannot_be_made_is_a_warning_and_a_wrong_variable_is_an_error() {
    let root = device(&[("broken", "x")]);
    let broken = ("TEGRASTATS_PATH", "/broken");
    let loaded = on(&root, &[broken]).unwrap();
    assert_eq!(names(&loaded.settings.collectors), ["host"]);
    assert_eq!(loaded.found, []);
    assert_eq!(
        warnings(&loaded),
        ["collectors.tegrastats: was found by itself and is left out: collectors.tegrastats: cannot be made"]
    );
    assert_eq!(
        problems(on(&root, &[broken, ("TEGRASTATS_METRICS", "[7]")])),
        [
            "TEGRASTATS_METRICS: expected text, found integer `7` [sets collectors.tegrastats.metrics[0]]",
            "collectors.tegrastats: cannot be made",
        ]
    );
    assert_eq!(
        problems(on(&root, &[broken, ("COLLECTOR_PLUGINS", r#"["tegrastats"]"#)])),
        ["COLLECTOR_PLUGINS: cannot be made [sets collectors.tegrastats]"]
    );
}
