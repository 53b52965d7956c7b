//! Layers and tensors decoded into a buffer, and checked.

use super::load::{LoadedLayer, Place, Step, Work};
use super::{LoadedModel, ModelError};
use crate::executor::{ExecutorError, Target, Task, Transfer, Undone};

impl<T: Target> LoadedModel<'_, T> {
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

    /// Where a layer's tensors are once it is decoded, in the order of the model's tensors; nothing for a layer that is not
    /// there.
    #[must_use]
    pub fn places(&self, layer: usize) -> &[Place] {
        self.layers.get(layer).map_or(&[], |layer| &layer.places)
    }

    /// A buffer on the target that any layer fits.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn scratch(&mut self) -> Result<T::Buffer, ModelError> {
        Ok(self.target.alloc(self.scratch_bytes())?)
    }

    /// Decodes a layer into a buffer, each tensor where [`LoadedModel::places`] says. On a GPU this only queues the work:
    /// what is asked of the same stream afterwards finds the layer decoded.
    ///
    /// A layer of several launches and copies that is decoded into the same buffer as the last time is replayed as a CUDA
    /// graph, so that the host does not hold small ones up.
    ///
    /// # Errors
    /// If there is no such layer, the buffer is too small, or a launch fails, naming the tensor that is damaged if one is.
    pub fn decode_layer(&mut self, layer: usize, scratch: &mut T::Buffer) -> Result<(), ModelError> {
        let no_layer = ModelError::NoLayer { index: layer, layers: self.layers.len() };
        let LoadedLayer { places, steps, bytes, replay } = self.layers.get_mut(layer).ok_or(no_layer)?;
        let room = self.target.bytes(scratch);
        if room < *bytes {
            return Err(ExecutorError::Room { start: 0, bytes: *bytes, room }.into());
        }
        let scratch = &*scratch;
        let work = steps.iter().map(|step| task(step, places, scratch, step.start));
        let (at, work): (Vec<_>, Vec<_>) =
            work.enumerate().filter_map(|(at, task)| Some((at, task?))).unzip();
        let done = self.target.repeat(&work, replay);
        done.map_err(|undone| self.blame(layer, undone.at.and_then(|task| at.get(task).copied()), undone))
    }

    /// Decodes one tensor to the start of a buffer; on a GPU this only queues the work.
    ///
    /// A tensor that its layer decodes in one launch with others gets a launch of its own when it is first asked for, for
    /// which its parts are uploaded once more, to stay. Who needs tensors one by one opens the model
    /// [grouped](super::Model::open_grouped) by their names.
    ///
    /// # Errors
    /// If there is no such tensor, the buffer is too small, its parts are damaged, or the launch fails.
    pub fn decode_tensor(&mut self, name: &str, into: &mut T::Buffer) -> Result<(), ModelError> {
        let model = self.model;
        let Some(index) = model.find(name) else {
            let (path, tensor) = (model.path().to_owned(), name.to_owned());
            return Err(ecf8_core::Error::NoTensor { path, tensor }.into());
        };
        let layer = loaded_layer(&self.layers, model.tensors()[index].layer)?;
        if let Some(step) = layer.steps.iter().find(|step| step.tensors == [index]) {
            let work = task(step, &layer.places, &*into, 0);
            let done = self.target.repeat(work.as_slice(), &mut T::Replay::default());
            return done.map_err(|Undone { source, .. }| self.failed(index, source));
        }
        let Some(tensor) = model.compressed(index).filter(|tensor| tensor.elements() > 0) else {
            return Ok(());
        };
        if !self.singles.contains_key(&index) {
            let prepared = self.prepare_single(index, &tensor.encoded());
            model.check_unchanged()?;
            let prepared = prepared?;
            self.singles.insert(index, prepared);
        }
        match self.singles.get(&index).map(|single| single.run(&mut self.target, into, 0)) {
            Some(Err(source)) => Err(self.failed(index, source)),
            _ => Ok(()),
        }
    }

    /// Compares a layer that was decoded into a buffer with what the model was made from, by the checksums of its tensors.
    ///
    /// # Errors
    /// [`ModelError::Inexact`] naming the first tensor that differs; or if the target fails.
    pub fn check_layer(&mut self, layer: usize, scratch: &T::Buffer) -> Result<(), ModelError> {
        let LoadedLayer { places, bytes, .. } = loaded_layer(&self.layers, layer)?;
        let room = self.target.bytes(scratch);
        if room < *bytes {
            return Err(ExecutorError::Room { start: 0, bytes: *bytes, room }.into());
        }
        let mut decoded = vec![0; *bytes];
        self.target.download(scratch, &mut decoded)?;
        for place in places {
            let found = &decoded[place.start..place.start + place.bytes];
            let is_exact = match self.model.compressed(place.tensor) {
                Some(tensor) => tensor.check(found).is_ok(),
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

fn loaded_layer<T: Target>(layers: &[LoadedLayer<T>], index: usize) -> Result<&LoadedLayer<T>, ModelError> {
    layers.get(index).ok_or(ModelError::NoLayer { index, layers: layers.len() })
}

/// A step's work, its first tensor starting at `start`; `None` if there is nothing to do.
fn task<'a, T: Target>(
    step: &'a Step<T>,
    places: &[Place],
    into: &'a T::Buffer,
    start: usize,
) -> Option<Task<'a, T::Kernel, T::Buffer>> {
    match &step.work {
        Work::Launch(prepared) => prepared.dispatch(into, start).map(Task::Launch),
        Work::Copy(from) => {
            let is_its = |place: &&Place| step.tensors == [place.tensor];
            let bytes = places.iter().find(is_its).map_or(0, |place| place.bytes);
            Some(Task::Copy(Transfer { from, bytes, into, start }))
        }
    }
}
