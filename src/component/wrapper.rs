//! A wrapper: decides which points a window becomes.

use crate::model::point::Point;
use crate::model::window::Window;

/// Turns a closed window into points. Pure: no clock, no I/O, the same window gives the same points.
pub trait Wrapper: Send + Sync {
    /// Adds the points of every series of the window.
    fn wrap(&self, window: &Window, out: &mut Vec<Point>);
}
