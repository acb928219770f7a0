//! Tests.

mod cases;
