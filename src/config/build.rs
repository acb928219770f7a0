//! Makes every component from its section, which also finds out what is wrong with it; nothing connects.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::catalog::Catalog;
use crate::component::entry::{Context, Findings};
use crate::component::settings::{Problem, Problems, Section};
use crate::config::environment::Environment;
use crate::config::found::Found;
use crate::config::layers::{Origin, Origins};
use crate::config::loaded::Components;
use crate::config::redis::Server;
use crate::config::settings::Settings;
use crate::config::{choose, feeds};
use crate::support::engine::Engine;
use crate::support::redis::target::Target;
use crate::support::root::Roots;

/// Reads a variable.
type Variable<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// What components may need beside their own sections.
pub(super) struct Around<'a> {
    roots: Roots,
    machine: String,
    engine: Engine,
    release_interval: Duration,
    redis: Option<Target>,
    prefix: String,
    directory: PathBuf,
    logs: bool,
    variable: Variable<'a>,
}

impl<'a> Around<'a> {
    /// Takes it from the settings, in which everything is found out.
    pub(super) fn new(
        settings: &Settings,
        environment: &'a Environment,
        engine: Engine,
        redis: Option<&Server>,
    ) -> Self {
        let roots = &settings.roots;
        let prefix = settings.redis.as_ref().map(|redis| redis.prefix.as_str());
        let mut outputs = settings.outputs.values();
        Self {
            roots: Roots::new(&roots.proc, &roots.sys, &roots.root),
            machine: settings.machine.clone(),
            engine,
            release_interval: settings.release_interval.0,
            redis: redis.map(|server| server.target.clone()),
            prefix: prefix.unwrap_or("chouette").to_string(),
            directory: settings.journal.directory.clone(),
            logs: outputs.any(|output| output.kind == choose::LOGS),
            variable: Box::new(|name| environment.exact(name).map(String::from)),
        }
    }

    /// The same as a component sees it.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            roots: &self.roots,
            machine: &self.machine,
            engine: &self.engine,
            release_interval: self.release_interval,
            redis: self.redis.as_ref(),
            prefix: &self.prefix,
            directory: &self.directory,
            logs: self.logs,
            variable: &self.variable,
        }
    }
}

/// What was made.
pub(super) struct Built {
    /// The components.
    pub(super) components: Components,
    /// Collectors that nobody asked for, and that cannot be made.
    pub(super) left_out: Vec<&'static str>,
}

/// Makes every component. A collector that was only found is left out with a warning where it cannot be made, unless
/// what is wrong was set by a variable.
pub(super) fn build(
    settings: &Settings,
    (redis, by_name): (Option<&Server>, Option<&Server>),
    around: &Around<'_>,
    catalog: &Catalog,
    found: &[Found],
    origins: &Origins,
    findings: &mut Findings,
) -> Built {
    let context = around.context();
    let set = |problem: &Problem| matches!(origins.of(&problem.path), Origin::Variable(_));
    let mut components = Components::default();
    let mut left_out = Vec::new();
    for (name, collector) in &settings.collectors {
        let Some(entry) = catalog.collector(&collector.kind) else {
            continue;
        };
        let mut own = Findings::default();
        let made = (entry.build)(&collector.section, &context, &mut own);
        let by_itself = found.iter().find(|one| one.collector == name);
        match by_itself.filter(|_| !own.problems.is_empty() && !own.problems.iter().any(set)) {
            Some(found) => {
                leave_out(&collector.section.path, &own.problems, &mut findings.warnings);
                left_out.push(found.collector);
            }
            None => {
                findings.problems.append(own.problems);
                components
                    .collectors
                    .extend(made.map(|made| (name.clone(), made)));
            }
        }
        findings.warnings.append(own.warnings);
    }
    for (name, output) in &settings.outputs {
        let entry = catalog.output(&output.kind);
        let made = entry.and_then(|entry| (entry.build)(&output.section, &context, findings));
        components.outputs.extend(made.map(|made| (name.clone(), made)));
    }
    for (name, feed) in &settings.feeds {
        // Why there is no Redis for it is said elsewhere.
        if feed.kind == feeds::REDIS && redis.is_none() {
            continue;
        }
        let entry = catalog.feed(&feed.kind);
        let made = entry.and_then(|entry| (entry.build)(&feed.section, &context, findings));
        components.feeds.extend(made.map(|made| (name.clone(), made)));
    }
    if let (Some(server), Some(entry)) = (by_name, catalog.feed(feeds::REDIS)) {
        let context = Context {
            redis: Some(&server.target),
            ..context
        };
        let section = Section::new(format!("feeds.{}", feeds::REDIS), Value::Null);
        components.feed_by_name = (entry.build)(&section, &context, findings);
    }
    let entry = catalog.wrapper(settings.wrapper.kind.name());
    components.wrapper =
        entry.and_then(|entry| (entry.build)(&settings.wrapper.section(), &context, findings));
    Built { components, left_out }
}

fn leave_out(path: &str, problems: &Problems, warnings: &mut Problems) {
    for problem in problems.iter() {
        let message = format!(
            "was found by itself and is left out: {}: {}",
            problem.path, problem.message
        );
        match &problem.hint {
            Some(hint) => warnings.add_with_hint(path, message, hint),
            None => warnings.add(path, message),
        }
    }
}
