//! Where points are sent.
//!
//! * [`datadog`]: Datadog and intakes that speak its protocol
//! * [`console`]: a writer, as text or JSON lines

pub mod console;
pub mod datadog;
