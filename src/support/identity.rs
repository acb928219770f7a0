//! Who this agent is: a random name that it keeps in its state folder, so that a restarted agent is the same one.

use std::fmt;

/// An agent's own name, shared with no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for AgentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}
