//! The queues that the client library writes in a Redis.
