//! Why a model cannot be loaded or decoded.

use crate::cache::NoPlan;
use crate::executor::ExecutorError;
use std::path::PathBuf;

/// Why a model cannot be loaded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The container cannot be read, or is damaged.
    #[error(transparent)]
    Container(#[from] ecf8_core::Error),
    /// Two shards have a tensor of the same name.
    #[error("{}: tensor `{tensor}` is in two files: open the folder or file that holds one model only", path.display())]
    Twice {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A layer that is not there.
    #[error("there is no layer {index}: the model has {layers}, counted from 0")]
    NoLayer {
        /// What was asked for.
        index: usize,
        /// How many there are.
        layers: usize,
    },
    /// No variant here decodes a tensor.
    #[error("tensor `{tensor}`: {source}")]
    NoPlan {
        /// The tensor.
        tensor: String,
        /// Why there is none.
        source: NoPlan,
    },
    /// A layer that no buffer could hold.
    #[error(
        "layer `{layer}` would have {bytes} bytes: the file is damaged, or the layer has to be grouped into smaller ones"
    )]
    TooLarge {
        /// The layer.
        layer: String,
        /// What its tensors claim to have.
        bytes: u64,
    },
    /// A plan for another model.
    #[error(
        "the plan is for a model of {planned} tensors, but this one has {tensors}: make it from this model"
    )]
    OtherPlan {
        /// Tensors of the plan.
        planned: usize,
        /// Tensors of the model.
        tensors: usize,
    },
    /// A kernel would write another number of bytes than the tensors have.
    #[error("{what}: {variant} decodes {found} bytes instead of {wanted}; report this")]
    Length {
        /// The tensor or layer.
        what: String,
        /// The strategy and its parameters.
        variant: String,
        /// Bytes of the launch.
        found: u64,
        /// Bytes of the tensors.
        wanted: u64,
    },
    /// A tensor or a layer cannot be decoded.
    #[error("{what}{}: {source}", by(variant))]
    Decode {
        /// The tensor or layer.
        what: String,
        /// The strategy and its parameters; empty for what is stored as it is.
        variant: String,
        /// Why not.
        source: Box<ExecutorError>,
    },
    /// The target fails.
    #[error(transparent)]
    Target(#[from] ExecutorError),
    /// What was decoded is not what the model was made from.
    #[error(
        "tensor `{tensor}` is not decoded exactly: its checksum is not that of the original; report this"
    )]
    Inexact {
        /// The tensor.
        tensor: String,
    },
}

fn by(variant: &str) -> String {
    if variant.is_empty() { String::new() } else { format!(" by {variant}") }
}
