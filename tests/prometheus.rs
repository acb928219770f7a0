//! Real Prometheus servers scrape the running agent and hold what its page said.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::agent::Agent;
use crate::support::page::{Page, Series};
use crate::support::prometheus::{Prometheus, canonical};
use crate::support::relay::{Exchange, Relay};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// What does not change while a test runs; on every machine, so that their absence is a fault.
const STATIC: [&str; 4] = [
    "host_memory_total_bytes",
    "host_cpus",
    "host_filesystem_size_bytes",
    "tawny_build_info",
];

/// How many scrapes a test compares: the second and later ones hold rates too.
const SCRAPES: usize = 3;

/// Every series of the pages with its values, oldest first.
fn of_pages(exchanges: &[Exchange]) -> BTreeMap<Series, Vec<f64>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for exchange in exchanges {
        for (series, value) in Page::parse(&exchange.page).samples {
            all.entry(canonical(series)).or_default().push(value);
        }
    }
    all
}

/// Has a Prometheus scrape a running agent, and compares all that it stored with all that the agent said.
fn holds_what_the_page_said(service: Service, content_type: &str) {
    let Some(program) = need(service) else { return };
    let agent = Agent::start(&[]);
    let relay = Relay::before(&agent.address());
    let prometheus = Prometheus::scraping(&program, &relay.address());

    let said = wait_for("the scrapes", PATIENCE, || {
        let said = relay.exchanges();
        (said.len() >= SCRAPES).then_some(said)
    });
    for exchange in &said {
        assert_eq!(exchange.status, 200);
        assert_eq!(
            exchange.content_type, content_type,
            "asked for: {}",
            exchange.accept
        );
        assert_eq!(
            exchange.content_encoding, "gzip",
            "asked for: {}",
            exchange.accept_encoding
        );
    }
    let said = of_pages(&said);
    // A scrape is stored a moment after it was answered; each further one adds a value at the end.
    let stored = wait_for("the stored scrapes", PATIENCE, || {
        let stored = prometheus.samples();
        said.iter()
            .all(|(series, values)| stored.get(series).is_some_and(|held| held.len() >= values.len()))
            .then_some(stored)
    });

    for (series, values) in &said {
        let held = stored[series].iter().take(values.len());
        let same = held
            .zip(values)
            .all(|(held, said)| held.to_bits() == said.to_bits());
        assert!(same, "{series:?}: said {values:?}, stored {:?}", stored[series]);
    }
    let names =
        |all: &BTreeMap<Series, Vec<f64>>| all.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(
        names(&stored),
        names(&of_pages(&relay.exchanges())),
        "names stored, and names on the page"
    );
    for name in STATIC {
        assert!(names(&said).contains(name), "{name} is not on the page");
    }
    let last = relay.exchanges().pop().expect("scrapes");
    let types = Page::parse(&last.page).types;
    assert_eq!(prometheus.types(), types, "families and their types");
}

#[test]
fn prometheus_3_holds_what_the_page_said() {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    holds_what_the_page_said(Service::Prometheus3, openmetrics);
}

#[test]
fn prometheus_2_holds_what_the_page_said() {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    holds_what_the_page_said(Service::Prometheus2, openmetrics);
}
