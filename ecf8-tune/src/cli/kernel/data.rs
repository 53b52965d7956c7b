//! The data that a kernel is generated for and profiled on: a tensor, or typical weights.

use ecf8_core::element::Numbers;
use super::super::answer::Failure;
use clap::Args;
use ecf8_codegen::strategy::Strategy;
use ecf8_core::container::{CompressedTensor, Model};
use ecf8_core::{Codebook, Encoded, Scheme, synthetic};
use std::path::{Path, PathBuf};

/// Rows and columns of typical weights: 16 MiB, from where chunks are as long as they get.
const SIDE: usize = 4096;

/// Where the data come from.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Take a tensor of this compressed file or folder (default: Gaussian weights scaled in 128×128 blocks)
    #[arg(long, value_name = "FILE", requires = "tensor")]
    from: Option<PathBuf>,
    /// The tensor to take
    #[arg(long, value_name = "NAME", requires = "from")]
    tensor: Option<String>,
}

impl DataArgs {
    /// The codebook, of a scheme that the strategy decodes.
    pub(super) fn codebook(&self, strategy: &dyn Strategy) -> Result<Codebook, Failure> {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => {
                Ok(tensor(&Model::open(from)?, from, name, strategy)?.codebook().clone())
            }
            _ => {
                let scheme = first_scheme(strategy)?;
                Ok(scheme.codebook(&scheme.symbol_histogram(Numbers::e4m3(&typical()))))
            }
        }
    }

    /// Calls `f` with the encoded tensor, of a scheme that the strategy decodes.
    pub(super) fn with_encoded<T>(
        &self,
        strategy: &dyn Strategy,
        f: impl FnOnce(&Encoded<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => f(&tensor(&Model::open(from)?, from, name, strategy)?.encoded()),
            _ => {
                let scheme = first_scheme(strategy)?;
                let weights = typical();
                let codebook = self.codebook(strategy)?;
                f(&scheme.encode(Numbers::e4m3(&weights), &codebook).map_err(Failure::request)?)
            }
        }
    }

    /// What the data are, for people.
    pub(super) fn describe(&self) -> String {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => format!("tensor `{name}` of {}", from.display()),
            _ => format!("{} MiB of Gaussian weights scaled in 128×128 blocks", (SIDE * SIDE) >> 20),
        }
    }
}

/// The tensor, checked to be one that the strategy decodes.
fn tensor<'f>(
    model: &'f Model,
    from: &Path,
    name: &str,
    strategy: &dyn Strategy,
) -> Result<CompressedTensor<'f>, Failure> {
    let from = from.display();
    let tensor = model.files.iter().find_map(|file| file.tensor(name)).ok_or_else(|| {
        Failure::request(format!(
            "{from} has no compressed tensor `{name}`; `ecf8 inspect {from}` lists them"
        ))
    })?;
    let scheme = tensor.scheme().name();
    if !strategy.schemes().contains(&scheme) {
        return Err(Failure::request(format!(
            "{from}: tensor `{name}` has scheme {scheme}, which {} does not decode; it decodes {}",
            strategy.name(),
            strategy.schemes().join(", ")
        )));
    }
    Ok(tensor)
}

/// The first scheme that the strategy decodes.
fn first_scheme(strategy: &dyn Strategy) -> Result<&'static dyn Scheme, Failure> {
    strategy.schemes().first().and_then(|name| ecf8_core::scheme(name)).ok_or_else(|| {
        Failure::request(format!("strategy {} decodes no scheme that this program knows", strategy.name()))
    })
}

/// Gaussian weights scaled in 128×128 blocks, the same every time.
fn typical() -> Vec<u8> {
    let weights = synthetic::gaussian(1, SIDE * SIDE, 1.0);
    synthetic::block_scaled(&weights, SIDE).bytes
}
