//! The reference page, generated from the list of components.

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::component::descriptor::{Descriptor, Role};

/// The whole reference as Markdown.
pub fn page(catalog: &Catalog) -> String {
    let mut page = String::from("# Reference\n\nWritten by `tawny reference`; do not edit.\n");
    for descriptor in catalog.descriptors() {
        page.push('\n');
        page.push_str(&section(descriptor));
    }
    page
}

/// The sample as it stands in a settings file, below the keys that lead to it.
pub fn sample(descriptor: &Descriptor) -> String {
    let sample = descriptor.sample.trim_end();
    let place = match descriptor.role {
        Role::Collector => "collectors:",
        Role::Feed => "feeds:",
        Role::Wrapper => "wrapper:",
        Role::Output => "outputs:",
    };
    if sample.lines().any(|line| line.starts_with(place)) {
        return sample.to_string();
    }
    let mut text = String::from(place);
    let indent = match descriptor.role {
        Role::Wrapper => "  ",
        Role::Collector | Role::Feed | Role::Output => {
            text.push_str("\n  ");
            text.push_str(descriptor.name);
            text.push(':');
            "    "
        }
    };
    for line in sample.lines() {
        text.push('\n');
        if !line.is_empty() {
            text.push_str(indent);
            text.push_str(line);
        }
    }
    text
}

/// One component: what it does, its sample settings, its metrics.
pub fn section(descriptor: &Descriptor) -> String {
    let mut text = format!(
        "## {role} `{name}`\n\n{summary}\n\n```yaml\n{sample}\n```\n",
        role = descriptor.role.name(),
        name = descriptor.name,
        summary = descriptor.summary,
        sample = sample(descriptor),
    );
    if !descriptor.metrics.is_empty() {
        text.push_str("\n| Metric | Kind | Labels | Dotted name | Meaning |\n|---|---|---|---|---|\n");
    }
    for metric in descriptor.metrics {
        let labels = match metric.labels {
            [] => String::new(),
            labels => format!("`{}`", labels.join("`, `")),
        };
        let tags = match metric.dotted_labels {
            [] => String::new(),
            _ => {
                let names: Vec<_> = metric.dotted_label_names().collect();
                format!(" with `{}` only", names.join("`, `"))
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {labels} | `{}`{tags} | {} |",
            metric.name,
            metric.kind.name(),
            metric.dotted.unwrap_or(metric.name),
            metric.help,
        );
    }
    text
}
