use std::collections::BTreeMap;

use super::*;
use crate::component::feed::FeedFacts;
use crate::component::journal::{Balance, Depth, DropReason, JournalStatus};
use crate::model::block::BlockKind;
use crate::registry::board::{CollectorFacts, OutputFacts, OutputState};
use crate::registry::limits::{OriginCounts, RecordError};

struct Fixed(Counts);

impl RegistryCounts for Fixed {
    fn counts(&self) -> Counts {
        self.0.clone()
    }
}

fn busy_board() -> Arc<Board> {
    let board = Arc::new(Board::default());
    {
        let mut facts = board.facts();
        facts.windows_closed = 6;
        facts.points_wrapped = 600;
        facts.lost.insert("late", 2);
        facts.clock_doubt = Some("1970".to_string());
        let collector = CollectorFacts {
            succeeded: 3,
            failed: 1,
            last_duration: Some(Duration::from_millis(1500)),
            last_success: Some(Timestamp::from_millis(1_800_000_000_250)),
            samples: 42,
            ..CollectorFacts::default()
        };
        facts.collectors.insert("ho\"st\\\n".to_string(), collector);
        facts
            .collectors
            .insert("idle".to_string(), CollectorFacts::default());
        let feed = FeedFacts {
            trouble: Some("it is away".to_string()),
            records: BTreeMap::from([("metrics", 50), ("logs", 5)]),
            unreadable: BTreeMap::from([("not_json", 6)]),
            ahead: 7,
            lost_claims: 8,
            taken_over: 9,
            waiting: 10,
            connections: 11,
            refused: BTreeMap::from([("not_allowed", 12)]),
            ..FeedFacts::default()
        };
        facts.feeds.insert("redis".to_string(), feed);
        let balance = Balance {
            wrapped: 100,
            delivered: 60,
            dropped: BTreeMap::from([(DropReason::TooOld, 10)]),
        };
        let output = OutputFacts {
            of_dead: false,
            takes: BlockKind::Points,
            state: OutputState::Parked {
                next_try: Timestamp::from_seconds(1_800_000_100),
                reason: "403".to_string(),
            },
            balance: BTreeMap::from([(BlockKind::Points, balance)]),
            depth: Depth {
                blocks: 3,
                items: 30,
                bytes: 300,
                oldest: Some(Timestamp::from_seconds(1_799_999_000)),
            },
            resent: 5,
            requests: BTreeMap::from([("202".to_string(), 7), ("timeout".to_string(), 1)]),
            sent_bytes: 1234,
            complaints: 1,
            cut: 4,
            last_success: Some(Timestamp::from_seconds(1_800_000_000)),
            last_error: None,
        };
        facts.outputs.insert("datadog".to_string(), output);
        facts.journal = Some(JournalStatus {
            bytes: 4096,
            bound: 1 << 26,
            write_error: Some("no space".to_string()),
            ..JournalStatus::default()
        });
    }
    board
}

fn refused(by_limit: u64) -> [(RecordError, u64); 5] {
    let count = |error: RecordError| {
        if error == RecordError::SeriesLimit {
            by_limit
        } else {
            0
        }
    };
    RecordError::ALL.map(|error| (error, count(error)))
}

fn busy() -> OwnMetrics {
    let counts = Counts {
        origins: vec![
            OriginCounts {
                name: "host".to_string(),
                series: 12,
                samples: 99,
                refused: refused(0),
            },
            OriginCounts {
                name: "redis".to_string(),
                series: 0,
                samples: 0,
                refused: refused(4),
            },
        ],
        ahead: 2,
        backlog: 3,
        evicted: 5,
        clashed: 1,
        window_bytes: 77,
        ..Counts::default()
    };
    let own = OwnMetrics::new(busy_board(), Arc::new(Fixed(counts)), Clock::system());
    own.scraped("text_0.0.4", Duration::from_millis(250));
    own.scraped("text_0.0.4", Duration::from_millis(250));
    own
}

fn lines(own: &OwnMetrics) -> Vec<String> {
    let families = own.families().into_iter();
    let text = families.flat_map(|family| {
        let line = move |(labels, value): (Labels, f64)| format!("{}{labels:?} {value}", family.def.name);
        family.series.into_iter().map(line)
    });
    text.collect()
}

#[test]
fn the_metrics_say_what_board_and_registry_say() {
    let lines = lines(&busy());
    for expected in [
        "tawny_clock_believed{} 0",
        "tawny_ready{} 0",
        "tawny_feed_up{feed=\"redis\"} 0",
        "tawny_feed_records_total{feed=\"redis\",kind=\"metrics\"} 50",
        "tawny_feed_records_total{feed=\"redis\",kind=\"logs\"} 5",
        "tawny_feed_unreadable_records_total{feed=\"redis\",reason=\"not_json\"} 6",
        "tawny_feed_ahead_records_total{feed=\"redis\"} 7",
        "tawny_feed_lost_claims_total{feed=\"redis\"} 8",
        "tawny_feed_taken_over_claims_total{feed=\"redis\"} 9",
        "tawny_feed_waiting_records{feed=\"redis\"} 10",
        "tawny_feed_connections{feed=\"redis\"} 11",
        "tawny_feed_refused_total{feed=\"redis\",reason=\"not_allowed\"} 12",
        "tawny_output_cut_items_total{output=\"datadog\"} 4",
        "tawny_windows_closed_total{} 6",
        "tawny_points_wrapped_total{} 600",
        "tawny_lost_items_total{reason=\"late\"} 2",
        "tawny_collector_duration_seconds{collector=\"ho\\\"st\\\\\\n\"} 1.5",
        "tawny_collector_success{collector=\"ho\\\"st\\\\\\n\"} 1",
        "tawny_collector_samples{collector=\"ho\\\"st\\\\\\n\"} 42",
        "tawny_collector_runs_total{collector=\"idle\",result=\"failure\"} 0",
        "tawny_collector_runs_total{collector=\"ho\\\"st\\\\\\n\",result=\"success\"} 3",
        "tawny_collector_last_success_timestamp_seconds{collector=\"ho\\\"st\\\\\\n\"} 1800000000.25",
        "tawny_output_wrapped_items_total{kind=\"points\",output=\"datadog\"} 100",
        "tawny_output_delivered_items_total{kind=\"points\",output=\"datadog\"} 60",
        "tawny_output_pending_items{kind=\"points\",output=\"datadog\"} 30",
        "tawny_output_dropped_items_total{kind=\"points\",output=\"datadog\",reason=\"too_old\"} 10",
        "tawny_output_dropped_items_total{kind=\"points\",output=\"datadog\",reason=\"refused\"} 0",
        "tawny_output_pending_blocks{output=\"datadog\"} 3",
        "tawny_output_pending_bytes{output=\"datadog\"} 300",
        "tawny_output_oldest_timestamp_seconds{output=\"datadog\"} 1799999000",
        "tawny_output_resent_items_total{output=\"datadog\"} 5",
        "tawny_output_requests_total{outcome=\"202\",output=\"datadog\"} 7",
        "tawny_output_sent_bytes_total{output=\"datadog\"} 1234",
        "tawny_output_complaints_total{output=\"datadog\"} 1",
        "tawny_output_last_success_timestamp_seconds{output=\"datadog\"} 1800000000",
        "tawny_output_next_try_timestamp_seconds{output=\"datadog\"} 1800000100",
        "tawny_output_state{output=\"datadog\",state=\"active\"} 0",
        "tawny_output_state{output=\"datadog\",state=\"parked\"} 1",
        "tawny_journal_size_bytes{} 4096",
        "tawny_journal_bound_bytes{} 67108864",
        "tawny_journal_oldest_timestamp_seconds{} 1799999000",
        "tawny_journal_writable{} 0",
        "tawny_registry_series{origin=\"host\"} 12",
        "tawny_registry_samples_total{origin=\"host\"} 99",
        "tawny_registry_ahead_samples_total{} 2",
        "tawny_registry_backlog_samples_total{} 3",
        "tawny_registry_evicted_series_total{} 5",
        "tawny_registry_refused_samples_total{origin=\"redis\",reason=\"series_limit\"} 4",
        "tawny_registry_window_bytes{} 77",
        "tawny_page_clashes_total{} 1",
        "tawny_scrapes_total{format=\"text_0.0.4\"} 2",
        "tawny_scrape_seconds_total{} 0.5",
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected} in {lines:#?}"
        );
    }
    let unknown = "tawny_collector_duration_seconds{collector=\"idle\"";
    assert!(!lines.iter().any(|line| line.starts_with(unknown)));
}

#[test]
fn every_declared_metric_reads_back_with_the_labels_of_its_definition() {
    let families = busy().families();
    let seen: Vec<&str> = families.iter().map(|family| family.def.name).collect();
    for def in OwnMetrics::catalogue() {
        assert!(seen.contains(&def.name), "{}", def.name);
        assert!(def.labels.is_sorted(), "{}", def.name);
        assert!(
            def.help.ends_with('.') && !def.help.contains('\n'),
            "{}",
            def.name
        );
        assert_eq!(
            def.kind == Kind::Total,
            def.name.ends_with("_total"),
            "{}",
            def.name
        );
    }
    assert_eq!(seen.len(), OwnMetrics::catalogue().len());
    for family in families {
        for (labels, _) in &family.series {
            let names: Vec<String> = labels.iter().map(|(name, _)| name.into_owned()).collect();
            assert_eq!(names, family.def.labels, "{}", family.def.name);
        }
    }
}

#[test]
fn the_process_tells_of_itself() {
    let families = busy().families();
    let value = |name: &str| {
        let family = families.iter().find(|family| family.def.name == name).unwrap();
        family.series[0].1
    };
    assert!(value("process_cpu_seconds_total") > 0.0);
    assert!(value("process_resident_memory_bytes") > 100_000.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_start_time_seconds") > 1_600_000_000.0);
}

#[test]
fn totals_that_the_journal_keeps_have_no_beginning() {
    for family in busy().families() {
        let kept = ["wrapped", "delivered", "dropped"].map(|what| format!("tawny_output_{what}_items_total"));
        assert_eq!(
            family.created.is_none(),
            kept.iter().any(|name| name == family.def.name)
        );
    }
}
