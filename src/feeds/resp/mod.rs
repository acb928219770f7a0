//! The client library without a Redis: the agent answers the few commands that it uses.
