//! Tawny's program: chooses the TLS provider, then does what the command line says.

use std::process::ExitCode;

fn main() -> ExitCode {
    tawny::support::http::install_provider();
    tawny::cli::main()
}
