//! Loading a compressed model: opened, planned, uploaded once, then decoded layer by layer into one buffer.
//!
//! | file | what it does |
//! |---|---|
//! | `open` | a container or a folder of them, mapped: its tensors and layers |
//! | `held` | a compressed tensor, in a file or where somebody holds it |
//! | `layers` | which tensors make a layer, by their names |
//! | `batches` | which tensors of a layer are decoded together |
//! | `plan` | the variant for each tensor, from the tuning cache, with few kernels |
//! | `fit` | which variants fit the target |
//! | `load` | kernels compiled or fetched, parts uploaded: one launch for many tensors where the strategy can |
//! | `decode` | a layer or a tensor decoded into a buffer; checked against the checksums |
//! | `walk` | layer after layer, the next one decoded while one is used |
//!
//! A model stays compressed in the target's memory, uploaded from the mapped file without a copy of a layer on the
//! host. Only the layer that is computed with is expanded, into a buffer of [`LoadedModel::scratch_bytes`] that all
//! layers take turns in (section 3.3 of the ECF8 paper). A loaded model owns all that it needs, so it can be kept
//! anywhere and moved to other threads.
//!
//! ```no_run
//! use ecf8_tune::executor::CudaExecutor;
//! use ecf8_tune::model::{CudaModel, Home, Model};
//! use std::sync::Arc;
//!
//! let model = Arc::new(Model::open("model.ecf8.safetensors".as_ref())?);
//! let mut loaded: CudaModel = model.load(CudaExecutor::open(0)?)?;
//! let mut scratch = loaded.scratch()?;
//! for index in 0..model.layers().len() {
//!     loaded.decode_layer(index, &mut scratch)?;
//!     for place in loaded.places(index) {
//!         // What is stored as it is lies in a buffer of its own all the time.
//!         let buffer = match place.home {
//!             Home::Scratch => Some(&scratch),
//!             Home::Resident => loaded.resident(index),
//!         };
//!         let tensor = &model.tensors()[place.tensor];
//!         let at = buffer.map_or(0, |buffer| buffer.device_address()) + place.start as u64;
//!         println!("{} {:?}: {} bytes at {at:#x}", tensor.name, tensor.shape, place.bytes);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything happens in order on the target's stream, which may be the caller's
//! ([`CudaDevice::on_stream`](crate::device::CudaDevice::on_stream)); decoding only queues work there. `cargo run -p
//! ecf8-tune --example walk_layers` shows the whole of it.

mod batches;
mod decode;
mod error;
mod fit;
mod held;
mod layers;
mod load;
mod open;
mod plan;
#[cfg(test)]
mod tests;
mod walk;

pub use error::ModelError;
pub(crate) use held::Compressed;
pub use held::HeldTensor;
pub use layers::layer_of;
pub use load::{CudaModel, EmulatedModel, Home, LoadedModel, TensorLocation};
pub use open::{Layer, Model, NamedTensor, Tensor};
pub use plan::{LoadPlan, MOST_KERNELS, TensorPlan};
