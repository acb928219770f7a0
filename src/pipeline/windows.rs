//! Where the closer takes windows from.

use crate::model::time::Timestamp;
use crate::model::window::Window;
use crate::registry::Registry;

/// Where open windows are taken from: the registry.
pub trait Windows: Send + Sync {
    /// Takes the windows that end at or before `before`, each start once.
    fn take_closed(&self, before: Timestamp) -> Vec<Window>;
    /// Takes the windows that start before `start`, whether they have ended or not.
    fn take_starting_before(&self, start: Timestamp) -> Vec<Window>;
    /// Takes all windows.
    fn take_all(&self) -> Vec<Window>;
    /// Puts counts of a window that no second is left for into the oldest open one, and returns how many series
    /// had to be dropped.
    fn fold_late(&self, window: Window) -> u64;
    /// Forgets what is stale; called once an interval.
    fn sweep(&self);
}

impl Windows for Registry {
    fn take_closed(&self, before: Timestamp) -> Vec<Window> {
        Self::take_closed(self, before)
    }

    fn take_starting_before(&self, start: Timestamp) -> Vec<Window> {
        Self::take_starting_before(self, start)
    }

    fn take_all(&self) -> Vec<Window> {
        Self::take_all(self)
    }

    fn fold_late(&self, window: Window) -> u64 {
        Self::fold_late(self, window)
    }

    fn sweep(&self) {
        Self::sweep(self);
    }
}
