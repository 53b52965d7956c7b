//! The data that a kernel is generated for and profiled on: a tensor, or typical weights.

use super::super::answer::Failure;
use clap::Args;
use ecf8_codegen::strategy::Strategy;
use ecf8_core::container::{CompressedModel, CompressedTensor};
use ecf8_core::element::{Numbers, Split, counts, element};
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
    /// The dtype of the Gaussian weights
    #[arg(long, default_value = E4M3, conflicts_with = "from")]
    dtype: String,
}

/// The usual dtype.
const E4M3: &str = "F8_E4M3";

impl DataArgs {
    /// How numbers are split and the codebook, of a scheme that the strategy decodes.
    pub(super) fn coding(&self, strategy: &dyn Strategy) -> Result<(Split, Codebook), Failure> {
        self.with_encoded(strategy, |encoded| Ok((encoded.split.clone(), encoded.codebook.clone())))
    }

    /// Calls `f` with the encoded tensor, of a scheme that the strategy decodes.
    pub(super) fn with_encoded<T>(
        &self,
        strategy: &dyn Strategy,
        f: impl FnOnce(&Encoded<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => {
                f(&tensor(&CompressedModel::open(from)?, from, name, strategy)?.encoded())
            }
            _ => {
                let scheme = first_scheme(strategy)?;
                let (split, weights) = self.typical(scheme)?;
                let numbers = Numbers { split: &split, bytes: &weights };
                let codebook = scheme.codebook(&scheme.symbol_histogram(numbers));
                f(&scheme.encode(numbers, &codebook).map_err(Failure::request)?)
            }
        }
    }

    /// Weights of the chosen dtype, the same every time: E4M3 is scaled in 128×128 blocks, others are what models have.
    fn typical(&self, scheme: &dyn Scheme) -> Result<(Split, Vec<u8>), Failure> {
        let refused = |why: &str| Failure::request(format!("--dtype {}: {why}", self.dtype));
        let element = element(&self.dtype).ok_or_else(|| refused("safetensors has no such dtype"))?;
        if !scheme.takes(element) {
            return Err(refused(&format!("{} does not take it", scheme.name())));
        }
        let side = SIDE / if element.bytes > 1 { 2 } else { 1 };
        let bytes = if self.dtype == E4M3 {
            synthetic::block_scaled(&synthetic::gaussian(1, side * side, 1.0), side).bytes
        } else {
            let weights = synthetic::gaussian(1, side * side, 0.02);
            synthetic::stored_as(&self.dtype, &weights).ok_or_else(|| {
                refused("there are no typical weights of it; take a tensor with --from and --tensor")
            })?
        };
        Ok((counts(element, &bytes).split, bytes))
    }

    /// What the data are, for people.
    pub(super) fn describe(&self) -> String {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => format!("tensor `{name}` of {}", from.display()),
            _ if self.dtype == E4M3 => {
                format!("{} MiB of Gaussian weights scaled in 128×128 blocks", (SIDE * SIDE) >> 20)
            }
            _ => format!("Gaussian weights in {}", self.dtype),
        }
    }
}

/// The tensor, checked to be one that the strategy decodes.
fn tensor<'f>(
    model: &'f CompressedModel,
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
