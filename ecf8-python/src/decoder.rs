//! Layers of tensors, decoded into one buffer at places that never change.

use crate::encoded::Encoded;
use crate::error;
use crate::file::whole;
use crate::loaded::Loaded;
use crate::placed::Placed;
use numpy::PyReadwriteArray1;
use pyo3::prelude::*;

/// Layers of tensors, each of which has its place in a buffer that all layers share.
#[pyclass(frozen, module = "ecf8._ecf8")]
pub(crate) struct Decoder {
    way: Way,
}

/// What decodes.
enum Way {
    Cpu(Placed),
    /// The generated kernels, which say themselves where they put tensors.
    Kernels(Box<Loaded>),
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (device, layers, allocate = None))]
    fn new(
        py: Python<'_>,
        device: &str,
        layers: Vec<Vec<(String, usize, Py<Encoded>)>>,
        allocate: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        if device == "cpu" {
            return Ok(Self { way: Way::Cpu(Placed::new(layers)?) });
        }
        let unplaced = |layer: Vec<_>| layer.into_iter().map(|(name, _, tensor)| (name, tensor)).collect();
        let layers = layers.into_iter().map(unplaced).collect();
        Ok(Self { way: Way::Kernels(Box::new(Loaded::new(py, device, layers, allocate)?)) })
    }

    /// The first byte of each of a layer's tensors in the buffer.
    fn places(&self, layer: usize) -> PyResult<Vec<usize>> {
        match &self.way {
            Way::Cpu(placed) => placed.places(layer),
            Way::Kernels(loaded) => loaded.places(layer),
        }
    }

    /// Decodes a layer into an array, each tensor to its place there.
    fn decode(&self, py: Python<'_>, layer: usize, mut out: PyReadwriteArray1<'_, u8>) -> PyResult<()> {
        let out = whole(&mut out, None, "of the layer")?;
        match &self.way {
            Way::Cpu(placed) => placed.decode(py, layer, out),
            Way::Kernels(loaded) => loaded.decode(py, layer, out),
        }
    }

    /// Decodes a layer to an address on a GPU, by one launch on a stream.
    fn decode_at(
        &self,
        py: Python<'_>,
        layer: usize,
        address: u64,
        nbytes: usize,
        stream: u64,
    ) -> PyResult<()> {
        match &self.way {
            Way::Cpu(_) => {
                Err(error::plain("decode_at is for GPUs; on \"cpu\" call decode with an array".to_owned()))
            }
            Way::Kernels(loaded) => loaded.decode_at(py, layer, address, nbytes, stream),
        }
    }

    /// How many kernels are launched for a layer; none on the CPU.
    fn launches(&self, layer: usize) -> PyResult<usize> {
        match &self.way {
            Way::Cpu(_) => Ok(0),
            Way::Kernels(loaded) => loaded.launches(layer),
        }
    }

    /// Decodes every layer there and compares it with what the CPU decodes.
    fn verify(&self, py: Python<'_>) -> PyResult<u64> {
        match &self.way {
            Way::Cpu(placed) => placed.verify(py),
            Way::Kernels(loaded) => loaded.verify(py),
        }
    }

    fn __len__(&self) -> PyResult<usize> {
        match &self.way {
            Way::Cpu(placed) => Ok(placed.layers()),
            Way::Kernels(loaded) => loaded.layers(),
        }
    }
}
