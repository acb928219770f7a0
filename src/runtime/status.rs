//! The status page: what the agent does, in plain HTML that needs no script.

mod feeds;

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::registry::board::{CollectorFacts, Facts, OutputFacts, OutputState};
use crate::support::quantity::Size;

/// What the page shows beside the board.
#[derive(Clone, Debug)]
pub struct About {
    /// The host's name, as it is sent.
    pub host: String,
    /// Series in the registry now.
    pub series: u64,
    /// How many there may be.
    pub series_limit: u64,
    /// Samples that were refused since the start.
    pub refused: u64,
    /// When the process started.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--good:#1a7f37;--bad:#cf222e;--warn:#9a6700}\
@media(prefers-color-scheme:dark){:root{--good:#4ac26b;--bad:#ff7b72;--warn:#d4a72c}}\
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem}\
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}\
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}\
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}\
td.text{white-space:normal;min-width:12rem}th{font-weight:600}td.number,th.number{text-align:right}\
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.soft{opacity:.7}\
p.note{background:var(--soft);padding:.5rem .8rem;border-radius:.4rem}";

/// Writes the page.
pub fn page(facts: &Facts, about: &About) -> String {
    let mut out = String::with_capacity(8 * 1024);
    head(&mut out, facts, about);
    collectors(&mut out, facts, about.now);
    feeds::section(&mut out, facts);
    series(&mut out, about);
    journal(&mut out, facts, about.now);
    outputs(&mut out, facts, about.now);
    out.push_str(
        "<p class=soft><a href=\"/metrics\">/metrics</a> · <a href=\"/-/healthy\">/-/healthy</a> · ",
    );
    out.push_str("<a href=\"/-/ready\">/-/ready</a></p></body></html>\n");
    out
}

fn head(out: &mut String, facts: &Facts, about: &About) {
    let host = escaped(&about.host);
    let _ = write!(
        out,
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport \
         content=\"width=device-width,initial-scale=1\"><title>Tawny on {host}</title><style>{STYLE}</style></head>\
         <body><h1>Tawny on {host}</h1><p class=soft>Version {}, running for {}.</p>",
        env!("CARGO_PKG_VERSION"),
        long(about.now.since(about.started)),
    );
    let reasons = facts.reasons();
    if reasons.is_empty() {
        out.push_str("<p class=good>Ready.</p>");
    }
    for (part, reason) in reasons {
        let _ = write!(
            out,
            "<p class=\"note bad\">Not ready: {}: {}</p>",
            escaped(&part),
            escaped(reason)
        );
    }
    if let Some(doubt) = &facts.clock_doubt {
        let _ = write!(
            out,
            "<p class=\"note warn\">The clock is not believed: {}</p>",
            escaped(doubt)
        );
    }
}

fn collectors(out: &mut String, facts: &Facts, now: Timestamp) {
    out.push_str("<h2>Collectors</h2>");
    if facts.collectors.is_empty() {
        out.push_str("<p class=note>None is configured, so the agent collects nothing by itself.</p>");
        return;
    }
    out.push_str(
        "<table><tr><th>Name<th>Every<th>Last run<th class=number>Took<th class=number>Samples\
         <th class=number>Failed<th>Last error</tr>",
    );
    for (name, collector) in &facts.collectors {
        collector_row(out, name, collector, now);
    }
    out.push_str("</table>");
}

fn collector_row(out: &mut String, name: &str, facts: &CollectorFacts, now: Timestamp) {
    let (class, error) = match &facts.last_error {
        Some(error) => ("bad", escaped(error)),
        None => ("soft", "none".to_string()),
    };
    let took = facts.last_duration.map_or("–".to_string(), |took| {
        format!("{:.1} ms", took.as_secs_f64() * 1e3)
    });
    let _ = write!(
        out,
        "<tr><td>{}<td>{}<td>{}<td class=number>{took}<td class=number>{}<td class=number>{} of {}\
         <td class=\"text {class}\">{error}</tr>",
        escaped(name),
        long(facts.interval),
        ago(facts.last_run, now),
        facts.samples,
        facts.failed,
        facts.failed + facts.succeeded,
    );
}

fn series(out: &mut String, about: &About) {
    let _ = write!(
        out,
        "<h2>Series</h2><p>{} of at most {}; {} samples were refused since the start.</p>",
        about.series, about.series_limit, about.refused
    );
}

fn journal(out: &mut String, facts: &Facts, now: Timestamp) {
    out.push_str("<h2>Journal</h2>");
    let Some(journal) = &facts.journal else {
        out.push_str("<p class=note>No output is configured, so nothing is journalled.</p>");
        return;
    };
    let oldest = facts
        .outputs
        .values()
        .filter_map(|output| output.depth.oldest)
        .min();
    let _ = write!(
        out,
        "<table><tr><th class=number>Waiting blocks<th class=number>Items<th>Oldest<th class=number>Size\
         <th class=number>Bound<th class=number>Damaged records</tr><tr><td class=number>{}<td class=number>{}\
         <td>{}<td class=number>{}<td class=number>{}<td class=number>{}</tr></table>",
        journal.blocks,
        journal.items,
        ago(oldest, now),
        bytes(journal.bytes),
        Size(journal.bound),
        journal.damaged_records,
    );
    if let Some(error) = &journal.write_error {
        let _ = write!(
            out,
            "<p class=\"note bad\">The last write failed: {}</p>",
            escaped(error)
        );
    }
}

fn outputs(out: &mut String, facts: &Facts, now: Timestamp) {
    out.push_str("<h2>Outputs</h2>");
    if facts.outputs.is_empty() {
        out.push_str("<p class=note>None is configured. Set API_KEY to deliver to Datadog.</p>");
        return;
    }
    out.push_str(
        "<table><tr><th>Name<th>State<th class=number>Delivered<th class=number>Waiting<th class=number>Dropped\
         <th>Last success<th>Next try<th>Last error</tr>",
    );
    for (name, output) in &facts.outputs {
        output_row(out, name, output, now);
    }
    out.push_str("</table>");
}

fn output_row(out: &mut String, name: &str, facts: &OutputFacts, now: Timestamp) {
    let (class, next_try) = match &facts.state {
        OutputState::Active => ("good", None),
        OutputState::Retrying { next_try, .. } => ("warn", Some(*next_try)),
        OutputState::Parked { next_try, .. } => ("bad", Some(*next_try)),
    };
    let total = |of: &dyn Fn(&BlockKind) -> u64| BlockKind::ALL.iter().map(of).sum::<u64>();
    let balance = |kind: &BlockKind| facts.balance.get(kind).cloned().unwrap_or_default();
    let mut dropped = String::new();
    for kind in &BlockKind::ALL {
        for (reason, items) in balance(kind).dropped.iter().filter(|(_, items)| **items > 0) {
            let _ = write!(dropped, "<br>{items} {}", reason.name());
        }
    }
    let error = match &facts.last_error {
        Some((at, error)) => format!("{} ({})", escaped(error), ago(Some(*at), now)),
        None => "none".to_string(),
    };
    let _ = write!(
        out,
        "<tr><td>{}<td class={class}>{}<td class=number>{}<td class=number>{}<td class=number>{}<td>{}<td>{}\
         <td class=text>{error}</tr>",
        escaped(name),
        facts.state.name(),
        total(&|kind| balance(kind).delivered),
        total(&|kind| balance(kind).pending()),
        dropped.strip_prefix("<br>").unwrap_or("0"),
        ago(facts.last_success, now),
        next_try.map_or("–".to_string(), |next| format!("in {}", long(next.since(now)))),
    );
}

fn ago(moment: Option<Timestamp>, now: Timestamp) -> String {
    match moment {
        Some(moment) => format!("{} ago", long(now.since(moment))),
        None => "–".to_string(),
    }
}

/// A duration to its two greatest units, in whole seconds.
fn long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1024 / 1024),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        let now = Timestamp::from_seconds(100_000);
        let started = Timestamp::from_seconds(96_000);
        About {
            host: "pi<1>".to_string(),
            series: 7,
            series_limit: 100,
            refused: 3,
            started,
            now,
        }
    }

    #[test]
    fn an_agent_without_anything_says_what_to_do() {
        let page = page(&Facts::default(), &about());
        for text in [
            "<h1>Tawny on pi&lt;1&gt;</h1>",
            "running for 1 h 6 min.",
            "None is configured, so the agent collects nothing by itself.",
            "7 of at most 100; 3 samples were refused since the start.",
            "No output is configured, so nothing is journalled.",
            "Set API_KEY to deliver to Datadog.",
        ] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
        assert!(!page.contains("<script"));
    }

    #[test]
    fn errors_and_accounts_are_shown_escaped() {
        use crate::component::journal::{Balance, DropReason};
        let mut facts = Facts::default();
        let collector = CollectorFacts {
            interval: Duration::from_secs(30),
            failed: 1,
            succeeded: 2,
            last_error: Some("<b>no</b>".to_string()),
            ..CollectorFacts::default()
        };
        facts.collectors.insert("host".to_string(), collector);
        let balance = Balance {
            wrapped: 10,
            delivered: 5,
            dropped: [(DropReason::TooOld, 2)].into(),
        };
        let next_try = Timestamp::from_seconds(100_090);
        let output = OutputFacts {
            state: OutputState::Parked {
                next_try,
                reason: "403".to_string(),
            },
            balance: [(BlockKind::Points, balance)].into(),
            ..OutputFacts::default()
        };
        facts.outputs.insert("datadog".to_string(), output);
        let page = page(&facts, &about());
        for text in [
            "<td class=number>1 of 3<td class=\"text bad\">&lt;b&gt;no&lt;/b&gt;",
            "<td class=bad>parked<td class=number>5<td class=number>3<td class=number>2 too_old<td>–<td>in 1 min 30 s",
        ] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
    }
}
