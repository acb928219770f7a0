//! Start and stop, the scheduler, and the HTTP server.
