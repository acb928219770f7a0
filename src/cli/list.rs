//! Names the components, and shows one.

use std::fmt::Write as _;
use std::io;

use crate::catalog::{Catalog, reference};
use crate::cli::{End, print};
use crate::component::descriptor::Descriptor;
use crate::component::settings::did_you_mean;
use crate::model::metric::MetricDef;

/// Names every component with its sentence, or shows those of one name.
pub(super) fn list(catalog: &Catalog, name: Option<&str>) -> io::Result<End> {
    let Some(name) = name else {
        print::text(&all(catalog))?;
        return Ok(End::Done);
    };
    let mut found = catalog.descriptors().filter(|one| one.name == name).peekable();
    if found.peek().is_none() {
        let hint = did_you_mean(name, catalog.descriptors().map(|one| one.name));
        let hint = hint.unwrap_or_else(|| "`tawny list` names them all".to_string());
        print::complaint(&format!("there is no component `{name}` ({hint})"));
        return Ok(End::Failed);
    }
    let sections: Vec<String> = found.map(one).collect();
    print::text(&sections.join("\n"))?;
    Ok(End::Done)
}

/// Prints the reference.
pub(super) fn reference(catalog: &Catalog) -> io::Result<End> {
    print::text(&reference::page(catalog))?;
    Ok(End::Done)
}

/// One component for a terminal: what it does, its sample settings, its metrics.
fn one(descriptor: &Descriptor) -> String {
    let (role, name) = (descriptor.role.name(), descriptor.name);
    let mut text = format!("{role} {name}: {}\n\n", descriptor.summary);
    for line in reference::sample(descriptor).lines() {
        let _ = writeln!(text, "{line}");
    }
    let width = |of: fn(&MetricDef) -> usize| descriptor.metrics.iter().map(|metric| of(metric)).max();
    let names = width(|metric| metric.name.len()).unwrap_or(0);
    let dotted = width(|metric| metric.dotted.unwrap_or(metric.name).len()).unwrap_or(0);
    for (index, metric) in descriptor.metrics.iter().enumerate() {
        if index == 0 {
            text.push('\n');
        }
        let labels = metric.labels.join(",");
        let line = format!(
            "{:names$}  {:<7} {:dotted$}  {{{labels}}}",
            metric.name,
            metric.kind.name(),
            metric.dotted.unwrap_or(metric.name),
        );
        let _ = writeln!(text, "{line}\n    {}", metric.help);
        if !metric.dotted_labels.is_empty() {
            let tags: Vec<_> = metric.dotted_label_names().collect();
            let _ = writeln!(text, "    Under the dotted name only: {}.", tags.join(", "));
        }
    }
    text
}

fn all(catalog: &Catalog) -> String {
    let mut text = String::new();
    let width = catalog.descriptors().map(|one| one.name.len()).max().unwrap_or(0);
    for one in catalog.descriptors() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<10} {:<width$} {}",
            one.role.name(),
            one.name,
            one.summary
        );
    }
    text
}
