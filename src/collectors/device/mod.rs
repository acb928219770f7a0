//! What only some devices have.
