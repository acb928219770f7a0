//! The checker itself, on small texts.

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
    let side_by_side = "registry and journal stand side by side in L3 and do not see each other".to_owned();
    assert_eq!(
        broken("registry/table.rs", "use crate::journal::Disk;"),
        [(1, side_by_side)]
    );
    let side_by_side = "outputs and wrappers stand side by side in L4 and do not see each other".to_owned();
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
    let text =
        "use super::Shared;\nmod tests { use super::parse; use super::super::disk::Disk; }\nuse super::disk;";
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
