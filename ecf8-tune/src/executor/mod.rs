//! What can run a decode kernel, and time it: the emulator, and a GPU.
//!
//! - [`Target`]: the one interface of both, operation by operation: load, upload, launch, download, time.
//! - [`Prepared`]: a launch with its kernel loaded and its inputs uploaded, run any number of times.
//! - [`Misfit`]: what a launch needs more of than a target has.
//! - [`Executor`]: a tensor decoded in one call, on any target.
//! - [`Fingerprint`]: what a target is, as far as speed goes.

mod cuda;
mod decode;
mod emulator;
mod fingerprint;
mod fit;
#[cfg(test)]
pub(crate) mod logged;
mod prediction;
mod prepared;
mod target;

pub(crate) use cuda::nanoseconds;
pub use cuda::{Allocate, CudaExecutor};
pub use emulator::EmulatorExecutor;
pub use fingerprint::Fingerprint;
pub use fit::{BlockNeeds, Misfit};
pub use prepared::Prepared;
pub use target::{Destination, Dispatch, Limits, Target, Timing, Transfer, Undone};

use crate::device::DeviceError;
use crate::nvrtc::NvrtcError;
use ecf8_codegen::emulator::EmulatorError;
use ecf8_codegen::strategy::{Params, Strategy, StrategyError};
use ecf8_core::Encoded;

/// Why a tensor could not be decoded by a kernel.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The strategy refuses the tensor or the parameters.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// The kernel did something wrong on the emulator.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// The kernel cannot be compiled.
    #[error(transparent)]
    Nvrtc(#[from] NvrtcError),
    /// The GPU refuses.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A block of the launch does not fit the target.
    #[error("{0}; choose other parameters")]
    Misfit(#[from] Misfit),
    /// Two runs of a kernel into differently filled buffers gave different bytes.
    #[error(
        "kernel `{kernel}` gives byte {byte} differently each time: no thread writes it, or several race for it"
    )]
    Unstable {
        /// The kernel.
        kernel: String,
        /// The first such byte of the output.
        byte: usize,
    },
    /// More bytes of a buffer are asked for than it has.
    #[error("{bytes} bytes from byte {start} on are asked of a buffer that has {room}: make it larger")]
    Room {
        /// The first byte asked for.
        start: usize,
        /// How many.
        bytes: usize,
        /// How many the buffer has.
        room: usize,
    },
    /// A launch is given another number of buffers to write to than it has outputs.
    #[error("the launch writes {wanted} buffers, but {given} are given: give it one for each of its outputs")]
    Outputs {
        /// How many it writes.
        wanted: usize,
        /// How many are given.
        given: usize,
    },
    /// Who allocates memory for uploads has none.
    #[error("no memory for {bytes} bytes of compressed weights: {why}")]
    Memory {
        /// How many are asked for.
        bytes: usize,
        /// What he says.
        why: String,
    },
    /// No time can be predicted for a launch.
    #[error("no time can be predicted for kernel `{kernel}`: not one block of it fits the GPU predicted for")]
    Unpredictable {
        /// The kernel.
        kernel: String,
    },
}

/// Runs decode kernels.
pub trait Executor {
    /// What it is, for people.
    fn describe(&self) -> String;

    /// What it is, for tuning caches.
    fn fingerprint(&self) -> Fingerprint;

    /// Where its times would come from.
    fn timing(&self) -> Timing;

    /// Decodes a tensor by one variant of a strategy.
    ///
    /// # Errors
    /// If the variant cannot decode this tensor here, or its kernel fails. Whether the result is right is for the
    /// caller to find out.
    fn decode(
        &mut self,
        strategy: &dyn Strategy,
        params: &Params,
        encoded: &Encoded<'_>,
    ) -> Result<Vec<u8>, ExecutorError>;
}

impl<T: Target> Executor for T {
    fn describe(&self) -> String {
        Target::describe(self)
    }

    fn fingerprint(&self) -> Fingerprint {
        Target::fingerprint(self)
    }

    fn timing(&self) -> Timing {
        Target::timing(self)
    }

    fn decode(
        &mut self,
        strategy: &dyn Strategy,
        params: &Params,
        encoded: &Encoded<'_>,
    ) -> Result<Vec<u8>, ExecutorError> {
        decode::decode(self, strategy, params, encoded)
    }
}
