//! Who is let in, and which keys are there.

use std::net::IpAddr;

use tracing::warn;

use crate::feeds::resp::network::Network;
use crate::feeds::resp::settings::is_here;
use crate::feeds::resp::write::Queue;
use crate::support::secret::Secret;

/// How a login went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Name and password are right, or none are wanted.
    Right,
    /// They are not.
    Wrong,
}

/// One of the two keys of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The sorted set: times by record.
    Times(Queue),
    /// The hash: contents by record.
    Values(Queue),
}

/// What is asked of clients.
#[derive(Debug)]
pub(super) struct Access {
    password: Option<Secret>,
    username: String,
    allow: Vec<Network>,
    prefix: String,
}

impl Access {
    /// A password for everybody, a name besides `default`, the networks that are let in (all, where none is given),
    /// and what keys begin with.
    pub(super) fn new(
        password: Option<Secret>,
        username: String,
        allow: Vec<Network>,
        prefix: String,
    ) -> Self {
        Self {
            password,
            username,
            allow,
            prefix,
        }
    }

    /// Whether clients of this address may connect. This machine's always may: whoever is on it reaches the agent in
    /// other ways, and a list of networks is made for others.
    pub(super) fn lets_in(&self, address: IpAddr) -> bool {
        self.allow.is_empty()
            || is_here(address)
            || self.allow.iter().any(|network| network.contains(address))
    }

    /// Whether a password is wanted.
    pub(super) fn wants_password(&self) -> bool {
        self.password.is_some()
    }

    /// Checks a login. A password that cannot be read lets nobody in.
    pub(super) fn check(&self, user: &[u8], password: &[u8]) -> Login {
        let named = user == b"default" || (!self.username.is_empty() && user == self.username.as_bytes());
        let right = match &self.password {
            None => true,
            Some(secret) => match secret.expose() {
                Ok(secret) => same(secret.as_bytes(), password),
                Err(error) => {
                    warn!(%error, "Nobody can log in to the feed.");
                    false
                }
            },
        };
        if named && right {
            Login::Right
        } else {
            Login::Wrong
        }
    }

    /// Which of the feed's keys this is; `None` for any other.
    pub(super) fn key(&self, key: &[u8]) -> Option<Key> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        match rest {
            b":metrics:raw.keys" => Some(Key::Times(Queue::Metrics)),
            b":metrics:raw.values" => Some(Key::Values(Queue::Metrics)),
            b":logs:wrapped.keys" => Some(Key::Times(Queue::Logs)),
            b":logs:wrapped.values" => Some(Key::Values(Queue::Logs)),
            _ => None,
        }
    }

    /// What keys begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Compares in a time that depends on the lengths alone.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differing = left
        .iter()
        .zip(right)
        .fold(0, |all, (left, right)| all | (left ^ right));
    left.len() == right.len() && std::hint::black_box(differing) == 0
}
