//! What the agent says of itself while it runs: text on stderr, or JSON lines on stdout.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::kinds::{Level, LogFormat};
use crate::config::settings::LogSettings;

/// Starts the log of the agent.
pub(super) fn start(settings: LogSettings) {
    let layer = match settings.format {
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_writer(io::stderr)
            .boxed(),
        // One flat object a line on stdout, where Chouette-IoT wrote it too.
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(io::stdout)
            .boxed(),
    };
    // A log that was started before, by a test, stays.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter(settings.level)))
        .try_init();
}

/// Starts the log of a command whose answer goes to stdout: warnings, as text.
pub(super) fn start_quiet() {
    start(LogSettings {
        level: Level::Warn,
        format: LogFormat::Text,
    });
}

/// Libraries say less than we do: their debug lines drown ours.
fn filter(level: Level) -> Targets {
    let ours = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    };
    let theirs = match level {
        Level::Trace => LevelFilter::DEBUG,
        Level::Debug | Level::Info => LevelFilter::WARN,
        _ => ours,
    };
    Targets::new().with_default(theirs).with_target("tawny", ours)
}

#[cfg(test)]
mod tests {
    use tracing::Level as Event;

    use super::*;

    #[test]
    fn libraries_say_less_than_we_do() {
        let filter = filter(Level::Debug);
        assert!(filter.would_enable("tawny::runtime", &Event::DEBUG));
        assert!(!filter.would_enable("tawny::runtime", &Event::TRACE));
        assert!(!filter.would_enable("hyper::client", &Event::INFO));
        assert!(filter.would_enable("hyper::client", &Event::WARN));
        assert!(!super::filter(Level::Off).would_enable("tawny", &Event::ERROR));
    }
}
