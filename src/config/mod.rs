//! Files, environment and flags become checked settings.
