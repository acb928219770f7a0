//! Every metric of the agent itself, declared once.

use crate::model::metric::MetricDef;

macro_rules! metrics {
    ($($name:ident = $def:expr;)*) => {
        $(pub(super) static $name: MetricDef = $def;)*
        /// All of them, for the reference page and for whoever checks names against them.
        pub(super) static ALL: &[&MetricDef] = &[$(&$name),*];
    };
}

metrics! {
    BUILD_INFO = MetricDef::gauge("tawny_build_info", "What is running; always 1.")
        .labels(&["arch", "os", "version"]);
    CLOCK_BELIEVED = MetricDef::gauge("tawny_clock_believed", "Whether the wall clock is believed (1) or implausible (0).");
    READY = MetricDef::gauge("tawny_ready", "Whether every part of the agent is ready (1) or one is not (0).");

    COLLECTOR_DURATION = MetricDef::gauge("tawny_collector_duration_seconds", "How long the last run of a collector took.")
        .labels(&["collector"]);
    COLLECTOR_SUCCESS = MetricDef::gauge("tawny_collector_success", "Whether the last run of a collector succeeded (1) or failed (0).")
        .labels(&["collector"]);
    COLLECTOR_RUNS = MetricDef::total("tawny_collector_runs_total", "Completed runs of a collector by result.")
        .labels(&["collector", "result"]);
    COLLECTOR_LAST_SUCCESS = MetricDef::gauge("tawny_collector_last_success_timestamp_seconds", "When a run of a collector last succeeded.")
        .labels(&["collector"]);
    COLLECTOR_SAMPLES = MetricDef::gauge("tawny_collector_samples", "Samples that the last run of a collector found.")
        .labels(&["collector"]);

    FEED_UP = MetricDef::gauge("tawny_feed_up", "Whether a feed can take in (1) or is in trouble (0).")
        .labels(&["feed"]);
    FEED_RECORDS = MetricDef::total("tawny_feed_records_total", "Records of applications that were taken in and journalled, by kind.")
        .labels(&["feed", "kind"]);
    FEED_UNREADABLE = MetricDef::total("tawny_feed_unreadable_records_total", "Records that were set aside because they cannot be read, by reason.")
        .labels(&["feed", "reason"]);
    FEED_AHEAD = MetricDef::total("tawny_feed_ahead_records_total", "Records that were more than ten minutes ahead and were stamped with now.")
        .labels(&["feed"]);
    FEED_WAITING = MetricDef::gauge("tawny_feed_waiting_records", "Records that wait to be taken in, as far as known.")
        .labels(&["feed"]);
    FEED_LOST_CLAIMS = MetricDef::total("tawny_feed_lost_claims_total", "Claims that another agent took because this one let them expire.")
        .labels(&["feed"]);
    FEED_TAKEN_OVER = MetricDef::total("tawny_feed_taken_over_claims_total", "Claims of dead agents that this one took over.")
        .labels(&["feed"]);
    FEED_CONNECTIONS = MetricDef::gauge("tawny_feed_connections", "Connections of applications that are open.")
        .labels(&["feed"]);
    FEED_REFUSED = MetricDef::total("tawny_feed_refused_total", "Connections and requests of applications that were turned away, by reason.")
        .labels(&["feed", "reason"]);

    OUTPUT_WRAPPED = MetricDef::total("tawny_output_wrapped_items_total", "Items that were journalled for an output, across restarts. They are delivered, pending or dropped.")
        .labels(&["kind", "output"]);
    OUTPUT_DELIVERED = MetricDef::total("tawny_output_delivered_items_total", "Items that the destination has acknowledged, across restarts.")
        .labels(&["kind", "output"]);
    OUTPUT_DROPPED = MetricDef::total("tawny_output_dropped_items_total", "Items that were given up for an output, by reason, across restarts.")
        .labels(&["kind", "output", "reason"]);
    OUTPUT_PENDING = MetricDef::gauge("tawny_output_pending_items", "Items in the journal that wait for an output.")
        .labels(&["kind", "output"]);
    OUTPUT_PENDING_BLOCKS = MetricDef::gauge("tawny_output_pending_blocks", "Blocks in the journal that wait for an output.")
        .labels(&["output"]);
    OUTPUT_PENDING_BYTES = MetricDef::gauge("tawny_output_pending_bytes", "Payload of the blocks that wait for an output.")
        .labels(&["output"]);
    OUTPUT_OLDEST = MetricDef::gauge("tawny_output_oldest_timestamp_seconds", "Time of the oldest item that waits for an output.")
        .labels(&["output"]);
    OUTPUT_RESENT = MetricDef::total("tawny_output_resent_items_total", "Items that were sent again although an earlier request may have arrived.")
        .labels(&["output"]);
    OUTPUT_REQUESTS = MetricDef::total("tawny_output_requests_total", "Requests to a destination by outcome: the status code, or what failed.")
        .labels(&["outcome", "output"]);
    OUTPUT_SENT_BYTES = MetricDef::total("tawny_output_sent_bytes_total", "Compressed bodies of the requests that a destination took.")
        .labels(&["output"]);
    OUTPUT_COMPLAINTS = MetricDef::total("tawny_output_complaints_total", "Complaints in the answers of a destination that took the request all the same.")
        .labels(&["output"]);
    OUTPUT_CUT = MetricDef::total("tawny_output_cut_items_total", "Log entries that were cut to the longest that a destination takes.")
        .labels(&["output"]);
    OUTPUT_LAST_SUCCESS = MetricDef::gauge("tawny_output_last_success_timestamp_seconds", "When a destination last took a request.")
        .labels(&["output"]);
    OUTPUT_NEXT_TRY = MetricDef::gauge("tawny_output_next_try_timestamp_seconds", "When an output that is retrying or parked tries next.")
        .labels(&["output"]);
    OUTPUT_STATE = MetricDef::gauge("tawny_output_state", "What an output is doing: 1 for its state, 0 for the others.")
        .labels(&["output", "state"]);

    JOURNAL_SIZE = MetricDef::gauge("tawny_journal_size_bytes", "What the journal takes on its medium.");
    JOURNAL_BOUND = MetricDef::gauge("tawny_journal_bound_bytes", "What the journal may take; of one in Redis with a place on disk beside it, both together.");
    JOURNAL_PAYLOAD = MetricDef::gauge("tawny_journal_payload_bytes", "Payload of the blocks that some output waits for.");
    JOURNAL_BLOCKS = MetricDef::gauge("tawny_journal_blocks", "Blocks that some output waits for.");
    JOURNAL_ITEMS = MetricDef::gauge("tawny_journal_items", "Items that some output waits for.");
    JOURNAL_OLDEST = MetricDef::gauge("tawny_journal_oldest_timestamp_seconds", "Time of the oldest item that some output waits for.");
    JOURNAL_WRITTEN = MetricDef::total("tawny_journal_written_bytes_total", "What was written to the journal's medium since the start.");
    JOURNAL_DAMAGED = MetricDef::total("tawny_journal_damaged_records_total", "Damaged records that were skipped and torn ends that were cut since the start.");
    JOURNAL_FOREIGN = MetricDef::gauge("tawny_journal_foreign_blocks", "Blocks of a newer format, which are kept and skipped.");
    JOURNAL_WRITABLE = MetricDef::gauge("tawny_journal_writable", "Whether the last write to the journal succeeded (1) or failed (0).");

    REGISTRY_SERIES = MetricDef::gauge("tawny_registry_series", "Series that the registry holds, by origin.")
        .labels(&["origin"]);
    REGISTRY_SAMPLES = MetricDef::total("tawny_registry_samples_total", "Samples that the registry has recorded, by origin.")
        .labels(&["origin"]);
    REGISTRY_AHEAD = MetricDef::total("tawny_registry_ahead_samples_total", "Samples that were more than ten minutes ahead and were stamped with now.");
    REGISTRY_BACKLOG = MetricDef::total("tawny_registry_backlog_samples_total", "Samples that were too old for the page and reached the push only.");
    REGISTRY_EVICTED = MetricDef::total("tawny_registry_evicted_series_total", "Idle series that went because a limit needed their room.");
    REGISTRY_REFUSED = MetricDef::total("tawny_registry_refused_samples_total", "Samples that the registry has refused, by origin and reason.")
        .labels(&["origin", "reason"]);
    REGISTRY_WINDOWS = MetricDef::gauge("tawny_registry_window_bytes", "Memory that observations in open windows take.");
    PAGE_CLASHES = MetricDef::total("tawny_page_clashes_total", "Families that were left out of a page because their names clash on it.");

    WINDOWS_CLOSED = MetricDef::total("tawny_windows_closed_total", "Windows that were closed.");
    POINTS_WRAPPED = MetricDef::total("tawny_points_wrapped_total", "Points that windows became.");
    LOST = MetricDef::total("tawny_lost_items_total", "Items that were given up before they reached a window or the journal, by reason.")
        .labels(&["reason"]);

    SCRAPES = MetricDef::total("tawny_scrapes_total", "Pages that were written to their end, by format.")
        .labels(&["format"]);
    SCRAPE_TIME = MetricDef::total("tawny_scrape_seconds_total", "Time that was spent on writing pages.");

    PROCESS_CPU = MetricDef::total("process_cpu_seconds_total", "User and system CPU time that the agent has used.");
    PROCESS_RESIDENT = MetricDef::gauge("process_resident_memory_bytes", "Physical memory that the agent occupies.");
    PROCESS_VIRTUAL = MetricDef::gauge("process_virtual_memory_bytes", "Address space that the agent occupies.");
    PROCESS_OPEN_FDS = MetricDef::gauge("process_open_fds", "File descriptors that the agent has open.");
    PROCESS_MAX_FDS = MetricDef::gauge("process_max_fds", "File descriptors that the agent may have open.");
    PROCESS_START = MetricDef::gauge("process_start_time_seconds", "When the agent was started.");
}

/// Counters that did not begin with this process: the journal keeps them.
pub(super) static KEPT: [&MetricDef; 3] = [&OUTPUT_WRAPPED, &OUTPUT_DELIVERED, &OUTPUT_DROPPED];
