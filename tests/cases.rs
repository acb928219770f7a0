//! Runs collectors over their case folders and compares what they give with what is written down.
//!
//! A case is `tests/cases/<collector>/<case>/`: a folder `1`, `2`, … with the target's files for each reading, or in
//! `1/answers` what a target on the network says (`support::answers` tells the names of these files); `settings.yaml` where the settings are not the defaults, and `expected.txt`. `UPDATE_GOLDEN=1` writes the latter;
//! read the difference before it is committed. Every collector has a normal case, one called `empty` and one
//! called `broken`; `source.txt` says where a case comes from.
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tawny::collectors::container::{docker, k8s};
use tawny::collectors::device::{raspberrypi, tegrastats};
use tawny::collectors::host;
use tawny::collectors::queue::dramatiq;
use tawny::component::collector::Collector;
use tawny::component::descriptor::Descriptor;
use tawny::component::settings::{Problems, Section};
use tawny::model::labels::Labels;
use tawny::model::sample::Samples;
use tawny::support::engine::Engine;
use tawny::support::root::Roots;

use crate::k8s::server::{Reply, Server, file};
use crate::support::answers;
use crate::support::stub_engine::StubEngine;

/// What a collector is made from for one case.
pub(crate) struct Case {
    /// Its settings.
    pub(crate) section: Section,
    /// Where the files of the reading under way are.
    pub(crate) files: PathBuf,
    /// Where a server says what the files in `answers` of the reading under way say: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
}

/// How a metric is written down.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Show {
    /// As it is.
    Value,
    /// As `*`: its value is the one of the machine that runs the test.
    Presence,
    /// Not at all: not every machine that runs the test has it.
    Nothing,
}

/// Runs every case of a collector; `show` says by a metric's name how it is written down.
pub(crate) async fn check<Build>(descriptor: &Descriptor, show: fn(&str) -> Show, build: Build)
where
    Build: Fn(&Case, &mut Problems) -> Option<Box<dyn Collector>>,
{
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(descriptor.name);
    let names = names(&folder);
    for name in ["empty", "broken"] {
        assert!(
            names.iter().any(|known| known == name),
            "{} has no case `{name}`",
            descriptor.name
        );
    }
    assert!(names.len() >= 3, "{} has no normal case", descriptor.name);
    let mut wrong = Vec::new();
    for name in names {
        let folder = folder.join(&name);
        let text = run(&folder, descriptor, show, &build).await;
        let path = folder.join("expected.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if text != expected {
            wrong.push(format!("{}:\n{}", path.display(), difference(&expected, &text)));
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 writes what is there now\n{}",
        wrong.join("\n")
    );
}

async fn run<Build>(folder: &Path, descriptor: &Descriptor, show: fn(&str) -> Show, build: &Build) -> String
where
    Build: Fn(&Case, &mut Problems) -> Option<Box<dyn Collector>>,
{
    let settings = fs::read_to_string(folder.join("settings.yaml"));
    let value = settings.map_or(Value::Null, |text| serde_saphyr::from_str(&text).unwrap());
    let home = tempfile::tempdir().unwrap();
    let case = Case {
        section: Section::new(descriptor.name, value),
        files: home.path().join("now"),
        url: answers::serve(home.path().join("now/answers")),
    };
    let mut problems = Problems::default();
    let collector = build(&case, &mut problems);
    assert_eq!(problems, Problems::default(), "{}", folder.display());
    let mut collector = collector.unwrap();
    let mut text = String::new();
    let readings = (1..)
        .map(|reading| folder.join(reading.to_string()))
        .take_while(|path| path.exists());
    for (index, files) in readings.enumerate() {
        // The collector finds the files of each reading at one place.
        let _ = fs::remove_file(&case.files);
        std::os::unix::fs::symlink(&files, &case.files).unwrap();
        let mut samples = Samples::default();
        let result = collector.collect(&mut samples).await;
        text.push_str(&format!(
            "# reading {}\n{}",
            index + 1,
            shown(&samples, descriptor, show)
        ));
        if let Err(error) = result {
            let error = error.to_string().replace(case.files.to_str().unwrap(), "");
            let error = error.replace(&case.url, "http://TARGET");
            let error = without_ports(&error.replace("; ", "\n  and: "));
            text.push_str(&format!("error: {error}\n"));
        }
    }
    assert!(!text.is_empty(), "{} has no reading", folder.display());
    text
}

/// The text with `PORT` for the ports at 127.0.0.1, which are others each time.
fn without_ports(text: &str) -> String {
    const HERE: &str = "127.0.0.1:";
    let mut parts = text.split(HERE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
        out.push_str(HERE);
        out.push_str("PORT");
        out.push_str(rest);
    }
    out
}

/// One line a sample, sorted, each of a metric that the descriptor names.
fn shown(samples: &Samples, descriptor: &Descriptor, show: fn(&str) -> Show) -> String {
    let mut lines = BTreeSet::new();
    for sample in samples.iter() {
        let name = sample.def.name;
        assert!(
            descriptor.metrics.iter().any(|def| def.name == name),
            "{name} is not in the descriptor"
        );
        let labels = Labels::new(sample.def.labels.iter().zip(&sample.labels));
        let value = match show(name) {
            Show::Value => sample.value.to_string(),
            Show::Presence => "*".to_string(),
            Show::Nothing => continue,
        };
        let series = format!("{name}{{{}}} ", labels.text()).replace("{}", "");
        assert!(
            !lines.iter().any(|line: &String| line.starts_with(&series)),
            "{series}is given twice"
        );
        lines.insert(format!("{series}{value}\n"));
    }
    lines.into_iter().collect()
}

fn difference(expected: &str, found: &str) -> String {
    let only = |sign, these: &str, those: &str| {
        let those: BTreeSet<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    let text = only('-', expected, found) + &only('+', found, expected);
    if text.is_empty() {
        "the lines stand in another order".to_string()
    } else {
        text
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn host_gives_what_its_cases_say() {
    // Room is asked of the filesystem that the case folder happens to lie on.
    let show = |name: &str| match name {
        "host_filesystem_read_only" => Show::Value,
        "host_filesystem_inodes" | "host_filesystem_free_inodes" => Show::Nothing,
        _ if name.starts_with("host_filesystem_") => Show::Presence,
        _ => Show::Value,
    };
    check(&host::DESCRIPTOR, show, |case, problems| {
        let below = |name| case.files.join(name);
        let roots = Roots::new(below("proc"), below("sys"), below("root"));
        Some(Box::new(host::build(&case.section, roots, problems)?))
    })
    .await;
}

#[tokio::test]
async fn tegrastats_gives_what_its_cases_say() {
    check(
        &tegrastats::DESCRIPTOR,
        |_| Show::Value,
        |case, problems| {
            let below = |name| case.files.join(name);
            let roots = Roots::new(below("proc"), below("sys"), below("root"));
            let mut section = case.section.clone();
            if section.value.is_null() {
                section.value = json!({});
            }
            section.value["path"] = json!(below("tegrastats"));
            Some(Box::new(tegrastats::build(&section, roots, problems)?))
        },
    )
    .await;
}

#[tokio::test]
async fn raspberrypi_gives_what_its_cases_say() {
    check(
        &raspberrypi::DESCRIPTOR,
        |_| Show::Value,
        |case, problems| {
            let below = |name| case.files.join(name);
            let roots = Roots::new(below("proc"), below("sys"), below("root"));
            Some(Box::new(raspberrypi::build(&case.section, roots, problems)?))
        },
    )
    .await;
}

#[tokio::test]
async fn dramatiq_gives_what_its_cases_say() {
    check(
        &dramatiq::DESCRIPTOR,
        |_| Show::Value,
        |case, problems| {
            let mut section = case.section.clone();
            section.value["rabbitmq_url"] = case.url.as_str().into();
            Some(Box::new(dramatiq::build(&section, None, problems)?))
        },
    )
    .await;
}

#[tokio::test]
async fn docker_gives_what_its_cases_say() {
    let show = |name: &str| match name {
        "container_up_timestamp_seconds" | "collector_up_timestamp_seconds" => Show::Presence,
        _ => Show::Value,
    };
    check(&docker::DESCRIPTOR, show, |case, problems| {
        let stub = StubEngine::of_files(&case.files.with_extension("sock"), &case.files);
        let engine = Engine::parse(&stub.endpoint()).unwrap();
        Some(Box::new(docker::build(&case.section, "m", &engine, problems)?))
    })
    .await;
}

#[tokio::test]
async fn k8s_gives_what_its_cases_say() {
    check(
        &k8s::DESCRIPTOR,
        |_| Show::Value,
        |case, problems| {
            let summary = case.files.join("summary.json");
            let server = Server::start("kubelet", false, move || {
                Reply::new(200, fs::read(&summary).unwrap())
            });
            let mut section = case.section.clone();
            if section.value.is_null() {
                section.value = json!({});
            }
            section.value["stats_service_ip"] = json!("127.0.0.1");
            section.value["stats_service_port"] = json!(server.port());
            section.value["ca_path"] = json!(file("authority.pem"));
            Some(Box::new(k8s::build(&section, &|_| None, problems)?))
        },
    )
    .await;
}
