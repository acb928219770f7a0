//! From file, environment and flags to checked settings, with every problem at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Context};
use crate::component::settings::{Problem, Problems, Section};
use crate::config::environment::Environment;
use crate::config::layers::{Layers, Origin, Origins};
use crate::config::settings::{OutputSettings, Settings};
use crate::config::variables::Setting;
use crate::config::{check, choose, place, speaker, variables, words, yaml};

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

/// Settings, and how they came to be.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// Where each value came from.
    pub origins: Origins,
    /// The file that was read, if any was.
    pub file: Option<PathBuf>,
    /// What is odd and stops nothing.
    pub warnings: Vec<Problem>,
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
    let (mut problems, mut warnings) = (Problems::default(), Problems::default());
    let mut layers = Layers::new();
    let file = read_file(&mut layers, environment, flags, default_file, &mut problems);
    let settings = variables::read(environment, &mut problems);
    let plugins = variables::plugins(environment, &mut problems);
    lay_over(&mut layers, &settings);
    choose::collectors(&mut layers, plugins, &settings, &mut warnings);
    choose::outputs(&mut layers, &settings, &mut warnings);
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
    let (mut settings, found, later) = read_typed(&mut layers, environment, catalog);
    extend(&mut problems, &found);
    extend(&mut warnings, &later);
    if let Some(origin) = speaker::find(&mut settings, &mut warnings) {
        layers.origins.set("host", origin);
    }
    if settings.journal.directory.as_os_str().is_empty() {
        let (directory, origin) = place::find(environment, Path::new(SYSTEM_STATE));
        settings.journal.directory = directory;
        layers.origins.set("journal.directory", origin);
    }
    let mut warnings = words::told(&warnings, &layers.origins);
    warnings.extend(variables::warnings(environment));
    if problems.is_empty() {
        return Ok(Loaded {
            settings,
            origins: layers.origins,
            file,
            warnings,
        });
    }
    let problems = words::told(&problems, &layers.origins);
    Err(Box::new(Refused { problems, warnings }))
}

fn extend(problems: &mut Problems, more: &Problems) {
    let mut fresh = Vec::new();
    for problem in more.iter() {
        // A reference that names no variable is reported once, not again for what it left behind.
        if !problems.iter().any(|known| known.path == problem.path) {
            fresh.push(problem.clone());
        }
    }
    for Problem { path, message, hint } in fresh {
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
) -> (Settings, Problems, Problems) {
    loop {
        let (mut problems, mut warnings) = (Problems::default(), Problems::default());
        let settings = read_once(layers, environment, catalog, &mut problems, &mut warnings);
        let mut retyped = false;
        for problem in problems.iter() {
            retyped |= layers.retype(&problem.path);
        }
        if !retyped {
            return (settings, problems, warnings);
        }
    }
}

fn read_once(
    layers: &Layers,
    environment: &Environment,
    catalog: &Catalog,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Settings {
    let mut settings: Settings = Section::new("", layers.tree.clone())
        .read(problems)
        .unwrap_or_default();
    let collectors = layers.get(&["collectors"]).cloned();
    settings.collectors =
        choose::read_collectors(collectors, settings.collect_interval, catalog, problems, warnings);
    settings.outputs = choose::read_outputs(layers.get(&["outputs"]).cloned(), catalog, problems);
    check::check(&settings, problems);
    build_all(&settings, environment, catalog, problems);
    settings
}

/// Builds every component to learn what is wrong with its section; nothing connects.
fn build_all(settings: &Settings, environment: &Environment, catalog: &Catalog, problems: &mut Problems) {
    let variable = |name: &str| environment.exact(name).map(String::from);
    let context = settings.context(&variable);
    for collector in settings.collectors.values() {
        if let Some(entry) = catalog.collector(&collector.kind) {
            (entry.build)(&collector.section, &context, problems);
        }
    }
    for OutputSettings { kind, section } in settings.outputs.values() {
        if let Some(entry) = catalog.output(kind) {
            (entry.build)(section, &context, problems);
        }
    }
}

impl Settings {
    /// What components may need beside their own sections.
    pub fn context<'a>(&'a self, variable: &'a dyn Fn(&str) -> Option<String>) -> Context<'a> {
        Context {
            proc: &self.roots.proc,
            sys: &self.roots.sys,
            root: &self.roots.root,
            variable,
        }
    }
}
