//! The names of the keys: the queues as the client library writes them, and the feed's own beside them.

use crate::component::journal::ReceiptId;

/// A queue: a sorted set of keys by time, and a hash of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Queue {
    /// Points that the original agent wrapped and did not send any more.
    Wrapped,
    /// Metric records.
    Raw,
    /// Log records.
    Logs,
}

impl Queue {
    /// Every queue, in the order in which they are read.
    pub(super) const ALL: [Self; 3] = [Self::Wrapped, Self::Raw, Self::Logs];

    /// Its name in keys, claims and logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wrapped => "metrics:wrapped",
            Self::Raw => "metrics:raw",
            Self::Logs => "logs:wrapped",
        }
    }

    /// What its records are counted as.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Wrapped => "points",
            Self::Raw => "metrics",
            Self::Logs => "logs",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }
}

/// The keys below one prefix. With a `{tag}` in it all of them lie in one slot of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// The sorted set of a queue.
    pub(super) fn keys(&self, queue: Queue) -> String {
        format!("{}:{}.keys", self.prefix, queue.name())
    }

    /// The hash of a queue.
    pub(super) fn values(&self, queue: Queue) -> String {
        format!("{}:{}.values", self.prefix, queue.name())
    }

    /// The hash of all claims: id to [`Entry`].
    pub(super) fn claims(&self) -> String {
        format!("{}:claims", self.prefix)
    }

    /// The list of what a claim has taken.
    pub(super) fn list(&self, id: ReceiptId) -> String {
        format!("{}:claim:{id}", self.prefix)
    }

    /// Who holds a claim, for as long as it does.
    pub(super) fn lease(&self, id: ReceiptId) -> String {
        format!("{}:lease:{id}", self.prefix)
    }

    /// The list of samples of what could not be read.
    pub(super) fn dead(&self) -> String {
        format!("{}:dead", self.prefix)
    }
}

/// How far a claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Whoever holds the lease works on it; nothing of it is journalled.
    Open,
    /// It belongs to its owner for ever, whose own journal alone knows whether it is in.
    Sealed,
    /// It is journalled; what is left of it may be removed by anybody.
    Done,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Done => "done",
        }
    }
}

/// What the table says of one claim: `state|owner|queue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) owner: String,
    pub(super) queue: Queue,
}

impl Entry {
    /// `None` for what no agent of ours wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (state, owner, queue) = (parts.next()?, parts.next()?, parts.next()?);
        let state = [State::Open, State::Sealed, State::Done]
            .into_iter()
            .find(|known| known.name() == state)?;
        let whole = parts.next().is_none();
        whole.then_some(Self {
            state,
            owner: owner.to_owned(),
            queue: Queue::named(queue)?,
        })
    }

    /// As it stands in the table.
    pub(super) fn text(state: State, owner: &str, queue: Queue) -> String {
        format!("{}|{owner}|{}", state.name(), queue.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_client_library() {
        let keys = Keys::new("chouette".to_owned());
        assert_eq!(keys.keys(Queue::Raw), "chouette:metrics:raw.keys");
        assert_eq!(keys.values(Queue::Wrapped), "chouette:metrics:wrapped.values");
        assert_eq!(keys.keys(Queue::Logs), "chouette:logs:wrapped.keys");
        assert_eq!(
            keys.lease(ReceiptId(0xab)),
            "chouette:lease:000000000000000000000000000000ab"
        );
    }

    #[test]
    fn an_entry_reads_back_and_a_strange_one_does_not() {
        for state in [State::Open, State::Sealed, State::Done] {
            let text = Entry::text(state, "a1", Queue::Raw);
            let entry = Entry {
                state,
                owner: "a1".to_owned(),
                queue: Queue::Raw,
            };
            assert_eq!(Entry::parse(&text), Some(entry));
        }
        for strange in [
            "",
            "open",
            "open|a",
            "open|a|metrics:raw|x",
            "held|a|metrics:raw",
            "open|a|x",
        ] {
            assert_eq!(Entry::parse(strange), None, "{strange}");
        }
    }
}
