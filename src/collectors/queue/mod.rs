//! Task queues.
//!
//! * [`dramatiq`]: how many messages wait in the queues of dramatiq, in Redis or in RabbitMQ

pub mod dramatiq;
