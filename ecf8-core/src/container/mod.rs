//! The container: compressed tensors in a file that is safetensors again. `FORMAT.md` specifies it.
//!
//! | folder or file | what it does |
//! |---|---|
//! | `write` | from an input to a container: what becomes of each tensor, by which scheme, at what price |
//! | `read` | a container opened and checked, decoded, compared with an original |
//! | `look` | what a container or a model holds, and what other codes would cost |
//! | `manifest` | the JSON entry that describes the compressed tensors |
//! | `limits`, `sizes` | what readers accept at most; what things take in a container |
//! | `verbatim` | a file in which nothing is compressed |
//! | `piece_sums` | checksums of pieces of the data, which locate damage |
//! | `output` | checked before the work, under temporary names until whole, never half an output, also when interrupted |
//! | `folder` | what a model's folder holds: weights, indices, links, and the list of what was copied |
//! | `shares` | a folder compressed by several processes, and put together |
//! | `delta` | a model as its difference from another, its base |
//! | `directory`, `options`, `report` | both directions for a folder of shards; how it is to be done, and what became of it |
//! | `foreign`, `export` | files of others, read and written |
//! | `tuning_cache` | what lies beside containers and is no part of them |

mod batch;
mod delta;
mod directory;
mod export;
mod folder;
mod foreign;
mod limits;
mod look;
mod manifest;
mod options;
mod output;
mod piece_sums;
mod progress;
mod read;
mod report;
mod shares;
mod sizes;
mod tuning_cache;
mod verbatim;
mod write;

pub use delta::{Base, BaseNeeded, ToldChange, ToldTensor, verify_beside};
pub use directory::{compress, compress_against, decompress, decompress_beside, decompress_partial};
pub use export::{Exported, export};
pub use foreign::{foreign_files, import, restore, with_foreign};
pub use look::{
    Check, CodeCost, CodebookComparison, CompressedModel, Costs, DtypeSummary, FileCheck, Following,
    Inspection, OtherFiles, Role, TensorInspection, Weights, WeightsFile, check, code_costs, inspect,
};
pub use options::CompressOptions;
pub use output::{abandon_outputs, leftovers};
pub use progress::Progress;
pub use read::{
    CompressedFile, CompressedTensor, Damage, DamagedBytes, DamagedPlace, DamagedTensor, KeptTensor,
    Statistics, UnknownTensor, is_container, verify_against, verify_against_beside,
};
pub use report::{FileReport, Lost, Report};
pub use shares::{Share, compress_share, merge};
pub use tuning_cache::tuning_cache_beside;
pub use write::{Estimate, FileEstimate, compress_source, encode_source, estimate};

/// The version of the format that is written and read here.
pub const FORMAT_VERSION: u64 = 1;

/// The version of a container that holds the difference from a base: readers that know none refuse it.
pub const DELTA_FORMAT_VERSION: u64 = 2;

/// The key of the manifest in `__metadata__`.
pub const MANIFEST_KEY: &str = "ecf8";

/// What the names of the container's own tensors start with, unless the input uses them.
const OWN_PREFIX: &str = "__ecf8__";

/// After the prefix: the original header, deflated.
const OWN_HEADER: &str = "header";

/// After the prefix: the parts of small tensors.
const OWN_POOL: &str = "pool";

/// After the prefix: the checksums of everything stored.
const OWN_CHECKSUMS: &str = "checksums";

/// The dtype of the guard: an entry under the name of the first compressed tensor, there to be refused.
const GUARD_DTYPE: safetensors::Dtype = safetensors::Dtype::U8;

/// Its shape, which is that of no tensor worth compressing.
const GUARD_SHAPE: [u64; 1] = [0];

/// What every part starts at and fills multiples of, in bytes: the width of a memory transaction on a GPU.
const ALIGNMENT: u64 = 32;

/// The same in the pool: whole words. Small tensors have several parts, and padding them all would take more than the
/// manifest does.
const POOL_ALIGNMENT: u64 = 4;

/// Of tensors of fewer bytes the manifest has no figures that are only for information: they would be over 0.005 % of
/// them.
const TOLD_BYTES: u64 = 256 << 10;

/// Tensors of fewer bytes are small: the JSON for their parts' names would be over 0.03 % of them.
const SMALL_BYTES: u64 = 1 << 20;

/// Tensors of at most this many bytes together are worked on at once; a larger one alone.
const BATCH_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
