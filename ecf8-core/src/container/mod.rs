//! The container: compressed tensors in a file that is safetensors again. `FORMAT.md` specifies it.
//!
//! | file | what it does |
//! |---|---|
//! | `manifest` | the JSON entry that describes the compressed tensors |
//! | `plan`, `predict` | what becomes of each tensor, and what the container will take |
//! | `subject`, `candidates`, `choice`, `sharing` | a tensor read once; by which scheme, and which tensors share a codebook |
//! | `file_header`, `sizes` | the header of the output, from the plan; what things take in a container |
//! | `limits` | what readers accept at most, and how a container is made to keep within it |
//! | `compress`, `decompress` | one file, streamed to its output |
//! | `verbatim` | a file in which nothing is compressed |
//! | `output` | checked before the work, under temporary names until whole, never half an output, also when interrupted |
//! | `folder` | what a model's folder holds: weights, indices, links, and the list of what was copied |
//! | `directory`, `options`, `report` | both directions for a folder of shards; how it is to be done, and what became of it |
//! | `reader`, `stored`, `validate` | a container opened, its manifest checked against its header |
//! | `pieces` | a tensor's original bytes, in little memory however large it is |
//! | `integrity`, `against` | checksums of what is stored; comparison with an original |
//! | `estimate`, `dtypes` | what compressing would give, told from samples; what becomes of which dtype, and why |
//! | `tuning_cache` | what lies beside containers and is no part of them |
//! | `model`, `inspect`, `costs` | one file or many as a whole; sizes and entropies; what other codes would cost |

mod against;
mod batch;
mod candidates;
mod choice;
mod compress;
mod costs;
mod decompress;
mod directory;
mod dtypes;
mod estimate;
mod file_header;
mod folder;
mod inspect;
mod integrity;
mod limits;
mod manifest;
mod model;
mod options;
mod output;
mod pieces;
mod plan;
mod predict;
mod progress;
mod reader;
mod report;
mod sharing;
mod sizes;
mod stored;
mod subject;
mod tuning_cache;
mod validate;
mod verbatim;

pub use against::verify_against;
pub use costs::{CodeCost, code_costs};
pub use directory::{compress, decompress};
pub use dtypes::{DtypeSummary, Role};
pub use estimate::{Estimate, FileEstimate, estimate};
pub use inspect::{CodebookComparison, Inspection, TensorInspection, inspect};
pub use model::{Model, OtherFiles};
pub use options::CompressOptions;
pub use output::abandon_outputs;
pub use progress::Progress;
pub use reader::{CompressedFile, CompressedTensor, KeptTensor};
pub use report::{FileReport, Report};
pub use stored::UnknownTensor;
pub use tuning_cache::tuning_cache_beside;

/// The version of the format that is written and read here.
pub const FORMAT_VERSION: u64 = 1;

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

/// Tensors of fewer bytes are small: the JSON for their parts' names would be over 0.03 % of them.
const SMALL_BYTES: u64 = 1 << 20;

/// Tensors of at most this many bytes together are worked on at once; a larger one alone.
const BATCH_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
