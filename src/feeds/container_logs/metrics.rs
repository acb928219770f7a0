//! The feed's metrics.

use crate::model::metric::MetricDef;

/// Lines by level.
pub static LINES: MetricDef = MetricDef::total(
    "container_logs_total",
    "Lines that the container has logged, by the level that their words say.",
)
.labels(&["container", "level", "machine"]);

/// Files deleted.
pub static REMOVED: MetricDef = MetricDef::total(
    "container_log_files_removed_total",
    "Rotated log files that were deleted: beyond max_files (number) or beyond total_size (size).",
)
.labels(&["machine", "reason"]);

/// What did not go well.
pub static FAILURES: MetricDef = MetricDef::total(
    "container_log_failures_total",
    "Failures while logs were followed: driver (it cannot be read), engine, file, handover, line_cut (longer than 64 MiB), removed (before it could be read), state.",
)
.labels(&["machine", "reason"]);
