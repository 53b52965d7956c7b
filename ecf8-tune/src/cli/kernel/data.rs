//! The data that a kernel is generated for and profiled on: a tensor, or typical weights.

use super::super::answer::Failure;
use clap::Args;
use ecf8_codegen::strategy::Strategy;
use ecf8_core::container::{CompressedModel, CompressedTensor};
use ecf8_core::element::{Numbers, Split, counts, element};
use ecf8_core::{Codebook, Encoded, Scheme, synthetic};
use std::path::{Path, PathBuf};

/// Columns of typical weights, and rows: 16 MiB, from where chunks are as long as they get.
const SIDE: usize = 4096;

/// Bytes of a tensor above which equal pieces stand for it, each encoded like a tensor: its chunks are as long, and
/// emulating some of its blocks takes no more of the host.
const PIECE: u64 = 16 << 20;

/// How much a launch decodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    /// Bytes of output in all; each tensor has its usual size if there are none.
    pub(super) bytes: Option<u64>,
    /// Tensors.
    pub(super) tensors: u32,
}

impl Amount {
    /// One tensor of the usual size.
    const USUAL: Self = Self { bytes: None, tensors: 1 };

    /// So much that a GPU is busy from beginning to end, and what a warp does once does not count.
    const LARGE: Self = Self { bytes: Some(512 << 20), tensors: 1 };

    /// In how many pieces typical weights are encoded, and bytes of each.
    fn pieces(self, strategy: &dyn Strategy) -> (usize, Option<u64>) {
        let of_each = self.bytes.map(|bytes| (bytes / u64::from(self.tensors)).max(1));
        let pieces = match of_each {
            Some(bytes) if strategy.takes_several() => bytes.div_ceil(PIECE),
            _ => 1,
        };
        let all = pieces.saturating_mul(self.tensors.into());
        (usize::try_from(all).unwrap_or(usize::MAX), of_each.map(|bytes| bytes / pieces))
    }

    /// How many copies of a tensor come nearest to it.
    fn copies(self, of: &Encoded<'_>) -> usize {
        let bytes = of.elements.saturating_mul(of.split.element.bytes as u64).max(1);
        let copies = self.bytes.map_or(self.tensors.into(), |all| all.saturating_add(bytes / 2) / bytes);
        usize::try_from(copies.max(1)).unwrap_or(usize::MAX)
    }
}

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
        self.with_encoded(strategy, |encoded| Ok((encoded.split.clone(), encoded.codebooks.widest().clone())))
    }

    /// What a launch decodes if nothing is said: the tensor that was named, or much of the typical weights.
    pub(super) fn usual(&self) -> Amount {
        if self.from.is_some() { Amount::USUAL } else { Amount::LARGE }
    }

    /// Calls `f` with the encoded tensor, of a scheme that the strategy decodes.
    pub(super) fn with_encoded<T>(
        &self,
        strategy: &dyn Strategy,
        f: impl FnOnce(&Encoded<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_batch(strategy, Amount::USUAL, |encoded, _| f(encoded))
    }

    /// As [`Self::with_encoded`], and how many such tensors a launch of this amount decodes.
    pub(super) fn with_batch<T>(
        &self,
        strategy: &dyn Strategy,
        amount: Amount,
        f: impl FnOnce(&Encoded<'_>, usize) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match (&self.from, &self.tensor) {
            (Some(from), Some(name)) => {
                let model = CompressedModel::open(from)?;
                let encoded = tensor(&model, from, name, strategy)?.encoded();
                f(&encoded, amount.copies(&encoded))
            }
            _ => {
                let scheme = first_scheme(strategy)?;
                let (pieces, bytes) = amount.pieces(strategy);
                let (split, weights) = self.typical(scheme, bytes)?;
                let numbers = Numbers { split: &split, bytes: &weights };
                let codebook = scheme.codebook(&scheme.symbol_histogram(numbers));
                f(&scheme.encode(numbers, &codebook).map_err(Failure::request)?, pieces)
            }
        }
    }

    /// Weights of the chosen dtype, the same every time: E4M3 is scaled in 128×128 blocks, others are what models have.
    fn typical(&self, scheme: &dyn Scheme, bytes: Option<u64>) -> Result<(Split, Vec<u8>), Failure> {
        let refused = |why: &str| Failure::request(format!("--dtype {}: {why}", self.dtype));
        let element = element(&self.dtype).ok_or_else(|| refused("safetensors has no such dtype"))?;
        if !scheme.takes(element) {
            return Err(refused(&format!("{} does not take it", scheme.name())));
        }
        let columns = SIDE / if element.bytes > 1 { 2 } else { 1 };
        let elements = match bytes {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX) / element.bytes,
            None => columns * columns,
        };
        let bytes = if self.dtype == E4M3 {
            synthetic::block_scaled(&synthetic::gaussian(1, elements, 1.0), columns).bytes
        } else {
            let weights = synthetic::gaussian(1, elements, 0.02);
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
            _ if self.dtype == E4M3 => "Gaussian weights scaled in 128×128 blocks".to_owned(),
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
