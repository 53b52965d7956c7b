//! Layer after layer, the next one decoded while one is used.

use super::{LoadedModel, ModelError};
use crate::executor::Target;

impl<T: Target> LoadedModel<T> {
    /// Walks the layers with two buffers: `each` is called with every layer, decoded, while the next one is being decoded
    /// into the other buffer. When `each` returns, its buffer is used for the layer after that, so what it asked of another
    /// stream must be done by then.
    ///
    /// Work that `each` asks of the model's own target comes after the decoding of the next layer; to have both at once, use
    /// a stream of your own, on which the layer is ready.
    ///
    /// # Errors
    /// As [`LoadedModel::decode_layer`], if there is no memory for the buffers, and what `each` says.
    pub fn walk<E: From<ModelError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, usize, &T::Buffer) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut one, mut other) = (self.scratch()?, self.scratch()?);
        self.walk_in([&mut one, &mut other], &mut each)
    }

    /// The same with two buffers of the caller's, each as large as [`LoadedModel::scratch`]: with the same ones every time,
    /// layers of several launches are replayed as graphs.
    ///
    /// # Errors
    /// As [`LoadedModel::walk`].
    pub fn walk_in<E: From<ModelError>>(
        &mut self,
        buffers: [&mut T::Buffer; 2],
        mut each: impl FnMut(&mut Self, usize, &T::Buffer) -> Result<(), E>,
    ) -> Result<(), E> {
        let layers = self.model.layers().len();
        if layers == 0 {
            return Ok(());
        }
        let [mut now, mut next] = buffers;
        let mut ready = self.begin(0, now)?;
        for layer in 0..layers {
            let following = if layer + 1 < layers { Some(self.begin(layer + 1, next)?) } else { None };
            self.target.wait(&ready).map_err(ModelError::from)?;
            each(self, layer, now)?;
            std::mem::swap(&mut now, &mut next);
            if let Some(following) = following {
                ready = following;
            }
        }
        Ok(())
    }

    /// Decodes a layer, and marks where that is done.
    fn begin(&mut self, layer: usize, buffer: &mut T::Buffer) -> Result<T::Mark, ModelError> {
        self.decode_layer(layer, buffer)?;
        Ok(self.target.mark()?)
    }
}
