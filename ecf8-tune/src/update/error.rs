//! Why weights cannot be brought to a later state.

use crate::device::DeviceError;
use crate::executor::ExecutorError;
use crate::model::ModelError;
use ecf8_codegen::strategy::StrategyError;
use std::path::PathBuf;

/// Why weights cannot be brought to a later state.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The difference cannot be read, or is none.
    #[error(transparent)]
    Container(#[from] ecf8_core::Error),
    /// Its streams cannot be loaded or decoded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The target fails.
    #[error(transparent)]
    Target(#[from] ExecutorError),
    /// A layer does not fit a launch.
    #[error(transparent)]
    Launch(#[from] StrategyError),
    /// The kernel cannot be built.
    #[error("the kernel that applies differences cannot be built: {0}; report this")]
    Kernel(String),
    /// A tensor that is told in a way for which there is no kernel.
    #[error("{}: tensor `{tensor}` {why}; restore the file by `ecf8 decompress --base` and load that", path.display())]
    Tensor {
        /// The difference.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is in the way.
        why: String,
    },
}

impl From<DeviceError> for UpdateError {
    fn from(error: DeviceError) -> Self {
        Self::Target(error.into())
    }
}
