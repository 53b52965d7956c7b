//! The autotuner: which variant decodes a layer of some shape fastest on this GPU.
//!
//! | file | what it does |
//! |---|---|
//! | `problem` | what launches share a choice: operation, scheme, dtype, codebook class, how many tensors and elements |
//! | `candidate` | the variants that there are, and the hash of each one's code |
//! | `nearest` | the variants of a strategy, those most like a given one first |
//! | `search` | which of them to try next: all, or from good ones to their neighbours |
//! | `trials` | what the tuner asks of a device; `workbench` asks a [`Target`](crate::executor::Target) |
//! | `race` | interleaved timing, dropping who cannot win, until one is left or the rest are as good |
//! | `tune` | all of it for one problem: reject, verify, race, verify, choose; resumed where an earlier run ended |
//! | `statistics`, `budget` | medians and noise; time limits and interrupts |

mod budget;
mod candidate;
mod nearest;
mod problem;
mod race;
mod search;
#[cfg(test)]
mod simulated;
mod statistics;
#[cfg(test)]
mod tests;
mod trials;
mod tune;
mod workbench;

pub use budget::{Budget, Stop};
pub use candidate::{Candidate, candidates, code_hash};
pub use nearest::{is_default, nearest_first};
pub use problem::{CodebookClass, Problem, STORE};
pub use race::Settings;
pub use search::{Exhaustive, Searcher};
pub use statistics::Summary;
pub use trials::{TrialError, Trials};
pub use tune::{Known, Outcome, Tuned, by_median, settled, tune};
pub use workbench::Workbench;
pub(crate) use workbench::{TIMES_L2, launches_of_a_run};
