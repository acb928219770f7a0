//! The reference page, generated from the list of components.

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::component::descriptor::Descriptor;

/// The whole reference as Markdown.
pub fn page(catalog: &Catalog) -> String {
    let mut page = String::from("# Reference\n\nWritten by `tawny reference`; do not edit.\n");
    for descriptor in catalog.descriptors() {
        page.push('\n');
        page.push_str(&section(descriptor));
    }
    page
}

/// One component: what it does, its sample settings, its metrics.
pub fn section(descriptor: &Descriptor) -> String {
    let mut text = format!(
        "## {role} `{name}`\n\n{summary}\n\n```yaml\n{sample}\n```\n",
        role = descriptor.role.name(),
        name = descriptor.name,
        summary = descriptor.summary,
        sample = descriptor.sample.trim_end(),
    );
    if !descriptor.metrics.is_empty() {
        text.push_str("\n| Metric | Kind | Labels | Dotted name | Meaning |\n|---|---|---|---|---|\n");
    }
    for metric in descriptor.metrics {
        let labels = match metric.labels {
            [] => String::new(),
            labels => format!("`{}`", labels.join("`, `")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {labels} | `{}` | {} |",
            metric.name,
            metric.kind.name(),
            metric.dotted.unwrap_or(metric.name),
            metric.help,
        );
    }
    text
}
