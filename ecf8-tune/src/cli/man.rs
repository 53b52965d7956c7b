//! `ecf8 man`: a manual page for each command, from the definition that parses it.

use super::Cli;
use super::answer::{Answer, Failure};
use clap::builder::Resettable;
use clap::{Args, Command, CommandFactory};
use clap_mangen::roff::{Roff, roman};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Print a command's manual page, or write the pages of all commands into a folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ecf8 man compress | man -l -\n  ecf8 man --output ~/.local/share/man/man1"
)]
pub(super) struct Man {
    /// The command, such as `compress` or `kernel emit` (default: ecf8 itself)
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Write ecf8.1, ecf8-compress.1 and so on into this folder, which is made if it is missing
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Replace pages that are there
    #[arg(long, requires = "output")]
    force: bool,
}

impl Man {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let text = match &self.output {
            Some(folder) => write_all(&program, folder, self.force)?,
            None => page(find(&program, &self.command)?).map_err(Failure::request)?,
        };
        Ok(Answer { text, ..Answer::default() })
    }
}

/// The command that these words name.
fn find<'c>(program: &'c Command, words: &[String]) -> Result<&'c Command, Failure> {
    words.iter().try_fold(program, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::request(format!(
                "`{}` has no command `{word}`; there are: {known}",
                command.get_bin_name().unwrap_or("ecf8")
            ))
        })
    })
}

/// A command and those below it, each with the name of its page.
fn pages(command: &Command) -> Vec<(String, &Command)> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut all = vec![(format!("{name}.1"), command)];
    all.extend(command.get_subcommands().flat_map(pages));
    all
}

/// Writes the page of every command, each under its name only when it is whole.
fn write_all(program: &Command, folder: &Path, force: bool) -> Result<String, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::request(format!("cannot write {}: {error}; choose another folder", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let pages = pages(program);
    let existing = pages.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
    if let Some(path) = existing.filter(|_| !force) {
        return Err(Failure::request(format!("{} exists; --force replaces it", path.display())));
    }
    for (name, command) in &pages {
        let path = folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = temporary(folder)?;
            file.write_all(page(command)?.as_bytes())?;
            if force { file.persist(&path) } else { file.persist_noclobber(&path) }?;
            Ok(())
        };
        write().map_err(|error| failed(&path, &error))?;
    }
    Ok(format!("{} manual pages in {}\n", pages.len(), folder.display()))
}

/// A file that others may read, as manual pages are.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    builder.tempfile_in(folder)
}

/// A command's page, for `man`.
fn page(command: &Command) -> io::Result<String> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let without = command.clone().after_help(Resettable::Reset);
    let man = clap_mangen::Man::new(without).source(format!("ecf8 {version}")).manual("ecf8");
    let mut text = Vec::new();
    man.render(&mut text)?;
    if let Some(after) = command.get_after_help() {
        text.extend(after_help(&after.to_string()).to_roff().into_bytes());
    }
    String::from_utf8(text).map_err(io::Error::other)
}

/// What stands behind the options, by paragraphs: examples keep their lines.
fn after_help(text: &str) -> Roff {
    let (examples, notes): (Vec<&str>, Vec<&str>) =
        text.split("\n\n").partition(|paragraph| paragraph.starts_with("Example"));
    let mut roff = Roff::new();
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.iter().flat_map(|paragraph| paragraph.lines().skip(1)) {
            roff.text([roman(line.trim())]);
        }
        roff.control("fi", []);
    }
    for (i, paragraph) in notes.iter().enumerate() {
        let (control, args) = if i == 0 { ("SH", vec!["NOTES"]) } else { ("PP", vec![]) };
        roff.control(control, args).text([roman(paragraph.trim().replace('\n', " "))]);
    }
    roff
}
