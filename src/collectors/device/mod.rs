//! What only some devices have.
//!
//! * [`tegrastats`]: an NVIDIA Jetson's own program, or what its kernel shows
//! * [`raspberrypi`]: a Raspberry Pi's supply, clock, flash and Wi-Fi
//! * `files`: small files of the kernel, any of which may be missing

mod files;
pub mod raspberrypi;
pub mod tegrastats;
