//! Values that are well formed and yet impossible.

use std::time::Duration;

use crate::component::settings::Problems;
use crate::config::feeds::REDIS;
use crate::config::kinds::JournalKind;
use crate::config::settings::Settings;
use crate::support::quantity::{Size, Span};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Adds every impossible value. `settings` may hold defaults where something else was wrong.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    times(settings, problems);
    if settings.journal.directory.starts_with("~") {
        let message = format!(
            "expected a path, found `{}`",
            settings.journal.directory.display()
        );
        problems.add_with_hint(
            "journal.directory",
            message,
            "only a shell knows `~`; write the home out",
        );
    }
    counts(settings, problems);
    wrapper(settings, problems);
    histograms(settings, problems);
    for (index, tag) in settings.global_tags.iter().enumerate() {
        if tag.trim().is_empty() {
            problems.add(
                format!("global_tags[{index}]"),
                "expected `key:value`, found nothing",
            );
        }
    }
    for (name, collector) in &settings.collectors {
        let path = |key: &str| format!("collectors.{name}.{key}");
        at_least_a_second(&path("interval"), collector.interval, problems);
        if collector.timeout.0.is_zero() || collector.timeout > collector.interval {
            let most = collector.interval;
            problems.add(
                path("timeout"),
                format!(
                    "expected more than 0s and at most the interval, {most}, found {}",
                    collector.timeout
                ),
            );
        }
    }
}

/// Adds what is set to use a Redis where none is set.
pub(super) fn needs_redis(settings: &Settings, redis: bool, problems: &mut Problems) {
    if redis {
        return;
    }
    let hint = "set REDIS_HOST, TAWNY_REDIS_URL, or the section `redis`";
    if settings.journal.kind == JournalKind::Redis {
        problems.add_with_hint("journal.type", "is `redis`, and no Redis is set", hint);
    }
    for feed in settings.feeds.values().filter(|feed| feed.kind == REDIS) {
        problems.add_with_hint(
            feed.section.path.as_str(),
            "reads a Redis, and no Redis is set",
            hint,
        );
    }
}

fn times(settings: &Settings, problems: &mut Problems) {
    let interval = settings.interval;
    if interval.0 < SECOND || interval.0 > HOUR || interval.0.subsec_nanos() != 0 {
        problems.add(
            "interval",
            format!("expected whole seconds from 1s to 1h, found {interval}"),
        );
    }
    for (path, span) in [
        ("collect_interval", settings.collect_interval),
        ("release_interval", settings.release_interval),
        ("stale_after", settings.stale_after),
        ("shutdown_timeout", settings.shutdown_timeout),
        ("journal.time_to_live.logs", settings.journal.time_to_live.logs),
        ("journal.take_over_after", settings.journal.take_over_after),
    ] {
        at_least_a_second(path, span, problems);
    }
    let life = settings.journal.time_to_live.points;
    let window = interval.0.saturating_add(settings.grace.0);
    if window >= life.0 {
        let window = Span(window);
        problems.add_with_hint(
            "journal.time_to_live.points",
            format!("expected more than a window and its grace, {window} together, found {life}"),
            "else points are dropped before they can be sent",
        );
    } else if settings.release_interval >= life {
        problems.add_with_hint(
            "journal.time_to_live.points",
            format!(
                "expected more than `release_interval`, {}, found {life}",
                settings.release_interval
            ),
            "else points are dropped before they can be sent",
        );
    }
    if settings.grace.0 > HOUR {
        problems.add("grace", format!("expected at most 1h, found {}", settings.grace));
    }
}

fn at_least_a_second(path: &str, span: Span, problems: &mut Problems) {
    if span.0 < SECOND {
        problems.add(path, format!("expected at least 1s, found {span}"));
    }
}

fn counts(settings: &Settings, problems: &mut Problems) {
    for (path, count) in [
        ("bulk_size", settings.bulk_size),
        ("limits.series", settings.limits.series),
        ("limits.series_per_origin", settings.limits.series_per_origin),
    ] {
        if count == 0 {
            problems.add(path, "expected at least 1, found 0");
        }
    }
    if settings.journal.bound < Size::mebibytes(1) {
        problems.add(
            "journal.bound",
            format!("expected at least 1MiB, found {}", settings.journal.bound),
        );
    }
}

/// The most bounds that one histogram has; each is a series on the page.
const MOST_BUCKETS: usize = 100;

fn histograms(settings: &Settings, problems: &mut Problems) {
    for (index, rule) in settings.histograms.iter().enumerate() {
        if rule.pattern.is_empty() {
            problems.add_with_hint(
                format!("histograms[{index}].match"),
                "expected the name of a metric, found nothing",
                "`*` stands for any text",
            );
        }
        let path = format!("histograms[{index}].buckets");
        let ascending = rule.buckets.windows(2).all(|pair| pair[0] < pair[1]);
        if !rule.buckets.iter().all(|bound| bound.is_finite()) || !ascending {
            problems.add(path, "expected numbers, each greater than the one before");
        } else if rule.buckets.is_empty() || rule.buckets.len() > MOST_BUCKETS {
            let found = rule.buckets.len();
            problems.add(
                path,
                format!("expected 1 to {MOST_BUCKETS} bounds, found {found}"),
            );
        }
    }
}

fn wrapper(settings: &Settings, problems: &mut Problems) {
    for (index, percentile) in settings.wrapper.histogram_percentiles.iter().enumerate() {
        if *percentile > 0.0 && *percentile < 1.0 {
            continue;
        }
        let path = format!("wrapper.histogram_percentiles[{index}]");
        let message = format!("expected a number above 0 and below 1, found {percentile}");
        if *percentile >= 1.0 {
            problems.add_with_hint(path, message, "0.95 is the 95th percentile");
        } else {
            problems.add(path, message);
        }
    }
}
