//! Child processes: with a deadline, a cap on what they say, and an end that is waited for.
