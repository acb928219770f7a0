//! Names that an application chose: a Prometheus that knows dots gets them, an older one gets them escaped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tawny::model::sample::{Name, Sample, Value};
use tawny::registry::board::Board;
use tawny::registry::own::OwnMetrics;
use tawny::registry::{Registry, RegistrySettings};
use tawny::runtime::server::{self, Bounds};
use tawny::runtime::web::{self, Web};
use tawny::support::shutdown::Stopper;
use tawny::support::time::Clock;

use crate::support::page::Series;
use crate::support::prometheus::Prometheus;
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// The server of the agent over a registry that the test fills; it ends with this value.
struct Page {
    address: String,
    stop: Option<Stopper>,
    server: Option<thread::JoinHandle<()>>,
}

impl Page {
    fn serve(registry: Arc<Registry>, clock: Clock) -> Self {
        let (stop, stopped) = Stopper::new();
        let (bound, address) = mpsc::sync_channel(1);
        let server = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                let (listener, at) = server::bind("127.0.0.1:0").await.expect("a free port");
                bound
                    .send(at.to_string())
                    .expect("the test waits for the address");
                let board = Arc::<Board>::default();
                let web = Web {
                    own: Arc::new(OwnMetrics::new(board.clone(), registry.clone(), clock.clone())),
                    registry,
                    board,
                    started: clock.now(),
                    clock,
                    host: "edge-7".to_owned(),
                    series_limit: 100,
                    created_lines: false,
                };
                server::serve(listener, web::router(web), Bounds::default(), stopped).await;
            });
        });
        let address = address.recv().expect("the server is bound");
        Self {
            address,
            stop: Some(stop),
            server: Some(server),
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.stop();
        }
        if let Some(server) = self.server.take() {
            // Its panic has failed the test already.
            let _ = server.join();
        }
    }
}

/// A registry as a feed would fill it.
fn filled(clock: &Clock) -> Arc<Registry> {
    let registry = Arc::new(Registry::new(RegistrySettings::default(), clock.clone()));
    let origin = registry.origin("application");
    let values = [
        ("app.requests.latency", Value::Gauge(0.25)),
        ("app.requests", Value::Delta(3.0)),
    ];
    for (name, value) in values {
        let labels = [("http.route", "/log in"), ("zone", "é")];
        let sample = Sample {
            name: Name::Given(name),
            labels: &labels,
            value,
            time: clock.now(),
        };
        registry.record(origin, &sample).expect("the registry has room");
    }
    registry
}

fn series(name: &str, route: &str) -> Series {
    let labels = BTreeMap::from([
        (route.to_owned(), "/log in".to_owned()),
        ("zone".to_owned(), "é".to_owned()),
    ]);
    (name.to_owned(), labels)
}

/// Has a Prometheus scrape the page, and returns what it holds of the application, by name and labels.
fn stored(service: Service) -> Option<BTreeMap<Series, f64>> {
    let program = need(service)?;
    let clock = Clock::system();
    let page = Page::serve(filled(&clock), clock);
    let prometheus = Prometheus::scraping(&program, &page.address);
    Some(wait_for("the application's metrics", PATIENCE, || {
        let samples = prometheus.samples().into_iter();
        let ours = samples.filter(|((name, _), _)| name.starts_with("app"));
        let ours = ours
            .map(|(series, values)| (series, values[0]))
            .collect::<BTreeMap<_, _>>();
        (!ours.is_empty()).then_some(ours)
    }))
}

#[test]
fn a_dotted_name_arrives_as_written_at_prometheus_3() {
    let Some(stored) = stored(Service::Prometheus3) else {
        return;
    };
    let expected = [
        (series("app.requests.latency", "http.route"), 0.25),
        (series("app.requests_total", "http.route"), 3.0),
    ];
    assert_eq!(stored, BTreeMap::from(expected));
}

#[test]
fn a_dotted_name_arrives_escaped_at_prometheus_2() {
    let Some(stored) = stored(Service::Prometheus2) else {
        return;
    };
    let expected = [
        (series("app_requests_latency", "http_route"), 0.25),
        (series("app_requests_total", "http_route"), 3.0),
    ];
    assert_eq!(stored, BTreeMap::from(expected));
}
