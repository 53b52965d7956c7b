//! Weights that a GPU has, brought to a later state: a difference made by `ecf8 compress --base` stays compressed in the target's
//! memory, and layer by layer its streams are decoded and applied, all tensors of a layer by one launch
//! ([`ecf8_codegen::delta`]). The base need not be on the host.
//!
//! ```no_run
//! use ecf8_tune::executor::CudaExecutor;
//! use ecf8_tune::model::Model;
//! use ecf8_tune::update::{Update, resident_layers};
//! use std::sync::Arc;
//!
//! let model = Arc::new(Model::open("step-1000.ecf8.safetensors".as_ref())?);
//! let mut loaded = model.load(CudaExecutor::open(0)?)?;
//! let layers = resident_layers(&loaded);
//! let mut update = Update::load("step-2000.ecf8.safetensors".as_ref(), &layers, CudaExecutor::open(0)?)?;
//! let (mut base, mut scratch) = (loaded.scratch()?, update.scratch()?);
//! for layer in 0..layers.len() {
//!     loaded.decode_layer(layer, &mut base)?;
//!     let mut later = loaded.scratch()?;
//!     update.apply(layer, &base, &mut later, &mut scratch)?; // as `base`, with tensors in the same places
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod layer;
#[cfg(test)]
mod tests;

pub use error::UpdateError;

use crate::executor::{Destination, Dispatch, ExecutorError, Target, Transfer};
use crate::model::{Home, LoadedModel, Model};
use ecf8_codegen::delta::{ApplyForm, ApplyKernel};
use ecf8_codegen::launch::Launch;
use ecf8_core::container::{CompressedModel, ToldTensor};
use layer::{Planned, plan};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A tensor that the target has, in the buffer of its layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentTensor {
    /// Its name, in the difference as well.
    pub name: String,
    /// Its safetensors dtype.
    pub dtype: String,
    /// Its first byte in the buffer: a multiple of 16.
    pub start: usize,
    /// Its length in bytes.
    pub bytes: usize,
}

/// The tensors of each layer of a loaded model that are in the buffer into which the layer is decoded. Those that are stored as they are lie
/// elsewhere, and are not among them.
#[must_use]
pub fn resident_layers<T: Target>(model: &LoadedModel<T>) -> Vec<Vec<ResidentTensor>> {
    let of_layer = |layer: usize| {
        let decoded = model.places(layer).iter().filter(|place| place.home == Home::Scratch);
        let resident = decoded.map(|place| {
            let tensor = &model.model().tensors()[place.tensor];
            let (name, dtype) = (tensor.name.clone(), tensor.dtype.clone());
            ResidentTensor { name, dtype, start: place.start, bytes: place.bytes }
        });
        resident.collect()
    };
    (0..model.model().layers().len()).map(of_layer).collect()
}

/// A difference in a target's memory.
pub struct Update<T: Target> {
    streams: LoadedModel<T>,
    kernel: Option<T::Kernel>,
    threads: u32,
    layers: Vec<LoadedLayer<T>>,
}

struct LoadedLayer<T: Target> {
    planned: Planned,
    /// Jobs, the job of each task, and where tasks start: as the kernel takes them.
    tables: Vec<T::Buffer>,
}

impl<T: Target> Update<T> {
    /// Opens the difference at `path` and uploads it, to be applied to tensors that are in these layers.
    ///
    /// # Errors
    /// If it is none, is damaged, cannot be told on the device (numbers of 8 bytes, tensors that are told from one of another layer or
    /// another length), or the target fails.
    pub fn load(path: &Path, layers: &[Vec<ResidentTensor>], target: T) -> Result<Self, UpdateError> {
        let container = CompressedModel::open(path)?;
        let mut told: HashMap<String, ToldTensor> = HashMap::new();
        for file in &container.files {
            if file.base_needed().is_none() {
                return Err(ecf8_core::Error::NoDelta { path: file.path().to_owned() }.into());
            }
            told.extend(file.told_tensors()?.into_iter().map(|one| (one.name.clone(), one)));
        }
        let planned = plan(path, layers, &told)?;
        let mut layer_of: HashMap<&str, usize> = HashMap::new();
        for (layer, planned) in planned.iter().enumerate() {
            layer_of.extend(planned.streams().map(|stream| (stream, layer)));
        }
        // In the order of the layers; what no layer needs comes last, and is never decoded.
        let name = |stream: &str| format!("{:08}", layer_of.get(stream).copied().unwrap_or(planned.len()));
        let model = Arc::new(Model::of_container(container, name)?);
        let mut streams = model.load(target)?;
        let numbers = (0..model.layers().len()).map(|index| (model.layers()[index].name.clone(), index));
        let numbers: HashMap<String, usize> = numbers.collect();

        let forms: Vec<ApplyForm> = planned.iter().flat_map(Planned::forms).collect();
        let mut kernel = None;
        let mut threads = 0;
        if !forms.is_empty() {
            let built =
                ApplyKernel::new(forms).kernel().map_err(|error| UpdateError::Kernel(error.to_string()))?;
            threads = built.threads;
            for compiled in streams.target().compile(std::slice::from_ref(&built)) {
                compiled?;
            }
            kernel = Some(streams.target().load(&built)?);
        }
        let mut loaded = Vec::with_capacity(planned.len());
        for (layer, mut planned) in planned.into_iter().enumerate() {
            planned.place(numbers.get(&format!("{layer:08}")).copied(), &streams)?;
            let mut tables = Vec::new();
            for bytes in planned.tables()? {
                tables.push(streams.target().upload(&bytes.into())?);
            }
            loaded.push(LoadedLayer { planned, tables });
        }
        model.check_unchanged()?;
        streams.target().settle()?;
        Ok(Self { streams, kernel, threads, layers: loaded })
    }

    /// A buffer in which the streams of any layer fit.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn scratch(&mut self) -> Result<T::Buffer, UpdateError> {
        let bytes = self.layers.iter().map(|layer| layer.planned.scratch_bytes()).max().unwrap_or(0);
        Ok(self.streams.target().alloc(bytes)?)
    }

    /// What the streams and kernels are on.
    pub fn target(&mut self) -> &mut T {
        self.streams.target()
    }

    /// Puts a layer's later state into `later`, where each tensor is in the place that it has in `base`, its state before. On a GPU this
    /// only queues the work.
    ///
    /// # Errors
    /// If there is no such layer, a buffer is too small, or a launch fails.
    pub fn apply(
        &mut self,
        layer: usize,
        base: &T::Buffer,
        later: &mut T::Buffer,
        scratch: &mut T::Buffer,
    ) -> Result<(), UpdateError> {
        let layers = self.layers.len();
        let Some(LoadedLayer { planned, tables }) = self.layers.get(layer) else {
            return Err(crate::model::ModelError::NoLayer { index: layer, layers }.into());
        };
        for (buffer, needed) in
            [(base, planned.bytes()), (&*later, planned.bytes()), (&*scratch, planned.scratch_bytes())]
        {
            let room = self.streams.target().bytes(buffer);
            if room < needed {
                return Err(ExecutorError::Room { start: 0, bytes: needed, room }.into());
            }
        }
        if let Some(number) = planned.layer {
            self.streams.decode_layer(number, scratch)?;
            // Streams that are stored as they are come behind the others, so that the kernel finds all in one buffer.
            for (part, start) in &planned.kept {
                self.streams.copy_resident(number, part.clone(), scratch, *start)?;
            }
        }
        for (part, start) in &planned.unchanged {
            let transfer = Transfer { from: base, part: part.clone(), into: later, start: *start };
            self.streams.target().copy(&transfer)?;
        }
        for (part, start) in &planned.whole {
            let transfer = Transfer { from: scratch, part: part.clone(), into: later, start: *start };
            self.streams.target().copy(&transfer)?;
        }
        if let (Some(kernel), [jobs, task_jobs, starts]) = (&self.kernel, &**tables) {
            let launch: Launch<&T::Buffer> = planned.launch(&*scratch, base, [jobs, task_jobs, starts])?;
            if launch.grid > 0 {
                let outputs = vec![Destination { buffer: &*later, start: 0 }];
                let dispatch = Dispatch { kernel, threads: self.threads, launch, outputs };
                self.streams.target().launch(&dispatch)?;
            }
        }
        Ok(())
    }
}
