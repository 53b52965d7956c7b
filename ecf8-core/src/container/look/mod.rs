//! What there is to see of containers: sizes, entropies, what other codes would cost, and what is damaged.
//!
//! - `model`: one file or many as a whole.
//! - `check`: what is wrong with it, and what is good all the same.
//! - `inspect`, `costs`: what a model holds, and what other codes would make of it.
//! - `following`: what several codebooks for one tensor gain.
//! - `dtypes`: what becomes of which dtype, and why.
//! - `weights`: a model's numbers, whether or not they are compressed.

mod check;
mod costs;
pub(super) mod dtypes;
mod following;
mod inspect;
pub(super) mod model;
mod weights;

pub use check::{Check, FileCheck, check};
pub use costs::{CodeCost, Costs, code_costs};
pub use dtypes::{DtypeSummary, Role};
pub use following::Following;
pub use inspect::{CodebookComparison, Inspection, TensorInspection, inspect};
pub use model::{CompressedModel, OtherFiles};
pub use weights::{Weights, WeightsFile};
