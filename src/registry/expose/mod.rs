//! The pages of `/metrics`: what a scraper asks for, and an encoder that streams it.
//!
//! * [`negotiate`]: from request headers to a format, an escaping and a content type
//! * `names`: metric and label names under the four escaping schemes
//! * `plan`: which families stand on a page, and which clash
//! * `line`: the lines of families and series
//! * `encode`: the page itself, in chunks

mod encode;
mod line;
mod names;
pub mod negotiate;
mod plan;

#[cfg(test)]
mod tests;

pub use encode::{Page, page};
pub use negotiate::{Escaping, Format, PageRequest};
