//! From file, environment and flags to checked settings, with every problem at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::catalog::Catalog;
use crate::component::entry::Findings;
use crate::component::settings::{Problem, Problems, Section};
use crate::config::build::{Around, build};
use crate::config::environment::Environment;
use crate::config::found::Found;
use crate::config::layers::{Layers, Origin};
use crate::config::redis::Server;
use crate::config::settings::Settings;
use crate::config::variables::Setting;
use crate::config::{check, choose, docker, feeds, found, place, redis, speaker, variables, words, yaml};

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
    docker::lay_tls(&mut layers, environment);
    lay_flags(&mut layers, flags);
    redis::host_as_url(&mut layers, warnings);
    let look = |layers: &Layers| look(layers, &values, environment, catalog);
    let mut seen = choose::collectors(&mut layers, plugins, &values, look, warnings);
    let by_name = feeds::choose(&mut layers, &values, catalog, warnings);
    let logs = feeds::hand_in_logs(&layers);
    let for_feeds = choose::outputs(&mut layers, &values, catalog, by_name || logs, warnings);
    let Read {
        settings,
        components,
        redis,
        redis_by_name,
        origins,
        found,
    } = read_typed(&mut layers, environment, catalog, by_name, &mut seen);
    extend(problems, &found.problems);
    extend(warnings, &found.warnings);
    for (path, origin) in origins {
        layers.origins.set(path, origin);
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
            logs_by_name: for_feeds && !logs,
            found: seen,
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

/// Lays the flags over everything.
fn lay_flags(layers: &mut Layers, flags: &Flags) {
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
    /// Where those settings come from that were found out.
    origins: Vec<(&'static str, Origin)>,
    found: Findings,
}

/// Reads and checks the merged tree; again, when a text from a variable turns out to be a number. What was seen and
/// cannot be made into a collector all the same is taken out of `seen`.
fn read_typed(
    layers: &mut Layers,
    environment: &Environment,
    catalog: &Catalog,
    by_name: bool,
    seen: &mut Vec<Found>,
) -> Read {
    let configured = redis::is_configured(layers);
    loop {
        let mut findings = Findings::default();
        let mut settings = read_once(layers, catalog, configured, &mut findings);
        let origins = find_out(&mut settings, environment, &mut findings.warnings);
        let own = settings.redis.clone().unwrap_or_default();
        let redis = match configured {
            true => own.server(&mut findings.problems, &mut findings.warnings),
            false => None,
        };
        let redis_by_name = by_name.then(|| own.by_name());
        let engine = docker::settle(&settings, &layers.origins, &mut findings);
        // Where it is only known by its name, a collector of it finds out whether it is there.
        let server = redis.as_ref().or(redis_by_name.as_ref());
        let around = Around::new(&settings, environment, engine, server);
        let servers = (redis.as_ref(), redis_by_name.as_ref());
        let built = build(
            &settings,
            servers,
            &around,
            catalog,
            seen,
            &layers.origins,
            &mut findings,
        );
        let mut retyped = false;
        for problem in findings.problems.iter() {
            retyped |= layers.retype(&problem.path);
        }
        if !retyped {
            for name in built.left_out {
                settings.collectors.remove(name);
                seen.retain(|one| one.collector != name);
            }
            return Read {
                settings,
                components: built.components,
                redis,
                redis_by_name,
                origins,
                found: findings,
            };
        }
    }
}

/// Finds out what nobody set: who is speaking, and where the journal lies. Tells where each came from.
fn find_out(
    settings: &mut Settings,
    environment: &Environment,
    warnings: &mut Problems,
) -> Vec<(&'static str, Origin)> {
    let mut origins = Vec::new();
    origins.extend(speaker::find(settings, warnings).map(|origin| ("host", origin)));
    if settings.machine.trim().is_empty() {
        settings.machine.clone_from(&settings.host);
        origins.push(("machine", Origin::Found("as `host`")));
    }
    if settings.journal.directory.as_os_str().is_empty() {
        let (directory, origin) = place::find(environment, Path::new(SYSTEM_STATE));
        settings.journal.directory = directory;
        origins.push(("journal.directory", origin));
    }
    origins
}

/// Looks what this device has to collect. What is wrong with the settings on the way is told where they are read for
/// good.
fn look(layers: &Layers, values: &[Setting], environment: &Environment, catalog: &Catalog) -> Vec<Found> {
    let mut untold = Findings::default();
    let configured = redis::is_configured(layers);
    let mut settings = read_once(layers, catalog, configured, &mut untold);
    find_out(&mut settings, environment, &mut untold.warnings);
    let own = settings.redis.clone().unwrap_or_default();
    let redis = match configured {
        true => own.server(&mut untold.problems, &mut untold.warnings),
        false => None,
    };
    let engine = docker::settle(&settings, &layers.origins, &mut untold);
    let around = Around::new(&settings, environment, engine, redis.as_ref());
    found::look(catalog, values, &around.context())
}

fn read_once(layers: &Layers, catalog: &Catalog, redis: bool, findings: &mut Findings) -> Settings {
    let problems = &mut findings.problems;
    let mut tree = layers.tree.clone();
    without_nothing(&mut tree);
    let section = |name: &str| tree.get(name).cloned();
    let (collectors, outputs) = (section("collectors"), section("outputs"));
    let feeds = section("feeds");
    let mut settings: Settings = Section::new("", tree).read(problems).unwrap_or_default();
    settings.collectors = choose::read_collectors(collectors, settings.collect_interval, catalog, problems);
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
