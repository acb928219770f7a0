//! What the agent says of its journal: the points that wait in it, and the account of an output.

use std::collections::{BTreeMap, BTreeSet};
use std::str;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::intake::{Kind, PointKey};
use crate::support::page::Page;
use crate::support::wait::{PATIENCE, wait_for};

/// One line of `tawny journal export`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exported {
    pub(crate) metric: String,
    /// Without the global ones.
    pub(crate) tags: BTreeSet<String>,
    pub(crate) kind: Kind,
    /// Seconds.
    pub(crate) interval: i64,
    /// Unix seconds.
    pub(crate) time: i64,
    pub(crate) value: f64,
}

impl Exported {
    fn read(line: &str) -> Self {
        let point: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("no text: {line}"))
                .to_owned()
        };
        let tags = point["tags"]
            .as_array()
            .unwrap_or_else(|| panic!("no tags: {line}"));
        Self {
            metric: text(&point["metric"]),
            tags: tags.iter().map(text).collect(),
            kind: match point["type"].as_str() {
                Some("gauge") => Kind::Gauge,
                Some("count") => Kind::Count,
                Some("rate") => Kind::Rate,
                _ => panic!("no type: {line}"),
            },
            interval: point["interval"]
                .as_i64()
                .unwrap_or_else(|| panic!("no interval: {line}")),
            time: point["time"]
                .as_i64()
                .unwrap_or_else(|| panic!("no time: {line}")),
            value: point["value"]
                .as_f64()
                .unwrap_or_else(|| panic!("no value: {line}")),
        }
    }

    /// What Datadog should know the point by when `host` sends it with these global tags.
    pub(crate) fn key(&self, host: &str, global: &[&str]) -> PointKey {
        let own = self.tags.iter().map(|tag| as_datadog_has_it(tag));
        PointKey {
            name: self.metric.clone(),
            host: host.to_owned(),
            tags: own.chain(global.iter().map(ToString::to_string)).collect(),
            kind: self.kind,
            time: self.time,
        }
    }
}

/// A tag by Datadog's rules: in lower case, `_` for what is not allowed, no colon at the end.
fn as_datadog_has_it(tag: &str) -> String {
    let allowed = |c: char| {
        if c.is_alphanumeric() || "_-:./".contains(c) {
            c
        } else {
            '_'
        }
    };
    let tag = tag.to_lowercase().chars().map(allowed).collect::<String>();
    tag.trim_end_matches(':').to_owned()
}

/// Every point that waits in the agent's journal; the agent may run or not.
///
/// # Panics
///
/// When `tawny journal export` fails, or prints what is no point.
pub(crate) fn exported(agent: &Agent) -> Vec<Exported> {
    let output = agent.command_output(&["journal", "export"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "journal export: {}: {errors}",
        output.status
    );
    let text = str::from_utf8(&output.stdout).expect("the export is UTF-8");
    text.lines().map(Exported::read).collect()
}

/// What the intake has to hold once all these points have arrived.
///
/// # Panics
///
/// When two points are one to Datadog: it would keep only the later.
pub(crate) fn truth(points: &[Exported], host: &str, global: &[&str]) -> BTreeMap<PointKey, f64> {
    let mut truth = BTreeMap::new();
    for point in points {
        let before = truth.insert(point.key(host, global), point.value);
        assert_eq!(before, None, "the journal holds a point twice: {point:?}");
    }
    truth
}

/// The account of an output, `datadog` where none is named, as the agent's page tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) wrapped: u64,
    pub(crate) delivered: u64,
    pub(crate) pending: u64,
    /// By reason; those without any are left out.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Points that were sent again although an earlier request may have arrived, since the start.
    pub(crate) resent: u64,
}

impl Account {
    /// The account of this moment; `None` while the agent does not answer or has not said it yet.
    pub(crate) fn of(agent: &Agent) -> Option<Self> {
        Self::of_output(agent, "datadog")
    }

    /// The account of another output.
    pub(crate) fn of_output(agent: &Agent, output: &str) -> Option<Self> {
        let page = page(agent)?;
        let of = |name: &str| {
            let family = page.of(name).into_iter();
            family.filter(|(labels, _)| labels["output"] == output)
        };
        let one = |name: &str| of(name).next().map(|(_, value)| whole(value));
        let dropped = of("tawny_output_dropped_items_total");
        Some(Self {
            wrapped: one("tawny_output_wrapped_items_total")?,
            delivered: one("tawny_output_delivered_items_total")?,
            pending: one("tawny_output_pending_items")?,
            dropped: dropped
                .map(|(labels, value)| (labels["reason"].clone(), whole(value)))
                .filter(|(_, items)| *items > 0)
                .collect(),
            resent: one("tawny_output_resent_items_total")?,
        })
    }

    /// Waits until the account is as wished.
    ///
    /// # Panics
    ///
    /// When that does not happen, or when the account does not close meanwhile.
    pub(crate) fn wait(agent: &Agent, what: &str, wish: impl Fn(&Self) -> bool) -> Self {
        Self::wait_of("datadog", agent, what, wish)
    }

    /// The same for another output.
    pub(crate) fn wait_of(output: &str, agent: &Agent, what: &str, wish: impl Fn(&Self) -> bool) -> Self {
        wait_for(what, PATIENCE * 3, || {
            let account = Self::of_output(agent, output)?;
            account.assert_closes();
            wish(&account).then_some(account)
        })
    }

    /// Waits until nothing waits for the output any more.
    pub(crate) fn wait_settled(agent: &Agent) -> Self {
        Self::wait(agent, "an empty journal", |account| {
            account.wrapped > 0 && account.pending == 0
        })
    }

    /// Checks that every wrapped point is delivered, pending or dropped.
    pub(crate) fn assert_closes(&self) {
        let dropped = self.dropped.values().sum::<u64>();
        assert_eq!(self.wrapped, self.delivered + self.pending + dropped, "{self:?}");
    }
}

/// What the agent's output is doing: `active`, `retrying` or `parked`.
pub(crate) fn output_state(agent: &Agent) -> Option<String> {
    let page = page(agent)?;
    let states = page.of("tawny_output_state");
    let current = states.into_iter().find(|(_, value)| *value == 1.0)?;
    Some(current.0["state"].clone())
}

/// Waits until the output is in this state.
pub(crate) fn wait_for_state(agent: &Agent, state: &str) {
    wait_for(&format!("the output to be {state}"), PATIENCE, || {
        (output_state(agent).as_deref() == Some(state)).then_some(())
    });
}

/// A metric of the agent's page without labels, or the sum over its labels.
pub(crate) fn reading(agent: &Agent, name: &str) -> Option<f64> {
    let page = page(agent)?;
    let values = page.of(name);
    (!values.is_empty()).then(|| values.into_values().sum())
}

fn page(agent: &Agent) -> Option<Page> {
    let answer = agent.answers("/metrics")?;
    Some(Page::parse(&answer.text()))
}

fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "no count: {value}");
    value as u64
}

#[test]
fn a_tag_is_written_as_datadog_keeps_it() {
    assert_eq!(as_datadog_has_it("Device:/dev/Disk 1"), "device:/dev/disk_1");
    assert_eq!(as_datadog_has_it("bare:"), "bare");
}
