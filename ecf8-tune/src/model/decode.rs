//! Layers and tensors decoded into a buffer, and checked.

use super::load::{LoadedLayer, Place, Step, Work};
use super::{LoadedModel, ModelError};
use crate::executor::{ExecutorError, Target};

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
    /// # Errors
    /// If there is no such layer, the buffer is too small, or a launch fails, naming the tensor that is damaged if one is.
    pub fn decode_layer(&mut self, layer: usize, scratch: &mut T::Buffer) -> Result<(), ModelError> {
        let LoadedLayer { places, steps, bytes } = loaded_layer(&self.layers, layer)?;
        let room = self.target.bytes(scratch);
        if room < *bytes {
            return Err(ExecutorError::Room { start: 0, bytes: *bytes, room }.into());
        }
        for step in steps {
            if let Err(source) = run(&mut self.target, step, places, scratch, step.start) {
                return Err(self.blame(step, source));
            }
        }
        Ok(())
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
            let done = run(&mut self.target, step, &layer.places, into, 0);
            return done.map_err(|source| self.failed(index, source));
        }
        let Some(tensor) = model.compressed(index).filter(|tensor| tensor.elements() > 0) else {
            return Ok(());
        };
        if !self.singles.contains_key(&index) {
            let prepared = self.prepare_single(index, &tensor.encoded())?;
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

    /// The error of a launch: if the parts of one of its tensors are damaged, that one's.
    fn blame(&self, step: &Step<T>, source: ExecutorError) -> ModelError {
        if let Some(damage) = step.tensors.iter().find_map(|tensor| self.model.read(*tensor).err()) {
            return damage;
        }
        let name = |tensor: &usize| format!("`{}`", self.model.tensors()[*tensor].name);
        let what = match step.tensors.as_slice() {
            [tensor] => format!("tensor {}", name(tensor)),
            tensors => {
                let first = tensors.first().map_or(String::new(), name);
                format!("tensor {first} and {} more in one launch", tensors.len().saturating_sub(1))
            }
        };
        ModelError::Decode { what, variant: step.variant.clone(), source: Box::new(source) }
    }
}

fn loaded_layer<T: Target>(layers: &[LoadedLayer<T>], index: usize) -> Result<&LoadedLayer<T>, ModelError> {
    layers.get(index).ok_or(ModelError::NoLayer { index, layers: layers.len() })
}

/// Does a step's work, its first tensor starting at `start`.
fn run<T: Target>(
    target: &mut T,
    step: &Step<T>,
    places: &[Place],
    into: &mut T::Buffer,
    start: usize,
) -> Result<(), ExecutorError> {
    match &step.work {
        Work::Launch(prepared) => prepared.run(target, into, start),
        Work::Copy(buffer) => {
            let is_its = |place: &&Place| step.tensors == [place.tensor];
            let bytes = places.iter().find(is_its).map_or(0, |place| place.bytes);
            target.copy(buffer, bytes, into, start)
        }
    }
}
