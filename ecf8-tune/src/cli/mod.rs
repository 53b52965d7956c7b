//! The `ecf8` command line: what is asked, one command per file, and how the answer is given.
//!
//! A command returns an `Answer`; nothing else is written to standard output. Exit status 0 is success, 1 means that
//! the data are wrong, 2 that the request is wrong or cannot be served here.

mod analyze;
mod answer;
mod bench;
mod completions;
mod compress;
mod damage;
mod demo;
mod device;
mod doctor;
mod foreign;
mod gain;
mod inspect;
mod interrupt;
mod kernel;
mod man;
mod progress;
mod reproduce;
mod results;
mod selftest;
mod size;
mod steps;
mod threads;
mod tune;
mod verify;

use answer::Failure;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Lossless compression of neural-network weights, decoded by CUDA kernels generated for their codebooks.
#[derive(Debug, Parser)]
#[command(name = "ecf8", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Start with `ecf8 demo`: the whole pipeline on generated weights, no GPU needed.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Compress(compress::Compress),
    Merge(compress::Merge),
    Decompress(compress::Decompress),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Analyze(analyze::Analyze),
    Import(foreign::Import),
    Export(foreign::Export),
    #[command(subcommand)]
    Kernel(kernel::Kernel),
    Tune(tune::Tune),
    Bench(bench::Bench),
    Reproduce(reproduce::Reproduce),
    Selftest(selftest::Selftest),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::from(run_from(std::env::args_os()))
}

/// Runs a command line, the first of `args` being the program's name, and gives the exit status. For a process that does
/// nothing else: signals are handled as the command needs it, and `--threads` is for the whole process.
pub fn run_from(args: impl IntoIterator<Item: Into<OsString> + Clone>) -> u8 {
    ecf8_core::map::survive_truncation();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if is_help(&error) => {
            // Asked for, it goes to standard output, else to standard error; a closed pipe is nobody's fault.
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
        Err(error) => return answer::give(Err(Failure::request(one_line(&error))), false),
    };
    // Those that make outputs have an option for it.
    let has_option = matches!(
        cli.command,
        Command::Compress(_)
            | Command::Merge(_)
            | Command::Decompress(_)
            | Command::Import(_)
            | Command::Export(_)
    );
    if !has_option {
        threads::start_usual();
    }
    let (json, answer) = match cli.command {
        Command::Demo(command) => (command.json, command.run()),
        Command::Compress(command) => (command.work.json, command.run()),
        Command::Merge(command) => (command.work.json, command.run()),
        Command::Decompress(command) => (command.work.json, command.run()),
        Command::Verify(command) => (command.json, command.run()),
        Command::Inspect(command) => (command.json, command.run()),
        Command::Analyze(command) => (command.json, command.run()),
        Command::Import(command) => (command.work.json, command.run()),
        Command::Export(command) => (command.work.json, command.run()),
        Command::Kernel(command) => (command.json(), command.run()),
        Command::Tune(command) => (command.json(), command.run()),
        Command::Bench(command) => (command.json, command.run()),
        Command::Reproduce(command) => (command.json, command.run()),
        Command::Selftest(command) => (command.json, command.run()),
        Command::Doctor(command) => (command.json, command.run()),
        Command::Completions(command) => (false, command.run()),
        Command::Man(command) => (false, command.run()),
    };
    answer::give(answer, json)
}

/// Tells what went wrong and was worked around, one line each.
fn warn(warnings: impl IntoIterator<Item = String>) {
    for warning in warnings {
        let _ = writeln!(std::io::stderr(), "ecf8: warning: {warning}");
    }
}

fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// A mistake in the arguments as one line, like every other error: without the usage, which help tells.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.strip_prefix("error: ").unwrap_or(&text).lines().map(str::trim);
    let mut line = String::new();
    for part in lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more ")) {
        line += if part.starts_with("tip:") && !line.is_empty() { "; " } else { " " };
        line += part;
    }
    format!("{}; `ecf8 --help` and `ecf8 COMMAND --help` say more", line.trim())
}
