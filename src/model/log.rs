//! A log record of an application, on its way to a destination for logs.

/// One record, as the application wrote it. Global tags and the host are not in it: they are added when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written, seconds since 1970-01-01 UTC.
    pub time: i64,
    /// A JSON object (UTF-8), as the client library writes it: `date`, `ddsource`, `ddtags` (list of `key:value`),
    /// `level`, `message`, `service` and whatever else.
    pub json: Box<str>,
}
