//! The `ecf8` command line.

use ecf8_tune::cli::AllocatorWithLastWords;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: AllocatorWithLastWords = AllocatorWithLastWords;

fn main() -> ExitCode {
    ecf8_tune::cli::run()
}
