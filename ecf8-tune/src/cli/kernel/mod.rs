//! `ecf8 kernel`: the decode strategies, their emitted source, what the compiler says about it, and what it would cost.

mod compile;
mod data;
mod emit;
mod list;
mod predicted;
mod profile;

use super::answer::{Answer, Failure};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use data::DataArgs;
use ecf8_codegen::ir;
use ecf8_codegen::strategy::{Coding, Params, Strategy, strategies, strategy};

/// The decode strategies and the CUDA kernels that they generate
#[derive(Debug, Subcommand)]
pub(super) enum Kernel {
    List(list::List),
    Emit(emit::Emit),
    Compile(compile::Compile),
    Profile(profile::ProfileCommand),
}

/// One variant of a strategy.
#[derive(Debug, Args)]
struct VariantArgs {
    /// The strategy, as `ecf8 kernel list` names it
    #[arg(long, value_name = "NAME", value_parser = strategy_names())]
    strategy: String,
    /// Set a tunable; the others keep their defaults
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

/// Reads `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE, for example bytes_per_thread=8".to_owned())
}

/// The names of all strategies.
pub(super) fn strategy_names() -> PossibleValuesParser {
    strategies().iter().map(|strategy| strategy.name()).collect::<Vec<_>>().into()
}

/// The strategy of this name.
pub(super) fn find_strategy(name: &str) -> Result<&'static dyn Strategy, Failure> {
    strategy(name).ok_or_else(|| {
        let known: Vec<&str> = strategies().iter().map(|strategy| strategy.name()).collect();
        Failure::request(format!("there is no strategy `{name}`; there are: {}", known.join(", ")))
    })
}

impl VariantArgs {
    fn kernel(&self, data: &DataArgs) -> Result<(&'static dyn Strategy, Params, ir::Kernel), Failure> {
        let strategy = find_strategy(&self.strategy)?;
        let params = strategy.params(&self.set).map_err(Failure::request)?;
        let (split, codebook) = data.coding(strategy)?;
        let coding = Coding { split: &split, codebook: &codebook };
        let kernel = strategy.kernel(&params, &coding).map_err(Failure::request)?;
        Ok((strategy, params, kernel))
    }

    /// The variants that are asked for: every one in which the tunables that are set have their values, or only the one in
    /// which the others have their defaults.
    fn variants(&self, all: bool) -> Result<(&'static dyn Strategy, Vec<Params>), Failure> {
        let strategy = find_strategy(&self.strategy)?;
        let one = strategy.params(&self.set);
        if !all {
            return Ok((strategy, vec![one.map_err(Failure::request)?]));
        }
        let fits = |params: &Params| self.set.iter().all(|(key, value)| params.get(key) == Some(value));
        let variants: Vec<Params> = strategy.variants().into_iter().filter(fits).collect();
        if variants.is_empty() {
            let error =
                one.err().map_or_else(|| "there is no such variant".to_owned(), |error| error.to_string());
            return Err(Failure::request(error));
        }
        Ok((strategy, variants))
    }
}

impl Kernel {
    pub(super) fn json(&self) -> bool {
        match self {
            Self::List(command) => command.json,
            Self::Emit(command) => command.json,
            Self::Compile(command) => command.json,
            Self::Profile(command) => command.json,
        }
    }

    pub(super) fn run(&self) -> Result<Answer, Failure> {
        match self {
            Self::List(_) => Ok(list::list()),
            Self::Emit(command) => command.run(),
            Self::Compile(command) => command.run(),
            Self::Profile(command) => command.run(),
        }
    }
}
