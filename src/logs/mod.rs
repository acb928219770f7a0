//! What is done with lines of text, wherever they come from; feeds use it.
//!
//! It stands below the feeds, and not beside them, because a feed follows lines and these rooms know nothing of feeds.
