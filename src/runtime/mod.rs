//! Start and stop of the agent.
//!
//! * [`agent`]: the parts and their order
//! * [`stage`]: tasks that are stopped together
//! * [`scheduler`]: runs collectors
//! * `journals`: opens the journal where the settings say
//! * `feeding`: starts the feeds
//! * `adoption`: delivers what agents that are gone have left
//! * [`self_metrics`]: the original's metrics about itself
//! * [`dry_run`]: prints instead of journalling
//! * [`server`]: accepts connections; [`web`]: what is answered; [`status`]: the status page
//! * `told`: what the parts are told of the settings
//! * [`signals`]: what ends the agent

mod adoption;
pub mod agent;
pub mod dry_run;
mod feeding;
mod journals;
pub mod scheduler;
pub mod self_metrics;
pub mod server;
pub mod signals;
pub mod stage;
pub mod status;
mod told;
pub mod web;
