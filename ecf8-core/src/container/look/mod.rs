//! What there is to see without decoding: sizes, entropies, and what other codes would cost.
//!
//! - `model`: one file or many as a whole.
//! - `inspect`, `costs`: what a model holds, and what other codes would make of it.
//! - `following`: what several codebooks for one tensor gain.
//! - `dtypes`: what becomes of which dtype, and why.

mod costs;
pub(super) mod dtypes;
mod following;
mod inspect;
pub(super) mod model;

pub use costs::{CodeCost, Costs, code_costs};
pub use dtypes::{DtypeSummary, Role};
pub use following::Following;
pub use inspect::{CodebookComparison, Inspection, TensorInspection, inspect};
pub use model::{CompressedModel, OtherFiles};
