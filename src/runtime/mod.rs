//! Start and stop of the agent.
//!
//! * [`agent`]: the parts and their order
//! * [`stage`]: tasks that are stopped together
//! * [`scheduler`]: runs collectors
//! * [`dry_run`]: prints instead of journalling
//! * [`server`]: accepts connections; [`web`]: what is answered; [`status`]: the status page
//! * [`signals`]: what ends the agent

pub mod agent;
pub mod dry_run;
pub mod scheduler;
pub mod server;
pub mod signals;
pub mod stage;
pub mod status;
pub mod web;
