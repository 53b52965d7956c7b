//! What the tuner asks of a device, candidate by candidate.

use crate::executor::Timing;

/// Why something could not be done with a candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The candidate is out, for this reason; the others go on.
    #[error("{0}")]
    Rejected(String),
    /// It could not be tried now, for a reason that may pass, such as that memory was short: it is as if it had not been.
    #[error("{0}")]
    Postponed(String),
    /// The candidate is out, and with it the device: nothing more can be measured in this process.
    #[error("{0}")]
    Fatal(String),
}

/// The candidates of one problem on one device. They are known by their place in the list of all.
pub trait Trials {
    /// Where its times come from.
    fn timing(&self) -> Timing;

    /// Compiles candidates in parallel, with nothing being timed meanwhile, and rejects what cannot win: in their order.
    fn compile(&mut self, candidates: &[usize]) -> Vec<Result<(), TrialError>>;

    /// Decodes with a compiled candidate and compares with the reference decoder's bytes.
    ///
    /// # Errors
    /// If a byte differs, or the kernel fails.
    fn verify(&mut self, candidate: usize) -> Result<(), TrialError>;

    /// Times a verified candidate: nanoseconds per launch, one for each of `runs`.
    ///
    /// # Errors
    /// If it fails.
    fn time(&mut self, candidate: usize, runs: usize) -> Result<Vec<u64>, TrialError>;
}
