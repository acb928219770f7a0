//! Tawny's program: chooses the TLS provider, then does what the command line says.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Every TLS client of the process uses this one; a second provider that is linked in cannot take its place. It
    // fails only when one is installed already, which is then the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tawny::cli::main()
}
