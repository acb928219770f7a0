//! From file, environment and flags to checked settings, with every problem at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::catalog::{Catalog, Context, Findings};
use crate::component::settings::{Problem, Problems, Section};
use crate::config::environment::Environment;
use crate::config::layers::{Layers, Origin};
use crate::config::redis::Server;
use crate::config::settings::Settings;
use crate::config::variables::Setting;
use crate::config::{check, choose, feeds, place, redis, speaker, variables, words, yaml};
use crate::support::engine::Engine;
use crate::support::root::Roots;

pub use crate::config::loaded::{Components, Loaded, Refused};

/// The file that is read where none is named.
pub const DEFAULT_FILE: &str = "/etc/tawny/tawny.yaml";

/// The journal's folder where the system's can be written.
const SYSTEM_STATE: &str = "/var/lib/tawny";

/// What the command line sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: the file.
    pub config: Option<PathBuf>,
    /// `--listen`: where the metrics page is served.
    pub listen: Option<String>,
    /// `--directory`: the journal's folder.
    pub directory: Option<PathBuf>,
}

/// Loads the settings: defaults, then the file, then the environment, then flags; later ones win.
///
/// # Errors
/// Names everything that is wrong, each with its path, or the variable or flag that set it.
pub fn load(environment: &Environment, flags: &Flags, catalog: &Catalog) -> Result<Loaded, Box<Refused>> {
    load_with(environment, flags, catalog, Path::new(DEFAULT_FILE))
}

pub(super) fn load_with(
    environment: &Environment,
    flags: &Flags,
    catalog: &Catalog,
    default_file: &Path,
) -> Result<Loaded, Box<Refused>> {
    let mut findings = Findings::default();
    let Findings { problems, warnings } = &mut findings;
    let mut layers = Layers::new();
    let file = read_file(&mut layers, environment, flags, default_file, problems);
    let values = variables::read(environment, problems);
    let plugins = variables::plugins(environment, problems);
    lay_over(&mut layers, &values);
    choose::collectors(&mut layers, plugins, &values, warnings);
    redis::host_as_url(&mut layers, warnings);
    let by_name = feeds::choose(&mut layers, &values, catalog, warnings);
    let listed = layers.get(&["feeds"]).and_then(Value::as_object);
    let feeds = listed.is_some_and(|map| !map.is_empty());
    let for_feeds = choose::outputs(&mut layers, &values, catalog, by_name || feeds, warnings);
    if let Some(listen) = &flags.listen {
        layers.set(&["listen"], listen.as_str().into(), Origin::Flag("--listen"));
    }
    if let Some(directory) = &flags.directory {
        let text = directory.to_string_lossy().into_owned();
        layers.set(
            &["journal", "directory"],
            text.into(),
            Origin::Flag("--directory"),
        );
    }
    let Read {
        mut settings,
        components,
        redis,
        redis_by_name,
        found,
    } = read_typed(&mut layers, environment, catalog, by_name);
    extend(problems, &found.problems);
    extend(warnings, &found.warnings);
    if let Some(origin) = speaker::find(&mut settings, warnings) {
        layers.origins.set("host", origin);
    }
    if settings.journal.directory.as_os_str().is_empty() {
        let (directory, origin) = place::find(environment, Path::new(SYSTEM_STATE));
        settings.journal.directory = directory;
        layers.origins.set("journal.directory", origin);
    }
    let directory = &settings.journal.directory;
    if !settings.outputs.is_empty() && !place::can_be_made(directory) {
        let message = format!(
            "{} can be neither written nor made by this user",
            directory.display()
        );
        let hint = "choose another with TAWNY_JOURNAL_DIR";
        findings
            .warnings
            .add_with_hint("journal.directory", message, hint);
    }
    for name in settings.collectors.keys() {
        let path = format!("collectors.{name}.interval");
        if *layers.origins.of(&path) == Origin::Default {
            let origin = layers.origins.of("collect_interval").clone();
            layers.origins.set(path, origin);
        }
    }
    let mut warnings = words::told(&findings.warnings, &layers.origins);
    warnings.extend(variables::warnings(environment));
    if findings.problems.is_empty() {
        return Ok(Loaded {
            settings,
            components,
            redis,
            redis_by_name,
            logs_by_name: for_feeds && !feeds,
            origins: layers.origins,
            file,
            warnings,
        });
    }
    let problems = words::told(&findings.problems, &layers.origins);
    Err(Box::new(Refused { problems, warnings }))
}

/// A path that is known to be wrong is not reported again for what the first fault left behind.
fn extend(problems: &mut Problems, more: &Problems) {
    let known: Vec<String> = problems.iter().map(|problem| problem.path.clone()).collect();
    for Problem { path, message, hint } in more.iter().filter(|problem| !known.contains(&problem.path)) {
        match hint {
            Some(hint) => problems.add_with_hint(path, message, hint),
            None => problems.add(path, message),
        }
    }
}

/// Lays the variables over the file; those of collectors, feeds and outputs wait until these are chosen.
fn lay_over(layers: &mut Layers, settings: &[Setting]) {
    for setting in settings {
        if !matches!(setting.path.first(), Some(&"collectors" | &"feeds" | &"outputs")) {
            layers.set(setting.path, setting.value.clone(), setting.origin.clone());
        }
    }
}

fn read_file(
    layers: &mut Layers,
    environment: &Environment,
    flags: &Flags,
    default_file: &Path,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let variable = environment.any_case("TAWNY_CONFIG");
    let (path, named_by) = match (&flags.config, variable) {
        (Some(path), _) => (path.clone(), Some("--config".to_string())),
        (None, Some((name, path))) => (path.into(), Some(name.to_string())),
        (None, None) => (default_file.to_path_buf(), None),
    };
    let shown = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => match yaml::parse(&text) {
            Ok(content) => layers.add_file(&path, content, environment, problems),
            Err(error) => problems.add(shown, error),
        },
        Err(error) if named_by.is_none() && error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            let place = named_by.unwrap_or_else(|| shown.clone());
            problems.add(place, format!("cannot read {shown}: {error}"));
        }
    }
    Some(path)
}

/// What the merged tree says.
struct Read {
    settings: Settings,
    components: Components,
    redis: Option<Server>,
    redis_by_name: Option<Server>,
    found: Findings,
}

/// Reads and checks the merged tree; again, when a text from a variable turns out to be a number.
fn read_typed(layers: &mut Layers, environment: &Environment, catalog: &Catalog, by_name: bool) -> Read {
    let configured = redis::is_configured(layers);
    loop {
        let mut findings = Findings::default();
        let settings = read_once(layers, catalog, configured, &mut findings);
        let own = settings.redis.clone().unwrap_or_default();
        let redis = match configured {
            true => own.server(&mut findings.problems, &mut findings.warnings),
            false => None,
        };
        let redis_by_name = by_name.then(|| own.by_name());
        let servers = (redis.as_ref(), redis_by_name.as_ref());
        let components = build(&settings, servers, environment, catalog, &mut findings);
        let mut retyped = false;
        for problem in findings.problems.iter() {
            retyped |= layers.retype(&problem.path);
        }
        if !retyped {
            return Read {
                settings,
                components,
                redis,
                redis_by_name,
                found: findings,
            };
        }
    }
}

fn read_once(layers: &Layers, catalog: &Catalog, redis: bool, findings: &mut Findings) -> Settings {
    let Findings { problems, warnings } = findings;
    let mut tree = layers.tree.clone();
    without_nothing(&mut tree);
    let section = |name: &str| tree.get(name).cloned();
    let (collectors, outputs) = (section("collectors"), section("outputs"));
    let feeds = section("feeds");
    let mut settings: Settings = Section::new("", tree).read(problems).unwrap_or_default();
    settings.collectors =
        choose::read_collectors(collectors, settings.collect_interval, catalog, problems, warnings);
    settings.feeds = feeds::read(feeds, catalog, problems);
    settings.outputs = choose::read_outputs(outputs, catalog, problems);
    check::check(&settings, problems);
    check::needs_redis(&settings, redis, problems);
    settings
}

/// A key with nothing behind it has its default; only a collector, feed or output is there by its name alone.
fn without_nothing(tree: &mut Value) {
    let Value::Object(top) = tree else {
        return;
    };
    top.retain(|_, value| !value.is_null());
    for (key, value) in top.iter_mut() {
        match value {
            Value::Object(sections) if matches!(key.as_str(), "collectors" | "feeds" | "outputs") => {
                sections.values_mut().for_each(without_nothing);
            }
            _ => without_nothing(value),
        }
    }
}

/// Makes every component, which also finds out what is wrong with its section; nothing connects.
fn build(
    settings: &Settings,
    (redis, by_name): (Option<&Server>, Option<&Server>),
    environment: &Environment,
    catalog: &Catalog,
    findings: &mut Findings,
) -> Components {
    let variable = |name: &str| environment.exact(name).map(String::from);
    let roots = &settings.roots;
    let directory = match &settings.journal.directory {
        set if !set.as_os_str().is_empty() => set.clone(),
        _ => place::find(environment, Path::new(SYSTEM_STATE)).0,
    };
    let prefix = settings.redis.as_ref().map(|redis| redis.prefix.as_str());
    let context = Context {
        machine: &settings.host,
        engine: &Engine::default(),
        // Where it is only known by its name, a collector of it finds out whether it is there.
        redis: redis.or(by_name).map(|server| &server.target),
        prefix: prefix.unwrap_or("chouette"),
        directory: &directory,
        logs: settings
            .outputs
            .values()
            .any(|output| output.kind == choose::LOGS),
        roots: &Roots::new(&roots.proc, &roots.sys, &roots.root),
        release_interval: settings.release_interval.0,
        variable: &variable,
    };
    let mut components = Components::default();
    for (name, collector) in &settings.collectors {
        let entry = catalog.collector(&collector.kind);
        let made = entry.and_then(|entry| (entry.build)(&collector.section, &context, findings));
        components
            .collectors
            .extend(made.map(|made| (name.clone(), made)));
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
            machine: &settings.host,
            engine: &Engine::default(),
            redis: Some(&server.target),
            ..context
        };
        let section = Section::new(format!("feeds.{}", feeds::REDIS), Value::Null);
        components.feed_by_name = (entry.build)(&section, &context, findings);
    }
    let entry = catalog.wrapper(settings.wrapper.kind.name());
    components.wrapper =
        entry.and_then(|entry| (entry.build)(&settings.wrapper.section(), &context, findings));
    components
}
