//! Reads the source and fails on what the design's layers forbid: an import from above or from beside, a file too long.
//!
//! Comments and string literals do not count. `crate::`, `super::` and `self::` paths do, wherever they stand.

mod source;
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use source::{Reference, paths};

/// The layers from the lowest to the highest; a module sees lower layers and itself.
const LAYERS: [&[&str]; 10] = [
    &["model"],
    &["support"],
    &["component", "logs"],
    &["registry", "journal"],
    &["collectors", "feeds", "wrappers", "outputs"],
    &["pipeline"],
    &["catalog"],
    &["config"],
    &["runtime"],
    &["cli", "main"],
];

/// The layer of collectors, feeds, wrappers and outputs.
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
