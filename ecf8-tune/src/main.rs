//! The `ecf8` command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ecf8_tune::cli::run()
}
