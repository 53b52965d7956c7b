//! `ecf8 completions`.

use super::Cli;
use super::answer::{Answer, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print what a shell needs to complete commands, options and their values
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ecf8 completions bash > ~/.local/share/bash-completion/completions/ecf8\n  \
    ecf8 completions zsh > \"${fpath[1]}/_ecf8\"\n  \
    ecf8 completions fish > ~/.config/fish/completions/ecf8.fish\n\n\
    The folder must be there; shells that are started afterwards complete.")]
pub(super) struct Completions {
    /// The shell that is to complete
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Answer, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "ecf8", &mut script);
        let text = String::from_utf8(script).map_err(Failure::request)?;
        Ok(Answer { text, ..Answer::default() })
    }
}
