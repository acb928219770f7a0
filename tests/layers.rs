//! Reads the source and fails on what the design's layers forbid: an import from above or from beside, a file too long.
//!
//! Comments and string literals do not count. `crate::`, `super::` and `self::` paths do, wherever they stand.

mod source;

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use source::{Reference, paths};

/// The layers from the lowest to the highest; a module sees lower layers and itself.
const LAYERS: [&[&str]; 10] = [
    &["model"],
    &["support"],
    &["component"],
    &["registry", "journal"],
    &["collectors", "feeds", "wrappers", "outputs", "logs"],
    &["pipeline"],
    &["catalog"],
    &["config"],
    &["runtime"],
    &["cli", "main"],
];

/// The layer of collectors, feeds, wrappers, outputs and logs.
const PARTS: usize = 4;
/// The highest layer that those see.
const SEEN_BY_PARTS: usize = 2;
/// The longest file, in lines.
const LONGEST_FILE: usize = 400;
/// Names that say nothing about what a module is.
const EMPTY_NAMES: [&str; 4] = ["util", "common", "helpers", "manager"];

/// Where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    file: PathBuf,
    line: usize,
    rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file.display(), self.line, self.rule)
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

/// The path of the module that a file is: `outputs/datadog/mod.rs` is `outputs::datadog`; `lib.rs` is empty.
fn module_of(file: &Path) -> Vec<String> {
    let mut path = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

/// What the whole source holds, as far as a rule asks for it.
#[derive(Default)]
struct House {
    /// Every file's module.
    modules: BTreeSet<Vec<String>>,
    /// The modules that describe a component: each is a leaf, with all that lies below it.
    leaves: BTreeSet<Vec<String>>,
}

impl House {
    fn of(sources: &[(PathBuf, String)]) -> Self {
        let mut house = Self::default();
        for (file, text) in sources {
            let module = module_of(file);
            if text.contains("static DESCRIPTOR") {
                house.leaves.insert(module.clone());
            }
            house.modules.insert(module);
        }
        house
    }

    /// The longest beginning of `path` that is a module; what a path names beyond is an item of it.
    fn module<'a>(&self, path: &'a [String]) -> &'a [String] {
        beginnings(path)
            .find(|beginning| self.modules.contains(*beginning))
            .unwrap_or_default()
    }

    fn leaf<'a>(&self, module: &'a [String]) -> Option<&'a [String]> {
        beginnings(module).find(|beginning| self.leaves.contains(*beginning))
    }

    /// Whether two modules of `collectors`, or of another part, may see each other: not from group to group
    /// (`collectors::host`, `outputs::datadog`), and inside a group not from leaf to leaf.
    fn related(&self, from: &[String], to: &[String]) -> bool {
        let (Some(group), Some(other)) = (from.get(1), self.module(to).get(1)) else {
            // The part's own file lists its groups.
            return true;
        };
        let leaves = (self.leaf(from), self.leaf(self.module(to)));
        group == other && !matches!(leaves, (Some(leaf), Some(other)) if leaf != other)
    }
}

/// `path` and its beginnings, the longest first.
fn beginnings(path: &[String]) -> impl Iterator<Item = &[String]> {
    (0..=path.len()).rev().map(|length| &path[..length])
}

/// Why a file of the module `from` may not refer to `to`, if it may not.
fn forbidden(from: &[String], to: &[String], house: &House) -> Option<String> {
    // The root lists the modules, and `main` starts the program.
    let (Some(here), Some(there)) = (from.first(), to.first()) else {
        return None;
    };
    let Some(own) = layer(here) else {
        return Some(format!("the module {here} stands in no layer"));
    };
    let Some(other) = layer(there) else {
        return Some(format!("crate::{there} stands in no layer"));
    };
    if here == there {
        let allowed = own != PARTS || house.related(from, to);
        return (!allowed).then(|| format!("{} is of another leaf than {}", to.join("::"), from.join("::")));
    }
    if own == PARTS && other > SEEN_BY_PARTS && other < own {
        return Some(format!(
            "{here} (L{own}) sees L0 to L{SEEN_BY_PARTS}, not {there} (L{other})"
        ));
    }
    if other == own {
        return Some(format!(
            "{here} and {there} stand side by side in L{own} and do not see each other"
        ));
    }
    (other > own).then(|| format!("{here} (L{own}) does not see {there} (L{other}), which is above it"))
}

/// The faults of one file; `file` is relative to `src`.
fn faults(file: &Path, text: &str, house: &House) -> Vec<Fault> {
    let fault = |line: usize, rule: String| Fault {
        file: Path::new("src").join(file),
        line,
        rule,
    };
    let module = module_of(file);
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.push(fault(
            lines,
            format!("the file has {lines} lines, more than {LONGEST_FILE}"),
        ));
    }
    if let Some(name) = module.last().filter(|name| EMPTY_NAMES.contains(&name.as_str())) {
        found.push(fault(1, format!("{name} is no name of a module")));
    }
    for Reference {
        line,
        path,
        group_of_root,
    } in paths(text, &module)
    {
        if group_of_root {
            found.push(fault(
                line,
                "use crate::{…} hides what is imported; write one use a module".to_owned(),
            ));
        } else if let Some(rule) = forbidden(&module, &path, house) {
            found.push(fault(line, rule));
        }
    }
    found
}

/// Every source file below `folder`, relative to it.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("the folder is read") {
            let path = entry.expect("the folder is read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                found.push((path.strip_prefix(folder).expect("it lies below").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_source_keeps_to_its_layers() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let house = House::of(&sources);
    let found = sources
        .iter()
        .flat_map(|(file, text)| faults(file, text, &house))
        .collect::<Vec<_>>();
    let list = found
        .iter()
        .map(|fault| format!("\n  {fault}"))
        .collect::<String>();
    assert!(found.is_empty(), "{} faults:{list}", found.len());
    assert!(
        house.modules.contains(&vec!["model".to_owned()]),
        "the source was not found"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that `text` breaks as `file`, with their lines, in a house of these files.
    fn broken(file: &str, text: &str) -> Vec<(usize, String)> {
        let leaf = "pub static DESCRIPTOR: Descriptor = Descriptor {};";
        let house = [
            ("lib.rs", ""),
            ("cli.rs", ""),
            ("model/mod.rs", ""),
            ("registry/mod.rs", ""),
            ("collectors/mod.rs", ""),
            ("collectors/host/mod.rs", ""),
            ("collectors/host/cpu.rs", leaf),
            ("collectors/host/disk.rs", leaf),
            ("collectors/container/mod.rs", ""),
            ("collectors/container/docker/mod.rs", leaf),
            ("collectors/container/docker/stats.rs", ""),
            ("outputs/mod.rs", ""),
            ("outputs/console.rs", leaf),
            ("outputs/datadog/mod.rs", leaf),
            ("outputs/datadog/encode.rs", ""),
            ("outputs/datadog/send.rs", ""),
        ];
        let house = House::of(&house.map(|(file, text)| (PathBuf::from(file), text.to_owned())));
        faults(Path::new(file), text, &house)
            .into_iter()
            .map(|fault| (fault.line, fault.rule))
            .collect()
    }

    #[test]
    fn lower_layers_are_seen_and_higher_ones_are_not() {
        assert_eq!(
            broken(
                "registry/mod.rs",
                "use crate::model::Series;\nuse crate::component::Rule;\n"
            ),
            []
        );
        assert_eq!(
            broken("model/labels.rs", "\nuse crate::registry::Table;\n"),
            [(
                2,
                "model (L0) does not see registry (L3), which is above it".to_owned()
            )]
        );
        assert_eq!(
            broken(
                "pipeline/mod.rs",
                "use crate::outputs::datadog::Datadog; use crate::journal::Disk;"
            ),
            []
        );
        assert_eq!(
            broken("main.rs", "use crate::runtime::Story; use tawny::cli::run;"),
            []
        );
        assert_eq!(broken("lib.rs", "pub use crate::runtime::Story;"), []);
    }

    #[test]
    fn modules_of_one_layer_do_not_see_each_other() {
        let side_by_side =
            "registry and journal stand side by side in L3 and do not see each other".to_owned();
        assert_eq!(
            broken("registry/table.rs", "use crate::journal::Disk;"),
            [(1, side_by_side)]
        );
        let side_by_side =
            "outputs and wrappers stand side by side in L4 and do not see each other".to_owned();
        assert_eq!(
            broken("outputs/console.rs", "use crate::wrappers::simple;"),
            [(1, side_by_side)]
        );
    }

    #[test]
    fn the_parts_see_model_support_and_component_only() {
        let text = "use crate::model::A; use crate::support::B; use crate::component::C;";
        assert_eq!(broken("feeds/redis.rs", text), []);
        let rule = "feeds (L4) sees L0 to L2, not registry (L3)".to_owned();
        assert_eq!(
            broken("feeds/redis.rs", "use crate::registry::Recorder;"),
            [(1, rule)]
        );
        let rule = "feeds (L4) does not see pipeline (L5), which is above it".to_owned();
        assert_eq!(
            broken("feeds/redis.rs", "use crate::pipeline::Retry;"),
            [(1, rule)]
        );
    }

    #[test]
    fn a_leaf_does_not_see_another_leaf() {
        let text = "use crate::collectors::host::Shared;\nuse crate::collectors::host::disk::Disk;";
        let rule = |to: &str, from: &str| format!("{to} is of another leaf than {from}");
        assert_eq!(
            broken("collectors/host/cpu.rs", text),
            [(2, rule("collectors::host::disk::Disk", "collectors::host::cpu"))]
        );
        assert_eq!(
            broken(
                "collectors/host/cpu.rs",
                "use crate::collectors::container::docker::Docker;"
            ),
            [(
                1,
                rule("collectors::container::docker::Docker", "collectors::host::cpu")
            )]
        );
        assert_eq!(
            broken(
                "collectors/container/docker/mod.rs",
                "use crate::collectors::container::docker::stats;"
            ),
            []
        );
        assert_eq!(
            broken(
                "collectors/host/mod.rs",
                "mod cpu; use crate::collectors::host::cpu::DESCRIPTOR;"
            ),
            []
        );
        assert_eq!(
            broken(
                "outputs/datadog/encode.rs",
                "use crate::outputs::datadog::send::Body;"
            ),
            []
        );
        assert_eq!(
            broken("outputs/datadog/encode.rs", "use crate::outputs::console::Text;"),
            [(1, rule("outputs::console::Text", "outputs::datadog::encode"))]
        );
    }

    #[test]
    fn a_path_in_the_middle_of_code_counts_and_one_in_a_comment_or_a_string_does_not() {
        let text = "/// See [`crate::runtime`].\n// crate::runtime::X\n/* crate::runtime /* nested */ crate::cli */\n\
                    fn f<'a>(c: char) { let s = \"crate::runtime \\\" crate::cli\"; let r = r#\"\"crate::cli\"#;\n\
                    if c == '\"' { crate :: runtime::stop('\\''); } }";
        let rule = "model (L0) does not see runtime (L8), which is above it".to_owned();
        assert_eq!(broken("model/mod.rs", text), [(5, rule)]);
    }

    #[test]
    fn paths_that_climb_are_followed() {
        let rule = |to: &str, from: &str| format!("{to} is of another leaf than {from}");
        assert_eq!(
            broken(
                "collectors/host/cpu.rs",
                "use super::disk::Disk;\nuse super::Shared;\nuse self::inner::X;"
            ),
            [(1, rule("collectors::host::disk::Disk", "collectors::host::cpu"))]
        );
        let text = "use super::Shared;\nmod tests { use super::parse; use super::super::disk::Disk; }\nuse super::disk;";
        assert_eq!(
            broken("collectors/host/cpu.rs", text),
            [
                (2, rule("collectors::host::disk::Disk", "collectors::host::cpu")),
                (3, rule("collectors::host::disk", "collectors::host::cpu"))
            ]
        );
        let above = "outputs (L4) does not see runtime (L8), which is above it".to_owned();
        assert_eq!(
            broken("outputs/console.rs", "use super::super::runtime::Story;"),
            [(1, above)]
        );
    }

    #[test]
    fn every_branch_of_a_group_is_followed() {
        let rule = |to: &str| format!("{to} is of another leaf than collectors::host::cpu");
        let text = "use crate::collectors::{\n  host::{Shared,\n   disk::{self as d, Disk}},\n  container};";
        assert_eq!(
            broken("collectors/host/cpu.rs", text),
            [
                (3, rule("collectors::host::disk")),
                (3, rule("collectors::host::disk::Disk")),
                (4, rule("collectors::container"))
            ]
        );
    }

    #[test]
    fn a_group_at_the_root_a_long_file_and_an_empty_name_are_faults() {
        let group = "use crate::{…} hides what is imported; write one use a module".to_owned();
        assert_eq!(
            broken("pipeline/mod.rs", "\nuse crate::{model::A, registry::B};"),
            [(2, group)]
        );
        assert_eq!(broken("model/mod.rs", &"\n".repeat(400)), []);
        let long = "the file has 401 lines, more than 400".to_owned();
        assert_eq!(broken("model/mod.rs", &"\n".repeat(401)), [(401, long)]);
        assert_eq!(
            broken("support/util.rs", ""),
            [(1, "util is no name of a module".to_owned())]
        );
        assert_eq!(
            broken("support/helpers/mod.rs", ""),
            [(1, "helpers is no name of a module".to_owned())]
        );
    }

    #[test]
    fn a_module_without_a_layer_is_a_fault() {
        let here = "the module stuff stands in no layer".to_owned();
        assert_eq!(broken("stuff/mod.rs", "use crate::model::A;"), [(1, here)]);
        let there = "crate::stuff stands in no layer".to_owned();
        assert_eq!(broken("cli.rs", "use crate::stuff::A;"), [(1, there)]);
    }
}
