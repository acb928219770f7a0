//! What the HTTP server answers: `/metrics`, `/-/healthy`, `/-/ready`, and the status page on `/`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;

use crate::model::time::Timestamp;
use crate::registry::Registry;
use crate::registry::board::Board;
use crate::registry::expose::{self, PageRequest};
use crate::registry::own::OwnMetrics;
use crate::runtime::status::{self, About};
use crate::support::time::Clock;

/// What the answers are made of.
#[derive(Clone, Debug)]
pub struct Web {
    /// The series.
    pub registry: Arc<Registry>,
    /// The agent's own metrics.
    pub own: Arc<OwnMetrics>,
    /// What the agent knows of itself.
    pub board: Arc<Board>,
    /// Says when.
    pub clock: Clock,
    /// When the process started.
    pub started: Timestamp,
    /// The host's name, as it is sent.
    pub host: String,
    /// How many series there may be.
    pub series_limit: u64,
    /// Whether pages carry `_created` lines without being asked.
    pub created_lines: bool,
}

/// The routes.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .fallback(not_found)
        .with_state(web)
}

async fn root(state: State<Web>, headers: HeaderMap, query: RawQuery) -> Response {
    if !wants_html(&headers) {
        return metrics(state, headers, query).await;
    }
    let web = state.0;
    let counts = web.registry.counts();
    let about = About {
        host: web.host.clone(),
        series: counts.series,
        series_limit: web.series_limit,
        refused: counts
            .origins
            .iter()
            .flat_map(|origin| &origin.refused)
            .map(|(_, samples)| samples)
            .sum(),
        started: web.started,
        now: web.clock.now(),
    };
    let facts = web.board.facts().clone();
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, status::page(&facts, &about)).into_response()
}

async fn metrics(State(web): State<Web>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let accept = joined(&headers, header::ACCEPT);
    let encoding = joined(&headers, header::ACCEPT_ENCODING);
    let mut request = PageRequest::new(&accept, &encoding, &query.unwrap_or_default());
    request.created.get_or_insert(web.created_lines);
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, request.content_type())
        .header(header::VARY, "Accept, Accept-Encoding");
    if request.gzip {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let page = expose::page(web.registry.clone(), web.own.clone(), request);
    let body = Body::from_stream(stream::iter(page.map(Ok::<_, Infallible>)));
    response
        .body(body)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn healthy() -> &'static str {
    "healthy\n"
}

async fn ready(State(web): State<Web>) -> (StatusCode, String) {
    let facts = web.board.facts();
    let reasons = facts.reasons();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_string());
    }
    let lines = reasons
        .iter()
        .map(|(part, reason)| format!("{part}: {reason}\n"))
        .collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

async fn not_found() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "Nothing is here. There are /, /metrics, /-/healthy and /-/ready.\n",
    )
}

/// Whether the peer is a browser: it names HTML; Prometheus and curl do not.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = joined(headers, header::ACCEPT).to_ascii_lowercase();
    accept.split(',').any(|wanted| {
        let mut parts = wanted.split(';').map(str::trim);
        parts.next() == Some("text/html") && !parts.any(is_refusal)
    })
}

/// Whether a parameter of a media type says that it is not wanted: a weight of zero.
fn is_refusal(parameter: &str) -> bool {
    parameter
        .strip_prefix("q=")
        .and_then(|weight| weight.parse::<f32>().ok())
        .is_some_and(|weight| weight <= 0.0)
}

/// A header that may stand several times, as one list; empty where there is none.
fn joined(headers: &HeaderMap, name: header::HeaderName) -> String {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::to_str)
        .filter_map(Result::ok)
        .collect();
    values.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_page_is_for_those_who_ask_for_html() {
        let wants = |accept: &'static str| {
            wants_html(&HeaderMap::from_iter([(
                header::ACCEPT,
                HeaderValue::from_static(accept),
            )]))
        };
        for browser in [
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "*/*, Text/HTML; q=0.1",
        ] {
            assert!(wants(browser), "{browser}");
        }
        for other in [
            "",
            "*/*",
            "text/html;q=0, */*",
            "text/html; q=0.000",
            "text/html-like",
        ] {
            assert!(!wants(other), "{other}");
        }
    }
}
