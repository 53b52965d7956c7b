//! Layers and tensors decoded into a buffer, and checked.

use super::load::{Home, LoadedLayer, TensorLocation};
use super::{LoadedModel, ModelError};
use crate::executor::{CudaExecutor, ExecutorError, Target, Transfer, Undone};
use ecf8_codegen::sink::Checked;
use ecf8_core::Encoded;
use std::collections::BTreeSet;
use std::ops::Range;

impl<T: Target> LoadedModel<T> {
    /// Bytes of a buffer that any layer fits.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.bytes).max().unwrap_or(0)
    }

    /// Bytes of a buffer that this layer fits; 0 for a layer that is not there.
    #[must_use]
    pub fn layer_bytes(&self, layer: usize) -> usize {
        self.layers.get(layer).map_or(0, |layer| layer.bytes)
    }

    /// Where a layer's tensors are once it is decoded, in the order of the model's tensors; nothing for a layer that is
    /// not there.
    #[must_use]
    pub fn places(&self, layer: usize) -> &[TensorLocation] {
        self.layers.get(layer).map_or(&[], |layer| &layer.places)
    }

    /// The buffer of a layer's tensors that are stored as they are; `None` if it has none, or is not there. It may be
    /// read as long as the model is loaded.
    #[must_use]
    pub fn resident(&self, layer: usize) -> Option<&T::Buffer> {
        self.layers.get(layer)?.resident.as_ref()
    }

    /// A buffer on the target that any layer fits.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn scratch(&mut self) -> Result<T::Buffer, ModelError> {
        Ok(self.target.alloc(self.scratch_bytes())?)
    }

    /// Decodes a layer into a buffer, each tensor where [`LoadedModel::places`] says; what is stored as it is, is in
    /// its place already. On a GPU this only queues the work: what is asked of the same stream afterwards finds the
    /// layer decoded.
    ///
    /// A layer of several launches that is decoded into the same buffer as the last time is replayed as a CUDA
    /// graph, so that the host does not hold small ones up.
    ///
    /// # Errors
    /// If there is no such layer, the buffer is too small, or a launch fails, naming the tensor that is damaged if one
    /// is.
    pub fn decode_layer(&mut self, layer: usize, scratch: &mut T::Buffer) -> Result<(), ModelError> {
        let no_layer = ModelError::NoLayer { index: layer, layers: self.layers.len() };
        let LoadedLayer { steps, bytes, replay, .. } = self.layers.get_mut(layer).ok_or(no_layer)?;
        let room = self.target.bytes(scratch);
        if room < *bytes {
            return Err(ExecutorError::Room { start: 0, bytes: *bytes, room }.into());
        }
        let scratch = &*scratch;
        let work = steps.iter().map(|step| step.launch.dispatch(scratch, step.start));
        let (at, work): (Vec<_>, Vec<_>) =
            work.enumerate().filter_map(|(at, dispatch)| Some((at, dispatch?))).unzip();
        let done = self.target.repeat(&work, replay);
        done.map_err(|undone| self.blame(layer, undone.at.and_then(|nth| at.get(nth).copied()), undone))
    }

    /// Decodes one tensor to the start of a buffer; on a GPU this only queues the work.
    ///
    /// A tensor that its layer decodes in one launch with others gets a launch of its own when it is first asked for,
    /// for which its parts are uploaded once more, to stay. Who needs tensors one by one opens the model
    /// [grouped](super::Model::open_grouped) by their names.
    ///
    /// # Errors
    /// If there is no such tensor, the buffer is too small, its parts are damaged, or the launch fails.
    pub fn decode_tensor(&mut self, name: &str, into: &mut T::Buffer) -> Result<(), ModelError> {
        let model = self.model.clone();
        let Some(index) = model.find(name) else {
            let (path, tensor) = (model.path().to_owned(), name.to_owned());
            return Err(ecf8_core::Error::NoTensor { path, tensor }.into());
        };
        let layer = loaded_layer(&self.layers, model.tensors()[index].layer)?;
        let kept = layer.places.iter().find(|place| place.tensor == index && place.home == Home::Resident);
        if let (Some(place), Some(from)) = (kept, &layer.resident) {
            let part = place.start..place.start + place.bytes;
            let copied = self.target.copy(&Transfer { from, part, into, start: 0 });
            return copied.map_err(|source| self.failed(index, source));
        }
        if let Some(step) = layer.steps.iter().find(|step| step.tensors == [index]) {
            let done = step.launch.run(&mut self.target, into, 0);
            return done.map_err(|source| self.failed(index, source));
        }
        let Some(tensor) = model.compressed(index).filter(|tensor| tensor.elements() > 0) else {
            return Ok(());
        };
        if !self.singles.contains_key(&index) {
            let prepared = self.prepare_single(index, &tensor.encoded());
            model.check_unchanged()?;
            let prepared = prepared?;
            self.target.settle()?;
            self.singles.insert(index, prepared);
        }
        match self.singles.get(&index).map(|single| single.run(&mut self.target, into, 0)) {
            Some(Err(source)) => Err(self.failed(index, source)),
            _ => Ok(()),
        }
    }

    /// Copies bytes of a layer's tensors that are stored as they are.
    pub(crate) fn copy_resident(
        &mut self,
        layer: usize,
        part: Range<usize>,
        into: &T::Buffer,
        start: usize,
    ) -> Result<(), ModelError> {
        match &loaded_layer(&self.layers, layer)?.resident {
            Some(from) => Ok(self.target.copy(&Transfer { from, part, into, start })?),
            None => Ok(()),
        }
    }

    /// The bytes of a tensor, decoded on the CPU.
    pub(crate) fn read_tensor(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let no_tensor = || {
            let (path, tensor) = (self.model.path().to_owned(), name.to_owned());
            ModelError::from(ecf8_core::Error::NoTensor { path, tensor })
        };
        Ok(self.model.read(self.model.find(name).ok_or_else(no_tensor)?)?.into_owned())
    }

    /// Compares a layer that was decoded into a buffer with what the model was made from, by the checksums of its
    /// tensors.
    ///
    /// # Errors
    /// [`ModelError::Inexact`] naming the first tensor that differs; or if the target fails.
    pub fn check_layer(&mut self, layer: usize, scratch: &T::Buffer) -> Result<(), ModelError> {
        let LoadedLayer { places, bytes, resident, .. } = loaded_layer(&self.layers, layer)?;
        let room = self.target.bytes(scratch);
        if room < *bytes {
            return Err(ExecutorError::Room { start: 0, bytes: *bytes, room }.into());
        }
        let mut decoded = vec![0; *bytes];
        self.target.download(scratch, &mut decoded)?;
        let mut kept = vec![0; resident.as_ref().map_or(0, |buffer| self.target.bytes(buffer))];
        if let Some(resident) = resident {
            self.target.download(resident, &mut kept)?;
        }
        for place in places {
            let all = match place.home {
                Home::Scratch => &decoded,
                Home::Resident => &kept,
            };
            let found = &all[place.start..place.start + place.bytes];
            let is_exact = match self.model.compressed(place.tensor) {
                Some(tensor) => tensor.is(found),
                None => *found == *self.model.read(place.tensor)?,
            };
            if !is_exact {
                // Damaged parts decode to something else without any fault of the kernel.
                self.model.read(place.tensor)?;
                let tensor = self.model.tensors()[place.tensor].name.clone();
                return Err(ModelError::Inexact { tensor });
            }
        }
        Ok(())
    }

    /// Decodes every layer and checks it; gives the bytes that were compared.
    ///
    /// # Errors
    /// As [`LoadedModel::decode_layer`] and [`LoadedModel::check_layer`].
    pub fn verify(&mut self) -> Result<u64, ModelError> {
        let mut scratch = self.scratch()?;
        for layer in 0..self.layers.len() {
            self.decode_layer(layer, &mut scratch)?;
            self.check_layer(layer, &scratch)?;
        }
        Ok(self.model.layers().iter().fold(0, |sum, layer| sum.saturating_add(layer.bytes)))
    }

    /// The tensors of which codewords did not end where their streams do in what was decoded since this was asked last, in their order:
    /// their numbers are wrong. Only a model whose [plan is checked](super::LoadPlan::checked) tells, and nothing is told of raw bits,
    /// nor of `exponent-gap`. Waits for all that was asked for; what was queued on another stream of the caller's must be done.
    ///
    /// # Errors
    /// If a launch has failed, or the target does.
    pub fn damaged(&mut self) -> Result<Vec<usize>, ModelError> {
        let Self { model, target, layers, singles, .. } = self;
        let mut damaged = BTreeSet::new();
        let steps = layers.iter_mut().flat_map(|layer| &mut layer.steps);
        let steps = steps.map(|step| (&mut step.launch, &step.tensors[..]));
        let singles = singles.iter_mut().map(|(tensor, launch)| (launch, std::slice::from_ref(tensor)));
        for (launch, tensors) in steps.chain(singles) {
            for marks in launch.others() {
                let mut status = vec![0; target.bytes(marks)];
                target.download(marks, &mut status)?;
                if status.iter().all(|byte| *byte == 0) {
                    continue;
                }
                target.fill(marks, 0)?;
                let batch: Vec<Encoded<'_>> =
                    tensors.iter().filter_map(|tensor| Some(model.compressed(*tensor)?.encoded())).collect();
                let those = Checked::damaged(&batch.iter().collect::<Vec<_>>(), &status);
                damaged.extend(those.into_iter().filter_map(|number| tensors.get(number)));
            }
        }
        Ok(damaged.into_iter().collect())
    }

    /// The error of a step of a layer, or of any of them: if the parts of one of its tensors are damaged, that one's.
    fn blame(&self, layer: usize, step: Option<usize>, undone: Undone) -> ModelError {
        let steps = self.layers.get(layer).map_or(&[][..], |layer| &layer.steps);
        let step = step.and_then(|step| steps.get(step));
        let steps = step.map_or(steps, std::slice::from_ref);
        let mut tensors = steps.iter().flat_map(|step| &step.tensors);
        if let Some(damage) = tensors.find_map(|tensor| self.model.read(*tensor).err()) {
            return damage;
        }
        let name = |tensor: &usize| format!("`{}`", self.model.tensors()[*tensor].name);
        let what = match step.map(|step| step.tensors.as_slice()) {
            None => format!("layer `{}`", self.model.layers()[layer].name),
            Some([tensor]) => format!("tensor {}", name(tensor)),
            Some(tensors) => {
                let first = tensors.first().map_or(String::new(), name);
                format!("tensor {first} and {} more in one launch", tensors.len().saturating_sub(1))
            }
        };
        let variant = step.map_or(String::new(), |step| step.variant.clone());
        ModelError::Decode { what, variant, source: Box::new(undone.source) }
    }
}

impl LoadedModel<CudaExecutor> {
    /// Decodes a layer into a caller's memory on the caller's stream, both named by numbers, as PyTorch's `data_ptr()` and
    /// `cuda_stream` are: the work is queued, and nothing waits. Each tensor goes where [`LoadedModel::places`] says.
    ///
    /// The memory and the stream are the caller's to keep until the work is done; see
    /// [`CudaDevice::on_stream_number`](crate::device::CudaDevice::on_stream_number).
    ///
    /// # Errors
    /// As [`LoadedModel::decode_layer`], and if the memory does not start at a multiple of 256.
    pub fn decode_layer_at(
        &mut self,
        layer: usize,
        address: u64,
        bytes: usize,
        stream: u64,
    ) -> Result<(), ModelError> {
        let there = self.target.device().on_stream_number(stream).map_err(ExecutorError::from)?;
        let mut memory = there.memory_number(address, bytes).map_err(ExecutorError::from)?;
        let before = self.target.replace_device(there);
        let done = self.decode_layer(layer, &mut memory);
        self.target.replace_device(before);
        done
    }
}

fn loaded_layer<T: Target>(layers: &[LoadedLayer<T>], index: usize) -> Result<&LoadedLayer<T>, ModelError> {
    layers.get(index).ok_or(ModelError::NoLayer { index, layers: layers.len() })
}
