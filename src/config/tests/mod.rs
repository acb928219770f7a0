//! Tests of loading, with a catalog of their own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use super::load::{Flags, Loaded, Refused, load_with};
use crate::catalog::Catalog;
use crate::component::collector::Collector;
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::{Context, Entry, Findings};
use crate::component::feed::{Feed, FeedError, Recorder};
use crate::component::output::Output;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::component::wrapper::Wrapper;
use crate::model::point::Point;
use crate::model::window::Window;
use crate::support::secret::Secret;
use crate::support::shutdown::Shutdown;

mod docker;
mod found;
mod layers;
mod redis;
mod variables;

const fn descriptor(name: &'static str, role: Role) -> Descriptor {
    Descriptor {
        name,
        role,
        summary: "",
        sample: "",
        metrics: &[],
    }
}

static HOST: Descriptor = descriptor("host", Role::Collector);
static NGINX: Descriptor = descriptor("nginx", Role::Collector);
static TEGRASTATS: Descriptor = descriptor("tegrastats", Role::Collector);
static DRAMATIQ: Descriptor = descriptor("dramatiq", Role::Collector);
static K8S: Descriptor = descriptor("k8s", Role::Collector);
static DOCKER: Descriptor = descriptor("docker", Role::Collector);
static REDIS: Descriptor = descriptor("redis", Role::Feed);
static RESP: Descriptor = descriptor("resp", Role::Feed);
static CONTAINER_LOGS: Descriptor = descriptor("container_logs", Role::Feed);
static DATADOG_LOGS: Descriptor = descriptor("datadog_logs", Role::Output);
static DATADOG: Descriptor = descriptor("datadog", Role::Output);

static WRAPPER: Descriptor = descriptor("datadog", Role::Wrapper);
static SIMPLE: Descriptor = descriptor("simple", Role::Wrapper);

static CATALOG: Catalog = Catalog {
    collectors: &[
        &Entry {
            descriptor: &HOST,
            build: host,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &NGINX,
            build: host,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &TEGRASTATS,
            build: tegrastats,
            effective: |_| None,
            find: Some(|section, cx| {
                let own = section.read::<Tegrastats>(&mut Problems::default());
                look(own.as_ref().map(|own| own.path.as_str()), cx)
            }),
        },
        &Entry {
            descriptor: &DRAMATIQ,
            build: anything,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &K8S,
            build: anything,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &DOCKER,
            build: anything,
            effective: |_| None,
            find: Some(|section, cx| {
                // What all collectors have is not its own.
                assert_eq!(section.value.get("interval"), None);
                look(cx.engine.endpoint.strip_prefix("unix://"), cx)
            }),
        },
    ],
    feeds: &[
        &Entry {
            descriptor: &REDIS,
            build: feed,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &RESP,
            build: feed,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &CONTAINER_LOGS,
            build: |_, _, _| Some(Box::new(Feeding)),
            effective: |_| None,
            find: None,
        },
    ],
    wrappers: &[
        &Entry {
            descriptor: &WRAPPER,
            build: wrapper,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &SIMPLE,
            build: wrapper,
            effective: |_| None,
            find: None,
        },
    ],
    outputs: &[
        &Entry {
            descriptor: &DATADOG,
            build: datadog,
            effective: |_| None,
            find: None,
        },
        &Entry {
            descriptor: &DATADOG_LOGS,
            build: datadog,
            effective: |_| None,
            find: None,
        },
    ],
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Host {
    groups: Vec<String>,
    metrics: String,
}

fn host(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Collector>> {
    section.read::<Host>(&mut findings.problems);
    None
}

/// Looks below a root that tests make: what is empty there may not be read.
fn look(path: Option<&str>, cx: &Context<'_>) -> Sighting {
    let Some(path) = path.map(|path| cx.roots.device_path(path)) else {
        return Sighting::Absent;
    };
    let what = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) if text.is_empty() => Sighting::Unreadable {
            what,
            remedy: "fill it".to_string(),
        },
        Ok(_) => Sighting::Readable { what },
        Err(_) => Sighting::Absent,
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Tegrastats {
    metrics: Vec<String>,
    path: String,
}

fn tegrastats(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Collector>> {
    let read = section.read::<Tegrastats>(&mut findings.problems)?;
    if read.path.ends_with("/broken") {
        findings.problems.add(&section.path, "cannot be made");
    }
    None
}

fn anything(_: &Section, _: &Context<'_>, _: &mut Findings) -> Option<Box<dyn Collector>> {
    None
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Datadog {
    api_key: Secret,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    most: u32,
}

fn datadog(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Output>> {
    section.read::<Datadog>(&mut findings.problems);
    None
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Fed {
    listen: String,
    password: Option<Secret>,
    claim_expiry: String,
}

struct Feeding;

#[async_trait]
impl Feed for Feeding {
    async fn run(self: Box<Self>, _: Arc<dyn Recorder>, _: Shutdown) -> Result<(), FeedError> {
        Ok(())
    }
}

fn feed(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Feed>> {
    section.read::<Fed>(&mut findings.problems)?;
    Some(Box::new(Feeding))
}

struct Nothing;

impl Wrapper for Nothing {
    fn wrap(&self, _: &Window, _: &mut Vec<Point>) {}
}

fn wrapper(_: &Section, _: &Context<'_>, _: &mut Findings) -> Option<Box<dyn Wrapper>> {
    Some(Box::new(Nothing))
}

const NOWHERE: &str = "/nonexistent/tawny.yaml";

fn from_variables(variables: &[(&str, &str)]) -> Result<Loaded, Box<Refused>> {
    let environment = variables.iter().copied().collect();
    load_with(&environment, &Flags::default(), &CATALOG, Path::new(NOWHERE))
}

fn from_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Box<Refused>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tawny.yaml");
    fs::write(&path, text).unwrap();
    let environment = variables.iter().copied().collect();
    load_with(&environment, &Flags::default(), &CATALOG, &path).map_err(|mut refused| {
        let folder = format!("{}/", folder.path().display());
        for problem in &mut refused.problems {
            problem.message = problem.message.replace(&folder, "");
            problem.path = problem.path.replace(&folder, "");
        }
        refused
    })
}

fn problems(loaded: Result<Loaded, Box<Refused>>) -> Vec<String> {
    let refused = loaded.expect_err("these settings are wrong");
    refused.problems.iter().map(ToString::to_string).collect()
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    let other = loaded.warnings.iter().filter(|warning| warning.path != "host");
    other.map(ToString::to_string).collect()
}

fn names<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}
