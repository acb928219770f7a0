//! From file, environment and flags to checked settings, with every problem at once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::catalog::{Catalog, Context, Findings};
use crate::component::collector::Collector;
use crate::component::output::Output;
use crate::component::settings::{Problem, Problems, Section};
use crate::component::wrapper::Wrapper;
use crate::config::environment::Environment;
use crate::config::layers::{Layers, Origin, Origins};
use crate::config::settings::Settings;
use crate::config::variables::Setting;
use crate::config::{check, choose, place, speaker, variables, words, yaml};
use crate::support::root::Roots;

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

/// Settings, what was made from them, and how they came to be.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The components, made and not connected.
    pub components: Components,
    /// Where each value came from.
    pub origins: Origins,
    /// The file that was read, if any was.
    pub file: Option<PathBuf>,
    /// What is odd and stops nothing.
    pub warnings: Vec<Problem>,
}

/// The configured components, each under its name in the settings.
#[derive(Default)]
pub struct Components {
    /// Polled.
    pub collectors: BTreeMap<String, Box<dyn Collector>>,
    /// Which points a window becomes; always there after loading succeeded.
    pub wrapper: Option<Box<dyn Wrapper>>,
    /// Destinations.
    pub outputs: BTreeMap<String, Box<dyn Output>>,
}

impl fmt::Debug for Components {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Components")
            .field("collectors", &self.collectors.keys())
            .field("outputs", &self.outputs.keys())
            .finish_non_exhaustive()
    }
}

/// Settings that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the settings cannot be used: {} problems", problems.len())]
pub struct Refused {
    /// Everything that is wrong, never empty.
    pub problems: Vec<Problem>,
    /// What is odd beside it.
    pub warnings: Vec<Problem>,
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
    choose::outputs(&mut layers, &values, warnings);
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
    let (mut settings, components, found) = read_typed(&mut layers, environment, catalog);
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

/// Lays the variables over the file; those of collectors and outputs wait until these are chosen.
fn lay_over(layers: &mut Layers, settings: &[Setting]) {
    for setting in settings {
        if !matches!(setting.path.first(), Some(&"collectors" | &"outputs")) {
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

/// Reads and checks the merged tree; again, when a text from a variable turns out to be a number.
fn read_typed(
    layers: &mut Layers,
    environment: &Environment,
    catalog: &Catalog,
) -> (Settings, Components, Findings) {
    loop {
        let mut findings = Findings::default();
        let settings = read_once(layers, catalog, &mut findings);
        let components = build(&settings, environment, catalog, &mut findings);
        let mut retyped = false;
        for problem in findings.problems.iter() {
            retyped |= layers.retype(&problem.path);
        }
        if !retyped {
            return (settings, components, findings);
        }
    }
}

fn read_once(layers: &Layers, catalog: &Catalog, findings: &mut Findings) -> Settings {
    let Findings { problems, warnings } = findings;
    let mut tree = layers.tree.clone();
    without_nothing(&mut tree);
    let section = |name: &str| tree.get(name).cloned();
    let (collectors, outputs) = (section("collectors"), section("outputs"));
    let mut settings: Settings = Section::new("", tree).read(problems).unwrap_or_default();
    settings.collectors =
        choose::read_collectors(collectors, settings.collect_interval, catalog, problems, warnings);
    settings.outputs = choose::read_outputs(outputs, catalog, problems);
    check::check(&settings, problems);
    settings
}

/// A key with nothing behind it has its default; only a collector or output is there by its name alone.
fn without_nothing(tree: &mut Value) {
    let Value::Object(top) = tree else {
        return;
    };
    top.retain(|_, value| !value.is_null());
    for (key, value) in top.iter_mut() {
        match value {
            Value::Object(sections) if key == "collectors" || key == "outputs" => {
                sections.values_mut().for_each(without_nothing);
            }
            _ => without_nothing(value),
        }
    }
}

/// Makes every component, which also finds out what is wrong with its section; nothing connects.
fn build(
    settings: &Settings,
    environment: &Environment,
    catalog: &Catalog,
    findings: &mut Findings,
) -> Components {
    let variable = |name: &str| environment.exact(name).map(String::from);
    let roots = &settings.roots;
    let context = Context {
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
    let entry = catalog.wrapper(settings.wrapper.kind.name());
    components.wrapper =
        entry.and_then(|entry| (entry.build)(&settings.wrapper.section(), &context, findings));
    components
}
